"""A worker runs so many turns at once; the rest waits in order, and whoever follows is told."""

import asyncio
from typing import Any

import pytest

from agent_runtime_framework import NoReply, Queued, Runtime, Unavailable
from agent_runtime_framework.runtime import worker as worker_module
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.testing import ScriptedLLM
from support.journeys import order_agent, types, working


class Gate:
    """Is a model that answers when it may, and counts who is being answered."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most = 0
        self._now = 0
        self.may = asyncio.Event()
        self.began = asyncio.Condition()

    async def __call__(self, messages: list[dict[str, Any]], tools: Any) -> str:
        self.asked.append(messages[-1]["content"])
        self._now += 1
        self.most = max(self.most, self._now)
        async with self.began:
            self.began.notify_all()
        await self.may.wait()
        self._now -= 1
        return "Done."

    async def are_asked(self, number: int) -> None:
        """Return when so many were asked for."""
        async with asyncio.timeout(20), self.began:
            await self.began.wait_for(lambda: len(self.asked) >= number)


async def heard_queued(rt: Runtime, conversation: str) -> Queued:
    """Return the first that is heard of a message that waits."""
    async with asyncio.timeout(20):
        async for heard in rt.follow(conversation):
            if isinstance(heard, Queued):
                return heard
    raise AssertionError("nothing more is heard")


@pytest.mark.parametrize("limit", [1, 3])
async def test_so_many_turns_run_at_once_and_the_rest_waits_in_order(substrate: Substrate, limit: int) -> None:
    gate = Gate()
    with ScriptedLLM(*[gate] * 8) as llm:
        async with working(order_agent(llm), substrate=substrate, concurrency=limit) as rt:
            sending = []
            for number in range(8):
                sending.append(asyncio.ensure_future(rt.send("order", f"c-{number}", f"{number}", timeout=30)))
                if number < limit:
                    await gate.are_asked(number + 1)
                else:
                    await heard_queued(rt, f"c-{number}")
            assert gate.asked == [str(number) for number in range(limit)]
            gate.may.set()
            replies = [(await each).text for each in sending]

    assert replies == ["Done."] * 8
    every = [str(number) for number in range(8)]
    assert (gate.asked if limit == 1 else sorted(gate.asked)) == every  # those admitted at once may overtake each other
    assert gate.most == limit


async def test_a_conversation_with_many_messages_lets_others_in_between() -> None:
    gate = Gate()
    with ScriptedLLM(*[gate] * 4) as llm:
        async with working(order_agent(llm), concurrency=1) as rt:
            for number in range(3):
                await rt.publish("order", "c-1", f"first {number}")
            await gate.are_asked(1)
            sending = asyncio.ensure_future(rt.send("order", "c-2", "second", timeout=20))
            await heard_queued(rt, "c-2")
            gate.may.set()
            await sending
            await gate.are_asked(4)

    assert gate.asked == ["first 0", "second", "first 1", "first 2"]


async def test_a_cancel_gets_through_while_all_places_are_taken_and_lets_the_next_one_in(substrate: Substrate) -> None:
    gate = Gate()
    with ScriptedLLM(gate, gate) as llm:
        async with working(order_agent(llm), substrate=substrate, concurrency=1) as rt:
            running = asyncio.ensure_future(rt.send("order", "c-1", "one", timeout=20))
            await gate.are_asked(1)
            waiting = asyncio.ensure_future(rt.send("order", "c-2", "two", timeout=20))
            await heard_queued(rt, "c-2")
            await rt.cancel("c-1", "changed my mind")
            with pytest.raises(NoReply, match="changed my mind"):
                await running
            await gate.are_asked(2)
            gate.may.set()

            assert (await waiting).text == "Done."


async def test_who_follows_later_is_told_too_and_how_many_are_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "REMIND_EVERY", 0.05)
    gate = Gate()
    with ScriptedLLM(*[gate] * 4) as llm:
        async with working(order_agent(llm), concurrency=1) as rt:
            await rt.publish("order", "c-1", "one", message_id="m-1")
            await gate.are_asked(1)
            await rt.publish("order", "c-1", "two", message_id="m-2")
            assert await heard_queued(rt, "c-1") == Queued("m-2", 1)
            await rt.publish("order", "c-2", "three", message_id="m-3")
            assert await heard_queued(rt, "c-2") == Queued("m-3", 0)
            await rt.publish("order", "c-3", "four", message_id="m-4")
            assert await heard_queued(rt, "c-3") == Queued("m-4", 1)
            gate.may.set()
            await gate.are_asked(4)


async def test_a_message_that_waits_when_the_worker_leaves_is_the_next_ones(substrate: Substrate) -> None:
    gate = Gate()
    with ScriptedLLM(gate, "Later.") as llm:
        agent = order_agent(llm)
        async with working(agent, substrate=substrate, concurrency=1) as rt:
            running = asyncio.ensure_future(rt.send("order", "c-1", "one", timeout=20))
            await gate.are_asked(1)
            waiting = asyncio.ensure_future(rt.send("order", "c-2", "two", timeout=20))
            await heard_queued(rt, "c-2")
            asyncio.get_running_loop().call_later(0.2, gate.may.set)
        assert (await running).text == "Done."
        async with working(agent, substrate=substrate) as rt:
            assert (await waiting).text == "Later."
            assert (await types(rt, "c-2")).count("turn.started") == 1


async def test_who_sends_hears_that_the_message_waits() -> None:
    gate, heard = Gate(), list[Queued]()
    with ScriptedLLM(gate, "Later.") as llm:
        async with working(order_agent(llm)) as rt:
            await rt.publish("order", "c-1", "one", message_id="m-1")
            await gate.are_asked(1)

            def hear(queued: Queued) -> None:
                heard.append(queued)
                gate.may.set()

            reply = await rt.send("order", "c-1", "two", message_id="m-2", timeout=20, on_queued=hear)

    assert (reply.text, heard[0]) == ("Later.", Queued("m-2", 1))


async def test_who_gives_up_waiting_is_told_how_many_are_ahead() -> None:
    gate = Gate()
    with ScriptedLLM(gate, gate) as llm:
        async with working(order_agent(llm), concurrency=1) as rt:
            await rt.publish("order", "c-1", "one", message_id="m-1")
            await gate.are_asked(1)
            with pytest.raises(
                Unavailable, match=r"within 0\.5 s, because it waits its turn, 1 ahead of it; message m-2"
            ):
                await rt.send("order", "c-1", "two", message_id="m-2", timeout=0.5)
            gate.may.set()
            assert (await rt.send("order", "c-1", "two", message_id="m-2", timeout=20)).text == "Done."

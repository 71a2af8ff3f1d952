"""Two messages at once: the second one waits, ends the turn of the first, or is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from agent_runtime_framework import AgentContext, InvalidInput, JourneyConfig, NoReply, Refused, Runtime
from agent_runtime_framework.actors import SayToAgent
from agent_runtime_framework.events import (
    AgentKey,
    ConversationId,
    Frame,
    Head,
    MemoryLog,
    ModelAnswered,
    Stored,
    ToolFailed,
    TurnCancelled,
)
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.runtime.wire import encode
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.busy import Busy
from support.desk import QuoteAgent, desk
from support.journeys import Beginning, OrderTools, Step, frames, order_agent, recorded, types, working


def said(llm: ScriptedLLM) -> list[str]:
    return [message["content"] for message in llm.requests[-1].messages if message["role"] == "user"]


async def test_unless_told_otherwise_a_message_waits_for_the_end_of_the_turn(substrate: Substrate) -> None:
    busy = Busy()
    with ScriptedLLM(busy, "Second.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            first = asyncio.ensure_future(rt.send("order", "c-1", "one", timeout=20))
            await busy.asked.wait()
            second = asyncio.ensure_future(rt.send("order", "c-1", "two", timeout=20))
            busy.may.set()
            replies = [(await sending).text for sending in (first, second)]

    assert replies == ["First.", "Second."]


async def test_a_message_ends_the_turn_in_progress_where_the_agent_may_be_interrupted(substrate: Substrate) -> None:
    busy = Busy()
    with ScriptedLLM(busy, "Second.") as llm:
        async with working(order_agent(llm, mailbox="interrupt"), substrate=substrate) as rt:
            first = asyncio.ensure_future(rt.send("order", "c-1", "one", timeout=20))
            await busy.asked.wait()
            second = await rt.send("order", "c-1", "two", message_id="m-2", timeout=20)
            with pytest.raises(NoReply, match=r"turn 1 of 'c-1' cancelled \(interrupted by message m-2\)"):
                await first
            every = await types(rt, "c-1")
            stored = await frames(rt.substrate, "c-1")

    assert (second.text, second.turn) == ("Second.", 2)
    assert said(llm) == ["one", "two"]
    assert every[4:8] == ["turn.cancelled", "user.spoke", "turn.started", "model.requested"]
    assert len(stored[1].frame.events) == 4  # no life can end between the two turns


async def test_what_an_interrupted_turn_has_recorded_stays_and_its_running_tool_is_in_doubt() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    class Slow(OrderTools):
        async def finish(self) -> str:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return "never"

    with ScriptedLLM(calls(("add", {"line": "tea"}), ("finish", {})), "What is wrong?") as llm:
        agent = Beginning(llm, Step.ORDER, mailbox="interrupt")
        agent.tools_type = Slow
        async with working(agent) as rt:
            first = asyncio.ensure_future(rt.send("order", "c-1", "tea, and pay", timeout=10))
            await begun.wait()
            second = await rt.send("order", "c-1", "wait!", timeout=10)
            with pytest.raises(NoReply, match="interrupted"):
                await first
            await ended.wait()
            failed = [one.event for one in await recorded(rt, "c-1") if isinstance(one.event, ToolFailed)]

    assert (second.state["lines"], second.state["step"]) == (["tea"], "order")
    assert [(event.index, event.kind) for event in failed] == [(1, "in_doubt")]
    assert [message["role"] for message in llm.requests[-1].messages][-4:] == ["assistant", "tool", "tool", "user"]


async def test_each_of_many_messages_interrupts_the_one_before_and_none_is_lost() -> None:
    def answer(messages: Any, tools: Any) -> str:
        return f"To {messages[-1]['content']}"

    async with working(order_agent(ScriptedLLM(*[answer] * 20), mailbox="interrupt")) as rt:
        sending = [rt.send("order", "c-1", f"{number}", timeout=10) for number in range(20)]
        ends = await asyncio.gather(*sending, return_exceptions=True)
        ended = [one.event for one in await recorded(rt, "c-1") if isinstance(one.event, TurnCancelled)]
        now = await rt.conversation("c-1")

    replies = [end for end in ends if not isinstance(end, NoReply)]
    assert all(getattr(end, "text", "") == f"To {number}" for number, end in enumerate(ends) if end in replies)
    assert replies
    assert (now.turns, len(ended) + len(replies)) == (20, 20)


class SaidMeanwhile(MemoryLog):
    """Has something else said while a model's first answer is being stored, and lets others go on before it stores."""

    say: Callable[[], Awaitable[object]]

    async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
        if frame.turn == 1 and isinstance(frame.events[0], ModelAnswered):
            await self.say()
        await asyncio.sleep(0)
        return await super().append(conversation, frame, expected)


async def test_a_message_that_comes_while_an_answer_is_stored_interrupts_what_follows_from_that() -> None:
    log = SaidMeanwhile()
    substrate = replace(in_memory(SystemClock()), log=log)
    with ScriptedLLM(calls(("add", {"line": "tea"})), "Second.") as llm:
        agent = Beginning(llm, Step.ORDER, mailbox="interrupt")
        async with asyncio.timeout(3), working(agent, substrate=substrate) as rt:
            log.say = lambda: rt.publish("order", "c-1", "two", message_id="m-2")
            with pytest.raises(NoReply, match="interrupted by message m-2"):
                await rt.send("order", "c-1", "one")
            second = await rt.send("order", "c-1", "two", message_id="m-2")
            every = await types(rt, "c-1")

    assert (second.text, second.turn) == ("Second.", 2)
    assert every.count("turn.resumed") == 0


async def test_a_message_that_comes_twice_does_not_interrupt_itself() -> None:
    busy, say = Busy(), SayToAgent(id="m-1", agent="order", text="one")
    with ScriptedLLM(busy) as llm:
        async with working(order_agent(llm, mailbox="interrupt")) as rt:
            first = asyncio.ensure_future(rt.send("order", "c-1", "one", message_id="m-1", timeout=10))
            await busy.asked.wait()
            await rt.substrate.bus.publish(AgentKey("order"), ConversationId("c-1"), encode(say), id="again")
            busy.may.set()
            assert (await first).text == "First."
            now = await rt.conversation("c-1")

    assert now.turns == 1


async def test_a_message_is_refused_where_the_agent_takes_one_at_a_time(substrate: Substrate) -> None:
    busy = Busy()
    with ScriptedLLM(busy, "Third.") as llm:
        async with working(order_agent(llm, mailbox="reject"), substrate=substrate) as rt:
            first = asyncio.ensure_future(rt.send("order", "c-1", "one", timeout=20))
            await busy.asked.wait()
            with pytest.raises(Refused, match="a turn is in progress"):
                await rt.send("order", "c-1", "two", timeout=20)
            busy.may.set()
            assert (await first).text == "First."
            assert (await rt.send("order", "c-1", "three", timeout=20)).text == "Third."

    assert said(llm) == ["one", "three"]


async def test_with_a_router_the_first_agent_says_what_happens_to_a_message() -> None:
    busy = Busy()
    with ScriptedLLM(calls(("start_quote", {})), busy, "Second.") as llm:
        front = desk(llm, quote=QuoteAgent(config=JourneyConfig(mailbox="reject")))
        front.config.mailbox = "interrupt"
        async with working(front) as rt:
            first = asyncio.ensure_future(rt.send("desk", "c-1", "a quote", timeout=10))
            await busy.asked.wait()
            assert (await rt.send("desk", "c-1", "well?", timeout=10)).text == "Second."
            with pytest.raises(NoReply, match="interrupted"):
                await first


async def test_another_word_for_it_is_refused_before_anything_runs() -> None:
    agent = order_agent(ScriptedLLM(), mailbox="drop")
    says = "`mailbox` of 'order' must be one of queue, interrupt, reject, not 'drop'"
    with pytest.raises(InvalidInput, match=says):
        await agent.run(AgentContext("r-1", "c-1", [{"role": "user", "content": "hi"}]))
    with pytest.raises(InvalidInput, match=says):
        async with working(agent):
            raise AssertionError("it works")


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_a_worker_that_ends_in_mid_turn_cancels_nobodys_turn(substrate: Substrate, how: str) -> None:
    class Slow(OrderTools):
        async def look(self) -> str:
            begun.set()
            return await asyncio.sleep(0 if go_on.is_set() else 60, "seen")

    begun, go_on = asyncio.Event(), asyncio.Event()
    with ScriptedLLM(calls(("look", {})), "Looked.") as llm:
        agent = Beginning(llm, Step.ORDER)
        agent.tools_type = Slow
        async with Runtime([agent], substrate=substrate, grace=0) as ending:
            worker = ending.worker()
            running = asyncio.ensure_future(worker.run())
            assert await worker.owned(running)
            sending = asyncio.ensure_future(ending.send("order", "c-1", "look", timeout=20))
            await begun.wait()
            if how == "stop":
                worker.stop()
            else:
                running.cancel()
            await asyncio.wait([running])
        go_on.set()
        async with working(agent, substrate=substrate) as rt:
            assert (await sending).text == "Looked."
            every = await types(rt, "c-1")

    assert every.count("turn.resumed") == every.count("turn.completed") == 1
    assert not {"turn.cancelled", "turn.failed", "tool.failed"} & set(every)

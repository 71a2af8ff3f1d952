"""Turns through the whole runtime, over memory and over JetStream."""

import asyncio
import re
from typing import Any

import pytest

from agent_runtime_framework import AgentContext
from agent_runtime_framework.events import (
    EventLog,
    InvalidId,
    InvalidInput,
    MemoryLog,
    ModelError,
    NoReply,
    Refused,
    ToolFailed,
    ToolStarted,
    TurnResumed,
    Unavailable,
)
from agent_runtime_framework.projections import Spent, spend
from agent_runtime_framework.runtime.agents.run import run_turn
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import OrderTools, frames, order_agent, recorded, types, working

NAMED = calls(("save_name", {"name": "Ada"}))


async def test_a_turn_with_one_tool_is_four_frames(substrate: Substrate) -> None:
    with ScriptedLLM(NAMED, "What would you like, Ada?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            reply = await rt.send("order", "c-1", "I am Ada", timeout=20)

    stored = await frames(substrate, "c-1")
    assert [[type(event).__name__ for event in frame.frame.events] for frame in stored] == [
        ["ConversationStarted", "UserSpoke", "TurnStarted", "ModelRequested"],
        ["ModelAnswered", "ToolStarted"],
        ["ToolReturned", "StateChanged", "StepEntered", "ModelRequested"],
        ["ModelAnswered", "AgentSpoke", "TurnCompleted"],
    ]
    assert (reply.text, reply.turn, reply.version) == ("What would you like, Ada?", 1, 13)
    assert (reply.state["name"], reply.state["step"]) == ("Ada", "order")


async def test_the_next_request_has_the_new_steps_prompt_and_tools() -> None:
    with ScriptedLLM(NAMED, "Go on.") as llm:
        async with working(order_agent(llm)) as rt:
            await rt.send("order", "c-1", "I am Ada")

    first, second = llm.requests
    assert first.messages[0]["content"] == "Ask for the name."
    assert [tool["function"]["name"] for tool in first.tools or []] == ["save_name"]
    assert second.messages[0]["content"] == "Take the order."
    assert "look" in [tool["function"]["name"] for tool in second.tools or []]
    assert second.messages[-1] == {"role": "tool", "tool_call_id": "call_1_0", "content": "Nice to meet you, Ada."}


async def test_a_run_without_a_server_and_a_worker_give_the_same_events() -> None:
    script = (NAMED, calls(("add", {"line": "tea"}), ("look", {}), ("nonsense", {})), "That is tea.")
    log: EventLog = MemoryLog()
    with ScriptedLLM(*script) as llm:
        ctx = AgentContext("m-1", "c-1", [{"role": "user", "content": "Ada, tea"}], {"lang": "en"})
        result = await run_turn(order_agent(llm), ctx, log)
    alone = [frame.frame async for frame in log.read(ctx.conversation_id)]

    with ScriptedLLM(*script) as llm:
        async with working(order_agent(llm)) as rt:
            reply = await rt.send("order", "c-1", "Ada, tea", {"lang": "en"}, "m-1")
            worked = [frame.frame for frame in await frames(rt.substrate, "c-1")]

    assert [_timeless(frame.events) for frame in worked] == [_timeless(frame.events) for frame in alone]
    assert (reply.text, reply.state) == (result.response, result.state)
    assert len(alone) == 7


async def test_a_conversation_goes_on_with_its_state_and_history(substrate: Substrate) -> None:
    with ScriptedLLM(NAMED, "Hello Ada.", calls(("add", {"line": "tea"})), "Tea it is.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "I am Ada", timeout=20)
        async with working(order_agent(llm), substrate=substrate) as rt:
            reply = await rt.send("order", "c-1", "tea", timeout=20)
            listed = [summary async for summary in rt.conversations()]

    assert (reply.turn, reply.state["name"], reply.state["lines"]) == (2, "Ada", ["tea"])
    roles = [message["role"] for message in llm.requests[2].messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert [(one.conversation, one.agent, one.step, one.status, one.turns) for one in listed] == [
        ("c-1", "order", "order", "idle", 2)
    ]


async def test_the_same_message_id_is_said_once_and_finds_its_reply(substrate: Substrate) -> None:
    with ScriptedLLM("Hello.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            first = await rt.send("order", "c-1", "hi", message_id="m-1", timeout=20)
            again = await rt.send("order", "c-1", "hi", message_id="m-1", timeout=20)
            every = await types(rt, "c-1")

    assert first == again
    assert every.count("user.spoke") == 1


async def test_messages_that_come_during_a_turn_wait_and_are_answered_in_order(substrate: Substrate) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(messages: list[Any], tools: Any) -> str:
        asked.set()
        await go_on.wait()
        return "one"

    with ScriptedLLM(slow, "two", "three") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            first = asyncio.ensure_future(rt.send("order", "c-1", "1", timeout=20))
            await asked.wait()
            await rt.publish("order", "c-1", "2", message_id="m-2")
            third = asyncio.ensure_future(rt.send("order", "c-1", "3", timeout=20))
            await asyncio.wait({third}, timeout=0.05)
            go_on.set()
            replies = [(await first).text, (await third).text]
            second = await rt.send("order", "c-1", "2", message_id="m-2", timeout=20)

    assert replies == ["one", "three"]
    assert second.text == "two"


async def test_two_conversations_do_not_wait_for_each_other() -> None:
    go_on = asyncio.Event()

    async def slow(messages: list[Any], tools: Any) -> str:
        await go_on.wait()
        return "slow"

    with ScriptedLLM(slow, "quick") as llm:
        async with working(order_agent(llm)) as rt:
            first = asyncio.ensure_future(rt.send("order", "c-1", "hi"))
            while not llm.requests:
                await anext(rt.follow("c-1"))
            quick = await rt.send("order", "c-2", "hi")
            go_on.set()
            assert ((await first).text, quick.text) == ("slow", "quick")


async def test_a_tool_that_raises_changes_nothing_and_the_turn_goes_on() -> None:
    with ScriptedLLM(NAMED, calls(("fail", {}), ("decline", {}), ("look", {})), "Sorry.") as llm:
        async with working(order_agent(llm)) as rt:
            reply = await rt.send("order", "c-1", "Ada")
            failed = [one.event for one in await recorded(rt, "c-1") if isinstance(one.event, ToolFailed)]

    assert [(event.kind, event.content) for event in failed] == [
        ("error", "Error executing fail: the shop is closed"),
        ("error", "we do not sell that"),
    ]
    assert reply.state["lines"] == []
    assert llm.requests[-1].messages[-1]["content"] == "0 lines, 0"


async def test_a_model_that_fails_for_a_while_is_asked_again(substrate: Substrate) -> None:
    down = ModelError("the model is down", kind="unreachable", transient=True)
    with ScriptedLLM(down, down, "Here again.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            reply = await rt.send("order", "c-1", "hi", timeout=20)
            events = [one.event for one in await recorded(rt, "c-1")]

    spent = Spent()
    for event in events:
        spent = spend(spent, event)
    assert reply.text == "Here again."
    assert (spent.failures, spent.answers, spent.turns) == (2, 1, 1)
    assert llm.requests[0].messages == llm.requests[2].messages


async def test_a_model_that_fails_for_good_ends_only_the_turn(
    substrate: Substrate,
) -> None:
    wrong = ModelError("the key is wrong", kind="refused", transient=False)
    with ScriptedLLM(wrong, "Hello.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            with pytest.raises(NoReply, match="the key is wrong"):
                await rt.send("order", "c-1", "hi", timeout=20)
            reply = await rt.send("order", "c-1", "hi again", timeout=20)

    assert (reply.text, reply.turn) == ("Hello.", 2)


async def test_a_prompt_that_raises_fails_the_turn_and_says_what(caplog: pytest.LogCaptureFixture) -> None:
    agent = order_agent(ScriptedLLM())
    agent.get_system_prompt = lambda state: {}["missing"]  # type: ignore[method-assign, index]
    async with working(agent) as rt:
        with pytest.raises(NoReply, match=r"author_error.*KeyError: 'missing'"):
            await rt.send("order", "c-1", "hi")

    assert "the turn failed by what was raised" in caplog.text


async def test_a_closing_message_in_a_terminal_state_asks_no_model() -> None:
    with ScriptedLLM(NAMED, calls(("finish", {})), "Placed.") as llm:
        async with working(order_agent(llm)) as rt:
            await rt.send("order", "c-1", "Ada")
            reply = await rt.send("order", "c-1", "Thanks, bye!")

    assert (reply.text, reply.turn, reply.state["step"]) == ("", 2, "done")


async def test_another_agents_conversation_is_refused() -> None:
    with ScriptedLLM("Hello.") as llm:
        async with working(order_agent(llm)) as rt:
            await rt.send("order", "c-1", "hi")
            with pytest.raises(Refused, match="belongs to agent 'order'"):
                await rt.send("claims", "c-1", "hi")


async def test_what_cannot_be_taken_is_said_at_the_door() -> None:
    async with working(order_agent(ScriptedLLM())) as rt:
        with pytest.raises(InvalidId, match="conversation id 'a b'"):
            await rt.send("order", "a b", "hi")
        with pytest.raises(InvalidId, match="agent key"):
            await rt.send("or.der", "c-1", "hi")
        with pytest.raises(InvalidInput, match="empty"):
            await rt.send("order", "c-1", "  ")
        with pytest.raises(InvalidInput, match="bytes, at most"):
            await rt.send("order", "c-1", "x" * 5_000_000)
        with pytest.raises(InvalidInput, match="not valid Unicode"):
            await rt.send("order", "c-1", "\ud800")
        with pytest.raises(InvalidInput, match="metadata"):
            await rt.send("order", "c-1", "hi", {"not json": object()})


async def test_without_a_worker_a_send_says_so_and_how_to_find_the_reply_later() -> None:
    says = (
        "no reply from 'nobody' within 0.05 s, and no worker answers for agent 'nobody' now, only for order; "
        "message m-7 is kept until one does: send the same id again, or read the log of 'c-9'"
    )
    async with working(order_agent(ScriptedLLM("Hello."))) as rt:
        with pytest.raises(Unavailable, match=re.escape(says)):
            await rt.send("nobody", "c-9", "hi", message_id="m-7", timeout=0.05)


async def test_a_send_that_a_worker_does_not_answer_in_time_is_answered_later() -> None:
    never = asyncio.Event()

    async def answer(*_asked: object) -> str:
        await never.wait()
        return "Hello."

    async with working(order_agent(ScriptedLLM(answer))) as rt:
        with pytest.raises(Unavailable, match=r"within 0.5 s; message m-7 is kept and will be answered: send the same"):
            await rt.send("order", "c-9", "hi", message_id="m-7", timeout=0.5)
        never.set()
        assert (await rt.send("order", "c-9", "hi", message_id="m-7")).text == "Hello."


async def test_tokens_reach_followers_before_the_answer_is_recorded(substrate: Substrate) -> None:
    llm = ScriptedLLM("one two three")
    heard: list[str] = []
    async with working(order_agent(llm), substrate=substrate) as rt:
        following = rt.follow("c-1")
        first = asyncio.ensure_future(anext(following))
        await asyncio.wait({first}, timeout=0.05)
        await rt.publish("order", "c-1", "hi")
        event: Any = await first
        while getattr(event, "type", "") != "turn.completed":
            heard.append(getattr(event, "type", None) or event.text)
            event = await anext(following)
        await following.aclose()

    texts = [one for one in heard if "." not in one]
    assert "".join(texts) == "one two three"
    assert heard.index(texts[-1]) < heard.index("model.answered")


async def test_a_worker_that_stops_finishes_the_turn_in_progress_first(substrate: Substrate) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(messages: list[Any], tools: Any) -> str:
        asked.set()
        await go_on.wait()
        return "done"

    with ScriptedLLM(slow) as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            reply = asyncio.ensure_future(rt.send("order", "c-1", "hi", timeout=20))
            await asked.wait()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        assert (await reply).text == "done"


@pytest.mark.parametrize(("effect", "starts", "told"), [("read", 2, "0 lines, 0"), ("once", 1, "outcome is unknown")])
async def test_the_next_worker_goes_on_with_a_turn_that_was_left(effect: str, starts: int, told: str) -> None:
    class Stuck(OrderTools):
        began = asyncio.Event()
        for_ever = True

        async def look(self) -> str:
            if Stuck.for_ever:
                Stuck.began.set()
                await asyncio.Event().wait()
            return await super().look()

        async def add(self, line: str) -> str:
            return await self.look()

    call = ("look", {}) if effect == "read" else ("add", {"line": "tea"})
    with ScriptedLLM(NAMED, calls(call), "Well.") as llm:
        agent = order_agent(llm, tools=Stuck)
        async with working(agent, grace=0.01) as rt:
            sending = asyncio.ensure_future(rt.send("order", "c-1", "Ada"))
            await Stuck.began.wait()
            substrate = rt.substrate
        Stuck.for_ever = False
        async with working(agent, substrate=substrate) as rt:
            assert (await sending).text == "Well."
            events = [one.event for one in await recorded(rt, "c-1")]

    started = [event for event in events if isinstance(event, ToolStarted)]
    assert len([event for event in started if event.call == started[-1].call]) == starts
    assert [event.attempt for event in events if isinstance(event, TurnResumed)] == [2]
    assert told in llm.requests[-1].messages[-1]["content"]


def _timeless(events: tuple[Any, ...]) -> list[Any]:
    """Return events without what differs from run to run."""
    import msgspec.structs

    return [msgspec.structs.replace(event, latency_ms=0) if hasattr(event, "latency_ms") else event for event in events]


async def test_an_author_chooses_how_many_turns_of_history_a_model_is_given() -> None:
    with ScriptedLLM(NAMED, "one", "two", "three", calls(("look", {})), "four") as llm:
        async with working(order_agent(llm, history_turns=1)) as rt:
            for said in ("Ada", "2", "3", "4"):
                await rt.send("order", "c-1", said, timeout=10)

    roles = [[message["role"] for message in request.messages] for request in llm.requests]
    assert roles[2] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert roles[3] == ["system", "user", "assistant", "user"]
    assert roles[-1] == ["system", "user", "assistant", "user", "assistant", "tool"]
    assert [message["content"] for message in llm.requests[3].messages[1:]] == ["2", "two", "3"]

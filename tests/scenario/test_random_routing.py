"""Whatever models do with routes and tools, in any order: the log, the states and what is sent stay sound."""

import asyncio
from typing import Any

import hypothesis
from hypothesis import strategies as st

from agent_runtime_framework import JourneyConfig
from agent_runtime_framework.events import ConversationId, Frame, JourneyEntered, NoReply, StateChanged, Stored
from agent_runtime_framework.projections import Conversation, evolve, fold, initial, render
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import in_memory
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.desk import ClaimAgent, QuoteAgent, desk
from support.journeys import frames, working

NAMES = ["start_quote", "file_claim", "reroute_conversation", "note", "price", "file", "nonsense", ""]
ARGUMENTS: list[Any] = [{}, {"text": "x"}, {"value": 5}, {"value": "x"}, {"damage": "dent"}, "{", "[]"]
CALLS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(ARGUMENTS)), min_size=1, max_size=4)
ODD = [{"role": "assistant"}, {"role": "assistant", "tool_calls": [None, {"id": "a"}, {"id": "a"}]}, ValueError("no")]
ANSWERS = CALLS.map(lambda listed: calls(*listed)) | st.sampled_from(["Well.", "", *ODD])
CHAT = ConversationId("c-1")


def check_messages(messages: list[dict[str, Any]]) -> None:
    """Check that each call is followed by its one result, in order, under an id of its own."""
    due: list[str] = []
    every: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] == due.pop(0)
            continue
        assert not due
        due = [call["id"] for call in message.get("tool_calls") or ()]
        every += due
    assert not due
    assert len(every) == len(set(every))


def check_change(before: Conversation, event: Any, after: Conversation) -> None:
    """Check what an event changed of the states; it is the only thing that did."""
    if isinstance(event, JourneyEntered):
        left = after.left[before.journey]
        assert (left.state, left.step) == (before.state, before.step)
        assert all(after.left[name] is one for name, one in before.left.items() if name != event.journey)
        if event.resumed:
            assert (after.state, after.step) == (before.left[event.journey].state, before.left[event.journey].step)
    elif before.agent:
        assert (after.journey, after.left) == (before.journey, before.left)
        assert isinstance(event, StateChanged) or after.state == before.state


def check_log(stored: list[Stored]) -> None:
    """Check that the frames are one chain, and that they fold to the same at once and in parts."""
    listed: list[Frame] = [one.frame for one in stored]
    assert [frame.first for frame in listed] == [1, *(frame.last + 1 for frame in listed[:-1])]
    assert [frame.prev for frame in listed] == ["", *(one.head.hash for one in stored[:-1])]
    whole = now = initial(CHAT)
    for at, frame in enumerate(listed):
        whole = fold(whole, listed[at : at + 1])
        for event in frame.events:
            before, now = now, evolve(now, event)
            check_change(before, event, now)
    assert now == whole == fold(initial(CHAT), listed)
    assert whole.status == "idle"
    check_messages(render("", whole.transcript.window(0, whole.turns)))


async def talk(turns: list[list[Any]], rounds: int, history: int | None) -> None:
    waiting: list[Any] = []

    def answer(_messages: Any, _tools: Any) -> Any:
        return waiting.pop(0) if waiting else "That is all."

    config = JourneyConfig(rounds, {"price"}, history_turns=history)
    llm, substrate = ScriptedLLM(*[answer] * 100), in_memory(SystemClock())
    agent = desk(llm, quote=QuoteAgent(config=config), claim=ClaimAgent(config=JourneyConfig(2)))
    agent.config = config
    async with working(agent, substrate=substrate) as rt:
        for number, turn in enumerate(turns):
            waiting[:] = turn
            for _ in range(1 + number % 2):  # each second message comes twice
                try:
                    await rt.send("desk", "c-1", "hi", message_id=f"m-{number}", timeout=10)
                except NoReply:
                    continue
    stored = await frames(substrate, "c-1")
    check_log(stored)
    for request in llm.requests:
        check_messages(request.messages)
    assert fold(initial(CHAT), [one.frame for one in stored]).turns == len(turns)


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(
    st.lists(st.lists(ANSWERS, max_size=6), min_size=1, max_size=3), st.integers(1, 5), st.sampled_from([None, 0, 1])
)
def test_whatever_a_model_does_with_routes_and_tools(turns: list[list[Any]], rounds: int, history: int | None) -> None:
    asyncio.run(talk(turns, rounds, history))

"""What differs between two moments of a conversation, in either direction."""

from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec import Raw

from agent_runtime_framework.events import (
    AgentSpoke,
    AnyEvent,
    ConversationId,
    ConversationStarted,
    JourneyEntered,
    KnownEvent,
    ModelAnswered,
    ModelRequested,
    StateChanged,
    StepEntered,
    TurnCompleted,
    TurnStarted,
    UserSpoke,
)
from agent_runtime_framework.projections import (
    Change,
    Comparison,
    Conversation,
    OwedModelCall,
    compared,
    evolve,
    initial,
)
from support.strategies import events as any_events

EVENTS: tuple[KnownEvent, ...] = (
    ConversationStarted(agent="order", journey_hash="h", state={"n": Raw(b"1"), "m": Raw(b"2")}, step="name"),
    UserSpoke(message_id="m-1", text="tea"),
    TurnStarted(number=1, cause=2),
    ModelRequested(cause=3, prompt="Be kind.", last_turn=1),
    ModelAnswered(cause=4, message={"content": "So."}),
    StateChanged(cause=5, set={"n": Raw(b"3"), "k": Raw(b"4")}, unset=("m",)),
    StepEntered(cause=5, previous="name", step="pay"),
    AgentSpoke(cause=5),
    TurnCompleted(cause=3, reason="text_response"),
    UserSpoke(message_id="m-2", text="cake"),
    TurnStarted(number=2, cause=10),
    JourneyEntered(cause=11, previous="order", journey="pay", state={"sum": Raw(b"5")}, step="ask"),
)


def at(version: int, events: tuple[Any, ...] = EVENTS) -> Conversation:
    """Return the conversation after so many events."""
    now = initial(ConversationId("c-1"))
    for event in events[:version]:
        now = evolve(now, event)
    return now


def said(found: Comparison) -> list[tuple[int, str]]:
    """Return what was said in between, with its turns."""
    return [(turn, getattr(entry, "text", "")) for turn, entry in found.said]


def test_state_step_what_is_owed_and_what_was_said_in_the_same_turn() -> None:
    found = compared(at(4), at(9))

    assert found.state == {"order": (Change("n", b"1", b"3"), Change("m", b"2", None), Change("k", None, b"4"))}
    assert (found.step, found.journey, found.status) == (("name", "pay"), ("order", "order"), ("running", "idle"))
    assert isinstance(found.owed[0], OwedModelCall)
    assert (found.owed[1], said(found), found.backwards, found.same) == (None, [(1, "So.")], False, False)


def test_what_was_said_over_several_turns_is_in_order() -> None:
    assert said(compared(at(1), at(11))) == [(1, "tea"), (1, "So."), (2, "cake")]


def test_a_journey_that_was_left_is_compared_with_itself() -> None:
    found = compared(at(11), at(12))

    assert found.state == {"pay": (Change("sum", None, b"5"),)}
    assert (found.journey, found.step) == (("order", "pay"), ("pay", "ask"))


@pytest.mark.parametrize("version", range(1, len(EVENTS) + 1))
def test_nothing_differs_from_itself(version: int) -> None:
    assert compared(at(version), at(version)).same


@for_all(st.lists(any_events, max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_backwards_is_the_same_the_other_way_round(events: list[AnyEvent], one: int, other: int) -> None:
    before, after = at(one, tuple(events)), at(other, tuple(events))
    there, back = compared(before, after), compared(after, before)

    assert (there.step, there.owed) == (back.step[::-1], back.owed[::-1])
    assert there.said == back.said
    turned = {
        journey: {Change(change.field, change.after, change.before) for change in changes}
        for journey, changes in back.state.items()
    }
    assert {journey: set(changes) for journey, changes in there.state.items()} == turned

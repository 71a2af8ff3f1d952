"""The points at which a model chose, found in events."""

from collections.abc import Iterator

import pytest
from msgspec import Raw

from agent_runtime_framework.actors.replay import Move, Point, Points
from agent_runtime_framework.events import (
    ConversationErased,
    ConversationId,
    ConversationStarted,
    Frame,
    JourneyEntered,
    KnownEvent,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    StateChanged,
    StepEntered,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnCancelled,
    TurnResumed,
    TurnStarted,
    UserSpoke,
)

BEGINNING: tuple[KnownEvent, ...] = (
    ConversationStarted(agent="order", journey_hash="", state={}, step="name"),
    UserSpoke(message_id="m-1", text="hi"),
    TurnStarted(number=1),
)
CALLS = [{"id": "x", "function": {"name": name, "arguments": "{}"}} for name in ("look", "save", "fail")]
ANSWER = ModelAnswered(cause=4, message={"role": "assistant", "content": None, "tool_calls": CALLS})


def points(*events: KnownEvent) -> list[Point]:
    """Return the points of these events after the beginning, each a frame."""
    found = Points(ConversationId("c-1"))
    for version, event in enumerate((*BEGINNING, *events), 1):
        found.advance(Frame(first=version, time=0, writer="w", agent="order", events=(event,)))
    return found.found


def test_a_point_is_a_request_with_its_answer_as_the_conversation_was_before() -> None:
    (point,) = points(ModelRequested(request="hash"), ANSWER)

    assert (point.version, point.answer, point.request, point.said) == (4, 5, "hash", "hi")
    assert (point.before.version, point.before.step) == (3, "name")
    assert [call.name for call in point.calls] == ["look", "save", "fail"]


def again_after_failures() -> Iterator[KnownEvent]:
    yield ModelRequested(request="hash")
    yield ModelFailed(cause=4, kind="timeout", error="", retry_at=1)
    yield ModelRequested(cause=5, attempt=2, request="hash")
    yield ANSWER


def again_in_another_life() -> Iterator[KnownEvent]:
    yield ModelRequested(request="hash")
    yield TurnResumed(number=1, attempt=2)
    yield ModelRequested(cause=5, request="hash")
    yield ANSWER


@pytest.mark.parametrize("again", [again_after_failures, again_in_another_life])
def test_a_request_that_is_made_again_is_one_point_where_it_was_made_first(again: "type[Iterator[KnownEvent]]") -> None:
    (point,) = points(*again())

    assert (point.version, point.answer) == (4, 7)
    assert (point.before.turn is not None, point.before.version) == (True, 3)


def test_a_request_whose_turn_ended_before_an_answer_is_none() -> None:
    ended = (ModelRequested(), TurnCancelled(command_id="x"), UserSpoke(message_id="m-2", text="?"))

    assert points(*ended, TurnStarted(number=2), ANSWER) == []


def test_a_call_that_moved_the_journey_is_known_by_what_caused_the_move() -> None:
    (point,) = points(
        ModelRequested(),
        ANSWER,
        ToolStarted(cause=5, index=0),
        ToolReturned(cause=5, index=0, content="nothing"),
        ToolStarted(cause=5, index=1),
        ToolReturned(cause=5, index=1, content="saved"),
        StateChanged(cause=9, set={"name": Raw(b'"Ada"')}),
        StepEntered(cause=9, previous="name", step="order"),
        ToolStarted(cause=5, index=2),
        ToolFailed(cause=5, index=2, kind="error", content="no"),
    )

    assert (point.returned, point.moves) == ((0, 1), (Move(1, "order"),))


def test_a_step_that_no_call_led_to_is_no_move_of_the_model_s() -> None:
    (point,) = points(ModelRequested(), ANSWER, StepEntered(cause=2, previous="name", step="order"))

    assert point.moves == ()


def test_another_journey_is_a_move_by_its_name() -> None:
    (point,) = points(
        ModelRequested(),
        ANSWER,
        ToolReturned(cause=5, index=0, content=""),
        JourneyEntered(cause=6, previous="order", journey="quote", step="ask"),
    )

    assert point.moves == (Move(0, "journey quote"),)


def test_an_erased_conversation_has_no_points() -> None:
    assert points(ModelRequested(), ANSWER, ConversationErased()) == []


def test_a_tool_that_returns_before_anything_was_asked_is_passed_over() -> None:
    assert points(ToolReturned(content="")) == []

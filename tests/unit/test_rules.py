"""The rules see what breaks them in a history of plain frames, and see nothing in one that is sound."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec import Raw, structs

from agent_runtime_framework.events import (
    START,
    AgentSpoke,
    ConversationId,
    ConversationStarted,
    Frame,
    Head,
    KnownEvent,
    ModelAnswered,
    ModelRequested,
    StateChanged,
    Stored,
    ToolReturned,
    ToolStarted,
    TurnCompleted,
    TurnStarted,
    UserSpoke,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.projections import fold, initial
from agent_runtime_framework.runtime.testing.rules import Command, Effect, History, check

CHAT = ConversationId("c-1")
CALL = {"id": "x", "type": "function", "function": {"name": "add", "arguments": "{}"}}
BEGUN: tuple[KnownEvent, ...] = (
    ConversationStarted(agent="a", journey_hash="h", state={"n": Raw(b"1")}),
    UserSpoke(message_id="m-1", text="hi"),
    TurnStarted(number=1, cause=2),
    ModelRequested(cause=3, prompt="Help.", request="r-1", last_turn=1),
)
ANSWERED: tuple[KnownEvent, ...] = (
    ModelAnswered(cause=4, message={"role": "assistant", "tool_calls": [CALL]}, usage={"total_tokens": 3}),
    ToolStarted(cause=5, index=0),
)
RETURNED: tuple[KnownEvent, ...] = (
    ToolReturned(cause=5, index=0, content="Added."),
    StateChanged(cause=7, set={"n": Raw(b"2")}),
    ModelRequested(cause=7, prompt_at=4, request="r-2", last_turn=1),
)
REPLIED: tuple[KnownEvent, ...] = (
    ModelAnswered(cause=9, message={"role": "assistant", "content": "Done."}),
    AgentSpoke(cause=10),
    TurnCompleted(cause=3, reason="text_response"),
)
TURN = (BEGUN, ANSWERED, RETURNED, REPLIED)
FIRST: list[dict[str, Any]] = [{"role": "system", "content": "Help."}, {"role": "user", "content": "hi"}]
SECOND: list[dict[str, Any]] = [
    *FIRST,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "x", "content": "Added."},
]
ADDED = Effect(conversation=CHAT, kind="tool", name="add", effect="once", key="c-1@5.0", state={"n": 1})
ASKED = Effect(conversation=CHAT, kind="model", request="r-1", messages=FIRST)
AGAIN = Effect(conversation=CHAT, kind="model", request="r-2", messages=SECOND)
SAID = Command("a", CHAT, "m-1")


def log(*groups: Sequence[KnownEvent]) -> list[Stored]:
    """Return these groups of events as frames, as a log has them."""
    now, head, stored = initial(CHAT), START, []
    for number, events in enumerate(groups, 1):
        frame = Frame(first=head.version + 1, time=0, writer="w", agent="a", prev=head.hash, events=tuple(events))
        now = fold(now, [frame])
        frame = structs.replace(frame, turn=now.turns, step=now.step, status=now.status)
        data = encode_frame(frame)
        head = Head(frame.last, number, frame_hash(data))
        stored.append(Stored(CHAT, frame, head, data))
    return stored


def broken(*effects: Effect, frames: list[Stored] | None = None, **more: Any) -> list[int]:
    """Return the numbers of the rules that a history breaks."""
    logs = {CHAT: log(*TURN) if frames is None else frames}
    return [one.rule for one in check(History(logs=logs, commands=[SAID], effects=effects, **more), settled=True)]


def test_a_sound_history_breaks_none() -> None:
    assert broken(ASKED, ADDED, AGAIN, finished=[SAID]) == []


def test_a_command_without_an_outcome_is_lost() -> None:
    assert broken(frames=log(*TURN[:3])) == [1, 8]
    assert broken(finished=[Command("a", CHAT, "m-2")]) == [1]


def test_a_command_with_two_outcomes_is_doubled() -> None:
    again = (UserSpoke(message_id="m-1", text="hi"), TurnStarted(number=2, cause=13))
    assert 1 in broken(frames=log(*TURN, again))


def test_a_gap_a_fork_and_changed_bytes_break_the_chain() -> None:
    whole = log(*TURN)
    changed = structs.replace(whole[1], data=whole[1].data.replace(b"total_tokens", b"total-tokens"))

    assert 2 in broken(frames=[whole[0], *whole[2:]])
    assert 2 in broken(frames=[*whole, whole[3]])
    assert 2 in broken(frames=[whole[0], changed, *whole[2:]])


@pytest.mark.parametrize(
    "effects",
    [
        (ADDED, ADDED),
        (structs.replace(ADDED, key="c-1@6.0"),),
        (structs.replace(ADDED, key="c-1@5.0-2"),),
        (structs.replace(ADDED, call="t-1"), structs.replace(ADDED, call="t-2")),
        (ASKED, ASKED),
    ],
    ids=["once twice", "not started", "another key", "one key for two calls", "asked twice"],
)
def test_effects_that_are_not_recorded_or_repeated_break_the_ledger(effects: tuple[Effect, ...]) -> None:
    assert set(broken(*effects)) == {3}


@pytest.mark.parametrize(
    "again",
    [ToolStarted(cause=5, index=0, attempt=2), ToolReturned(cause=5, index=0, content="Added.")],
    ids=["started", "returned"],
)
def test_a_recorded_outcome_is_not_recorded_again(again: KnownEvent) -> None:
    assert 3 in broken(frames=log(*TURN, (again,)))


def test_an_outcome_that_is_recorded_is_not_asked_for_again() -> None:
    assert 3 in broken(frames=log(BEGUN, (*BEGUN[3:],)))
    assert 3 in broken(frames=log(BEGUN, REPLIED[:1], (*BEGUN[3:],)))


def test_a_frame_that_says_something_else_than_its_fold_breaks_the_fold() -> None:
    whole = log(*TURN)
    frame = structs.replace(whole[3].frame, status="running")
    data = encode_frame(frame)
    last = Stored(CHAT, frame, Head(frame.last, 4, frame_hash(data)), data)

    assert broken(frames=[*whole[:3], last]) == [4]


def test_a_tool_that_saw_another_state_than_the_fold_is_seen() -> None:
    assert broken(structs.replace(ADDED, state={"n": 2})) == [5]


@pytest.mark.parametrize(
    "messages",
    [SECOND[:3], [*SECOND[:2], SECOND[3]], SECOND[:2], [*SECOND, {"role": "nobody"}]],
    ids=["no result", "no call", "too little", "no role"],
)
def test_a_transcript_that_is_not_valid_or_not_the_requested_one_is_seen(messages: list[Any]) -> None:
    assert set(broken(structs.replace(AGAIN, messages=messages))) == {6}


def test_a_request_that_nobody_recorded_is_seen() -> None:
    assert broken(structs.replace(ASKED, request="r-3")) == [3]
    assert broken(structs.replace(ASKED, request="r-3"), frames=log(*TURN[:3])) == [6, 1, 8]


def test_a_reader_that_writes_and_a_worker_that_ends_are_seen() -> None:
    assert broken(writes=[(CHAT, "appended")], ends=["worker w-1 ended by ValueError"]) == [7, 8]


def test_a_log_that_was_spoiled_on_purpose_is_not_looked_at() -> None:
    assert broken(frames=log(*TURN[:3]), spoiled=frozenset({CHAT})) == []


def test_the_stored_bytes_are_plain_json() -> None:
    assert msgspec.json.decode(log(*TURN)[0].data)["events"][0]["type"] == "conversation.started"

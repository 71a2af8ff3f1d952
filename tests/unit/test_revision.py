"""A new version of a journey: what it comes to is decided first, in the same frame, and never twice."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from agent_runtime_framework.actors import (
    AskModel,
    CancelTurn,
    EndTurn,
    EnterJourney,
    Mailbox,
    Open,
    Pinned,
    Policy,
    RecordAnswer,
    RecordToolReturn,
    ResumeTurn,
    ReviseJourney,
    RunTool,
    SayToAgent,
    Settled,
    Verdict,
    decide,
    settle,
)
from agent_runtime_framework.events import (
    STATE_LIMIT,
    CommandRefused,
    ConversationId,
    Effect,
    JourneyEntered,
    JourneyRevised,
    ModelRequested,
    StateChanged,
    StepEntered,
    TooLarge,
    TurnFailed,
)
from agent_runtime_framework.projections import Call, Conversation, evolve, initial
from support.journeys import given

OPEN = Open(agent="order", journey_hash="old", state={"step": b'"name"', "age": b"3"}, step="name")
SAY = SayToAgent(id="m-1", agent="order", text="hi")
AGAIN = SayToAgent(id="m-2", agent="order", text="hi again")
PINNED = Pinned(journey="order", version="old", here="new")
MIGRATED = ReviseJourney(previous="old", journey_hash="new", state={"step": b'"ask"', "name": b'"Ada"'}, step="ask")

Revise = Callable[[Conversation], ReviseJourney | Pinned | None]


def unchanged(_conversation: Conversation) -> None:
    return None


def continuing(conversation: Conversation) -> ReviseJourney | None:
    previous = conversation.journey_hash
    return None if previous == "new" else ReviseJourney(previous=previous, journey_hash="new")


def migrating(conversation: Conversation) -> ReviseJourney | None:
    return None if conversation.journey_hash == "new" else MIGRATED


def pinning(conversation: Conversation) -> Pinned | None:
    return None if conversation.journey_hash == "new" else PINNED


def raising(_conversation: Conversation) -> None:
    raise KeyError("age")


class Version:
    """Is a journey whose version revises as it is told; its prompt is the state that it sees."""

    mailbox: Mailbox = "queue"

    def __init__(self, revise: Revise, effect: Effect = "idempotent") -> None:
        self._revise = revise
        self._effect = effect
        self.asked: list[str] = []

    def revise(self, conversation: Conversation) -> ReviseJourney | Pinned | None:
        self.asked.append("revise")
        return self._revise(conversation)

    def policy(self, conversation: Conversation) -> Policy:
        return Policy()

    def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:
        self.asked.append("ask_model")
        return AskModel(prompt=f"{sorted(conversation.state)}", tools='[{"function":{"name":"add"}}]')

    def judge(self, conversation: Conversation, call: Call) -> Verdict:
        self.asked.append("judge")
        return RunTool(effect=self._effect)


def answer(now: Conversation, content: str | None, *calls: str) -> RecordAnswer:
    made = [{"function": {"name": name, "arguments": "{}"}} for name in calls]
    return RecordAnswer(request=now.version, message={"role": "assistant", "content": content, "tool_calls": made})


def idle() -> Conversation:
    """Return a conversation whose one turn is over, as the old version left it."""
    began = settle(initial(ConversationId("c-1")), Version(unchanged), OPEN, SAY).conversation
    return settle(began, Version(unchanged), answer(began, "Hello.")).conversation


def running(effect: Effect) -> Conversation:
    """Return a conversation in which a tool runs."""
    began = settle(initial(ConversationId("c-1")), Version(unchanged), OPEN, SAY).conversation
    return settle(began, Version(unchanged, effect), answer(began, None, "add")).conversation


def kinds(settled: Settled) -> list[str]:
    return [type(event).__name__ for event in settled.events]


def test_the_first_turn_of_a_new_version_records_it_before_anything_is_asked_of_it() -> None:
    journey = Version(continuing)

    settled = settle(idle(), journey, AGAIN)

    assert kinds(settled) == ["UserSpoke", "TurnStarted", "JourneyRevised", "ModelRequested"]
    assert settled.events[2] == JourneyRevised(cause=9, previous="old", journey_hash="new")
    assert settled.conversation.journey_hash == "new"
    assert journey.asked == ["revise", "revise", "ask_model"]


def test_it_is_recorded_once() -> None:
    first = settle(idle(), Version(continuing), AGAIN).conversation

    settled = settle(first, Version(continuing), answer(first, "Yes?"))

    assert kinds(settled) == ["ModelAnswered", "AgentSpoke", "TurnCompleted"]


def test_a_migration_is_the_difference_and_the_prompt_is_of_the_migrated_state() -> None:
    settled = settle(idle(), Version(migrating), AGAIN)

    assert kinds(settled) == [
        "UserSpoke",
        "TurnStarted",
        "JourneyRevised",
        "StateChanged",
        "StepEntered",
        "ModelRequested",
    ]
    assert settled.events[3] == StateChanged(
        cause=10, set={"name": Raw(b'"Ada"'), "step": Raw(b'"ask"')}, unset=("age",)
    )
    assert settled.events[4] == StepEntered(cause=10, previous="name", step="ask")
    assert settled.conversation.state == MIGRATED.state
    asked = settled.events[-1]
    assert isinstance(asked, ModelRequested)
    assert asked.prompt == "['name', 'step']"


def test_a_migration_that_changes_nothing_records_the_version_only() -> None:
    same = ReviseJourney(previous="old", journey_hash="new", state=dict(OPEN.state), step="name")

    assert [event.__class__ for event in decide(idle(), same)] == [JourneyRevised]


@pytest.mark.parametrize("command", [MIGRATED, ReviseJourney(previous="new", journey_hash="new")])
def test_what_was_decided_already_comes_to_nothing(command: ReviseJourney) -> None:
    now = evolve(idle(), JourneyRevised(previous="old", journey_hash="new"))

    assert decide(now, command) == ()


def test_a_migrated_state_that_no_frame_can_hold_fails_the_turn() -> None:
    large = ReviseJourney(previous="old", journey_hash="new", state={"a": b"1" * STATE_LIMIT}, step="name")
    with pytest.raises(TooLarge):
        decide(idle(), large)

    settled = settle(idle(), Version(lambda _: large), AGAIN)

    assert kinds(settled) == ["UserSpoke", "TurnStarted", "TurnFailed"]
    assert settled.conversation.journey_hash == "old"


@pytest.mark.parametrize("effect", ["idempotent", "read"])
def test_a_turn_that_is_taken_over_is_migrated_before_its_tool_runs_again(effect: Effect) -> None:
    settled = settle(running(effect), Version(migrating, effect), ResumeTurn())

    assert kinds(settled) == ["JourneyRevised", "StateChanged", "StepEntered", "TurnResumed", "ToolStarted"]
    assert settled.conversation.state == MIGRATED.state
    assert settled.conversation.turn is not None
    assert settled.conversation.turn.attempt == 2


def test_a_turn_that_is_taken_over_while_the_model_is_asked_says_so_first() -> None:
    began = settle(initial(ConversationId("c-1")), Version(unchanged), OPEN, SAY).conversation

    settled = settle(began, Version(continuing), ResumeTurn())

    assert kinds(settled) == ["JourneyRevised", "TurnResumed", "ModelRequested"]
    assert kinds(settle(began, None, ResumeTurn())) == ["TurnResumed", "ModelRequested"]


@pytest.mark.parametrize(
    ("now", "command", "expected"),
    [
        (idle(), AGAIN, ["UserSpoke", "TurnStarted", "TurnFailed"]),
        (running("idempotent"), ResumeTurn(), ["ToolFailed", "TurnFailed"]),
    ],
    ids=["a message", "a turn taken over"],
)
def test_what_a_migration_raises_fails_the_turn_and_nothing_of_it_is_recorded(
    now: Conversation, command: Any, expected: list[str]
) -> None:
    settled = settle(now, Version(raising), command)

    assert kinds(settled) == expected
    failed = settled.events[-1]
    assert isinstance(failed, TurnFailed)
    assert (failed.reason, failed.error) == ("author_error", "KeyError: 'age'")
    assert isinstance(settled.raised, KeyError)
    assert (settled.conversation.journey_hash, settled.conversation.state) == ("old", now.state)


@pytest.mark.parametrize(
    ("now", "command"),
    [(idle(), AGAIN), (running("idempotent"), ResumeTurn())],
    ids=["a message", "a turn taken over"],
)
def test_of_a_conversation_that_is_pinned_nothing_is_decided(now: Conversation, command: Any) -> None:
    settled = settle(now, Version(pinning), command)

    assert (settled.events, settled.pinned, settled.conversation) == ((), PINNED, now)


def test_what_no_turn_follows_from_is_decided_all_the_same() -> None:
    journey = Version(pinning)

    refused = settle(idle(), journey, SayToAgent(id="m-3", agent="another", text="hi"))
    cancelled = settle(running("idempotent"), journey, CancelTurn(id="x-1", agent="order"))

    assert [type(event) for event in refused.events] == [CommandRefused]
    assert kinds(cancelled) == ["ToolFailed", "TurnCancelled"]
    assert journey.asked == []


def test_a_turn_that_comes_into_a_pinned_journey_fails_and_what_its_tool_did_stays() -> None:
    away = evolve(running("once"), JourneyRevised(previous="old", journey_hash="new"))
    outcome = RecordToolReturn(
        answer=away.turn.answer.version if away.turn and away.turn.answer else 0,
        index=0,
        attempt=1,
        content="ok",
        state={},
        step="",
        enters=EnterJourney(journey="claim", journey_hash="claim-old", state={}),
    )

    settled = settle(away, Version(pinning), outcome)

    assert kinds(settled) == ["ToolReturned", "JourneyEntered", "TurnFailed"]
    assert settled.conversation.ended is not None
    assert (settled.conversation.ended.reason, settled.pinned) == ("pinned", None)


def test_a_journey_that_was_left_keeps_the_version_that_its_state_was_recorded_under() -> None:
    away = evolve(idle(), JourneyEntered(previous="order", journey="claim", journey_hash="claim-1"))
    revised = evolve(away, JourneyRevised(previous="claim-1", journey_hash="claim-2"))
    back = evolve(revised, JourneyEntered(previous="claim", journey="order", journey_hash="new", resumed=True))
    anew = evolve(revised, JourneyEntered(previous="claim", journey="order", journey_hash="new", state={}))

    assert (away.journey_hash, away.left["order"].journey_hash) == ("claim-1", "old")
    assert (back.journey_hash, back.left["claim"].journey_hash) == ("old", "claim-2")
    assert anew.journey_hash == "new"


def test_an_event_that_enters_a_journey_as_it_was_left_names_the_version_it_was_left_under() -> None:
    now = evolve(running("once"), JourneyEntered(previous="order", journey="claim", journey_hash="claim-1"))
    assert now.turn is not None
    answer_ = now.turn.answer
    assert answer_ is not None
    enters = EnterJourney(journey="order", journey_hash="new")
    outcome = RecordToolReturn(
        answer=answer_.version, index=0, attempt=1, content="ok", state={}, step="", enters=enters
    )

    entered = decide(now, outcome)[-1]

    assert isinstance(entered, JourneyEntered)
    assert (entered.resumed, entered.journey_hash) == (True, "old")


def test_the_reason_names_both_versions_and_what_to_do() -> None:
    pinned = Pinned(journey="order", version="a" * 64, here="b" * 64)

    assert pinned.reason == (
        "the conversation is pinned to version aaaaaaaaaaaa of 'order', and this worker has bbbbbbbbbbbb: "
        "start a worker of that version, or send the message again once one runs"
    )
    assert pinned.waits == "waits for a worker with version aaaaaaaaaaaa of 'order'"


def test_a_conversation_of_which_nothing_is_recorded_has_no_version() -> None:
    assert given().journey_hash == ""

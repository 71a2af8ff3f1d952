"""The account of a turn: each kind of outcome is in it, and nothing that is recorded is left out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from agent_runtime_framework.events import (
    AgentSpoke,
    AnyEvent,
    CommandRefused,
    ConversationErased,
    ConversationId,
    ConversationStarted,
    Frame,
    JourneyEntered,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    StateChanged,
    StepEntered,
    Stored,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnResumed,
    TurnStarted,
    UnknownEvent,
    UserSpoke,
)
from agent_runtime_framework.projections import (
    Account,
    Accounting,
    Aside,
    Change,
    Move,
    Spent,
    TurnAccount,
    account,
    initial,
    spend,
    unfinished,
)
from agent_runtime_framework.runtime.testing.simulation import random_journeys
from agent_runtime_framework.testing import random_script, simulate
from support.journeys import tokens
from support.strategies import events as any_events

STARTED = ConversationStarted(agent="order", journey_hash="h", state={"n": Raw(b"1"), "m": Raw(b"2")}, step="name")
SPOKE = UserSpoke(message_id="m-1", text="two teas")
TURN = TurnStarted(number=1, cause=2)
TOOLS = tuple({"type": "function", "function": {"name": name}} for name in ("add", "pay"))
ASKED = ModelRequested(cause=3, model="m", prompt="Be kind.", tools=TOOLS, last_turn=1, request="abc")
CALLS = {"content": "So.", "tool_calls": [{"name": "add", "arguments": {"k": 1}}, {"name": "pay", "arguments": "{"}]}
ANSWERED = ModelAnswered(cause=4, message=CALLS, usage=tokens(1, 2, 3), latency_ms=40, model="m-1")
BEGUN = (STARTED, SPOKE, TURN, ASKED, ANSWERED)
OVER = TurnCompleted(cause=3, reason="text_response")


def accounts(*events: AnyEvent, each: int = 1) -> list[Account]:
    """Return the accounts of these events, each so many milliseconds after the one before, in a frame of its own."""
    now = Accounting(initial(ConversationId("c-1")))
    found: list[Account] = []
    for number, event in enumerate(events, 1):
        frame = Frame(first=number, time=number * each, writer=f"w-{number}", agent="order", events=(event,))
        now, over = account(now, frame)
        found += over
    return [*found, *unfinished(now)]


def turn_of(*events: AnyEvent) -> TurnAccount:
    """Return the one turn of these events."""
    (turn,) = (each for each in accounts(*events) if isinstance(each, TurnAccount))
    return turn


def asides(*events: AnyEvent) -> list[str]:
    """Return the types of all events that are no part of a turn's course."""
    return [
        aside.recorded.type
        for each in accounts(*events)
        for aside in (each.asides if isinstance(each, TurnAccount) else (each,))
    ]


def test_a_turn_says_who_said_what_when_and_where_the_journey_was() -> None:
    turn = turn_of(*BEGUN, AgentSpoke(cause=5), OVER)

    assert (turn.number, turn.text, turn.began, turn.began_at) == (1, "two teas", 3, 3)
    assert (turn.journey, turn.step, [life.writer for life in turn.lives]) == ("order", "name", ["w-3"])
    assert (turn.reply, turn.replied, turn.outcome, turn.reason) == ("So.", 6, "completed", "text_response")
    assert (turn.ended, turn.ended_at, turn.whole_ms, turn.model_ms) == (7, 7, 4, 40)
    assert turn.usage == tokens(1, 2, 3)


def test_a_round_says_what_the_model_was_given_and_what_it_chose() -> None:
    again = ModelRequested(cause=5, prompt_at=4, tools_at=4, last_turn=1)
    first, second = turn_of(*BEGUN, again).rounds

    assert (first.prompt, first.prompt_at, first.tools, first.tools_at) == ("Be kind.", 4, ("add", "pay"), 4)
    assert (second.prompt, second.prompt_at, second.tools, second.tools_at) == ("Be kind.", 4, ("add", "pay"), 4)
    assert (first.model, first.answered_by, first.text, first.answered) == ("m", "m-1", "So.", 5)
    assert [(call.id, call.call.name, call.call.arguments) for call in first.calls] == [
        ("5.0", "add", {"k": 1}),
        ("5.1", "pay", {}),
    ]
    assert (first.calls[1].call.problem or "").startswith("Error: the arguments of 'pay' are not valid JSON")


def test_a_call_says_what_it_did_to_the_state_and_where_the_step_moved() -> None:
    call = turn_of(
        *BEGUN,
        ToolStarted(cause=5, effect="idempotent", step="name"),
        ToolReturned(cause=5, content="Added.", latency_ms=7),
        StateChanged(cause=7, set={"n": Raw(b"[2]"), "k": Raw(b"null")}, unset=("m",)),
        StepEntered(cause=7, previous="name", step="pay"),
    ).calls[0]

    assert (call.outcome, call.content, call.latency_ms, call.version, call.refused) == (
        "returned",
        "Added.",
        7,
        7,
        False,
    )
    assert [(start.attempt, start.effect, start.step) for start in call.starts] == [(1, "idempotent", "name")]
    assert call.changes == (Change("n", b"1", b"[2]"), Change("k", None, b"null"), Change("m", b"2", None))
    assert call.moves[1] == Move(version=9, step=("name", "pay"))


def test_a_refused_call_says_why_and_was_never_started() -> None:
    refusal = ToolFailed(cause=5, index=1, kind="not_offered", content="Error: not now", error="for the operator")
    first, second = turn_of(*BEGUN, refusal).calls

    assert (first.outcome, first.refused) == ("", False)
    assert (second.outcome, second.content, second.error, second.refused) == (
        "not_offered",
        "Error: not now",
        "for the operator",
        True,
    )


def test_a_change_of_journey_says_from_where_to_where_and_with_which_state() -> None:
    returned = (ToolStarted(cause=5), ToolReturned(cause=5, content="Now pay."))
    anew = JourneyEntered(cause=7, previous="order", journey="pay", state={"sum": Raw(b"3")}, step="ask")
    call = turn_of(*BEGUN, *returned, anew).calls[0]

    assert call.moves == (
        Move(version=8, changes=(Change("sum", None, b"3"),), step=("name", "ask"), journey=("order", "pay")),
    )


def test_retries_of_the_model_are_one_round_with_an_attempt_each() -> None:
    failed = ModelFailed(cause=4, kind="unreachable", error="away", retry_at=900, latency_ms=10)
    again = ModelRequested(cause=5, attempt=2, prompt_at=4, tools_at=4, not_before=900, last_turn=1)
    turn = turn_of(STARTED, SPOKE, TURN, ASKED, failed, again, ModelAnswered(cause=6, message={"content": "Hi"}))
    (round_,) = turn.rounds

    assert [(attempt.number, attempt.version, attempt.kind) for attempt in round_.attempts] == [
        (1, 4, "unreachable"),
        (2, 6, ""),
    ]
    assert (round_.failures, round_.model_ms, round_.text, round_.prompt) == (1, 10, "Hi", "Be kind.")


def test_a_turn_that_another_life_took_over_names_both() -> None:
    again = ModelRequested(cause=5, prompt_at=4, tools_at=4, last_turn=1)
    turn = turn_of(STARTED, SPOKE, TURN, ASKED, TurnResumed(number=1, attempt=2), again)

    assert [(life.attempt, life.writer) for life in turn.lives] == [(1, "w-3"), (2, "w-5")]
    assert [len(round_.attempts) for round_ in turn.rounds] == [2]


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (TurnFailed(reason="author_error", error="it burst"), ("failed", "author_error", "it burst", "")),
        (TurnCancelled(command_id="k-1", reason="enough"), ("cancelled", "enough", "", "k-1")),
        (TurnCancelled(command_id="", reason="interrupted"), ("cancelled", "interrupted", "", "")),
    ],
)
def test_a_turn_says_how_it_ended_and_why(end: Any, told: tuple[str, ...]) -> None:
    turn = turn_of(*BEGUN, end)

    assert (turn.outcome, turn.reason, turn.error, turn.cancelled_by) == told
    assert (turn.reply, turn.replied) == ("", None)


def test_a_turn_that_has_not_ended_is_told_as_far_as_it_is() -> None:
    turn = turn_of(*BEGUN, ToolStarted(cause=5))

    assert (turn.outcome, turn.ended, turn.whole_ms, turn.calls[0].outcome) == ("", None, None, "")


def test_what_is_no_part_of_a_turn_stands_beside_it_in_order() -> None:
    refused = CommandRefused(command_id="m-2", reason="a turn is in progress")
    unknown = UnknownEvent(tag="moon.rose", raw=b"{}")
    told = accounts(*BEGUN, refused, unknown, OVER, refused)

    assert [type(each).__name__ for each in told] == ["Aside", "TurnAccount", "Aside"]
    assert asides(*BEGUN, refused, unknown, OVER, refused) == [
        "conversation.started",
        "command.refused",
        "moon.rose",
        "command.refused",
    ]


def test_a_change_of_the_state_outside_a_turn_says_what_was_before() -> None:
    changed = accounts(STARTED, StateChanged(cause=1, set={"n": Raw(b"5")}))[1]

    assert isinstance(changed, Aside)
    assert changed.move == Move(version=2, changes=(Change("n", b"1", b"5"),))


def test_what_the_user_said_and_nobody_took_up_is_not_lost() -> None:
    assert asides(STARTED, SPOKE) == ["conversation.started", "user.spoke"]
    assert asides(STARTED, SPOKE, SPOKE, TURN) == ["conversation.started", "user.spoke"]


@pytest.mark.parametrize(
    "stray",
    [
        ToolReturned(cause=9, content="x"),
        ToolFailed(cause=5, index=7, kind="error", content="x"),
        ModelFailed(cause=1, kind="x", error="x"),
        StepEntered(cause=1, previous="a", step="b"),
    ],
)
def test_what_does_not_fit_where_it_stands_is_an_aside(stray: Any) -> None:
    assert asides(*BEGUN, stray)[1:] == [stray.__struct_config__.tag]
    assert asides(STARTED, stray)[1:] == [stray.__struct_config__.tag]


def test_a_turn_that_was_never_ended_ends_where_the_next_begins_or_all_is_erased() -> None:
    first, second = (each for each in accounts(*BEGUN, SPOKE, TurnStarted(number=2)) if isinstance(each, TurnAccount))
    assert (first.number, first.outcome, second.number, second.text) == (1, "", 2, "two teas")
    erased = turn_of(*BEGUN, ConversationErased())
    assert (erased.outcome, [aside.recorded.type for aside in erased.asides]) == ("", ["conversation.erased"])


def versions_of(told: Account) -> int:
    """Return how many events an account tells."""
    if isinstance(told, Aside):
        return 1
    beside = [told.said, *told.lives, *told.asides, told.replied, told.ended]
    count = sum(each is not None for each in beside)
    for round_ in told.rounds:
        attempts = len(round_.attempts) + round_.failures + (round_.answered is not None)
        tools = sum(len(call.starts) + bool(call.outcome) + len(call.moves) for call in round_.calls)
        count += attempts + tools
    return count


@given(st.lists(any_events, max_size=30))
def test_whatever_stands_in_whatever_order_is_told_once_and_never_refused(events: list[AnyEvent]) -> None:
    replies = [event for event in events if not isinstance(event, AgentSpoke)]  # the last reply of a turn counts
    assert sum(map(versions_of, accounts(*replies))) == len(replies)
    accounts(*events)


def told_of(log: list[Stored]) -> list[Account]:
    """Return the accounts of a log."""
    now = Accounting(initial(log[0].conversation))
    found: list[Account] = []
    for stored in log:
        now, over = account(now, stored.frame)
        found += over
    return [*found, *unfinished(now)]


@pytest.mark.parametrize("seed", range(40))
def test_the_accounts_of_any_run_tell_all_of_it_and_come_to_what_it_cost(seed: int) -> None:
    agents = random_journeys(seed)
    run = simulate(agents, random_script(seed, [agent.key for agent in agents]), seed)
    for frames in run.logs.values():
        told, spent = told_of(list(frames)), Spent()
        events = [event for stored in frames for event in stored.frame.events]
        for event in events:
            spent = spend(spent, event)
        turns = [each for each in told if isinstance(each, TurnAccount)]
        rounds = [round_ for turn in turns for round_ in turn.rounds]
        total = Spent(
            turns=len(turns),
            answers=sum(round_.answered is not None for round_ in rounds),
            failures=sum(round_.failures for round_ in rounds),
            tool_starts=sum(len(call.starts) for turn in turns for call in turn.calls),
            usage={name: sum(turn.usage.get(name, 0) for turn in turns) for name in spent.usage},
            model_ms=sum(turn.model_ms for turn in turns),
        )
        assert total == spent
        assert sum(map(versions_of, told)) == len(events)

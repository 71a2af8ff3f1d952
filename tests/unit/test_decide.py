"""Deciding: given what happened, when a command comes, then these events."""

from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec import Raw

from agent_runtime_framework.actors import (
    AskModel,
    CancelTurn,
    EndTurn,
    FailTurn,
    HaltTurn,
    InterruptTurn,
    Open,
    RecordAnswer,
    RecordModelFailure,
    RecordToolFailure,
    RecordToolReturn,
    RefuseCommand,
    RefuseTool,
    ResumeTurn,
    RunTool,
    SayToAgent,
    cut,
    decide,
    json_size,
)
from agent_runtime_framework.events import (
    STATE_LIMIT,
    TEXT_LIMIT,
    AgentSpoke,
    CommandRefused,
    ConversationErased,
    ConversationId,
    ConversationStarted,
    FrameworkError,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    StateChanged,
    StepEntered,
    TooLarge,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnResumed,
    TurnStarted,
    UserSpoke,
)
from agent_runtime_framework.projections import ModelInput, evolve, initial, outstanding
from support.journeys import given, tokens
from support.strategies import commands, events

TWO_CALLS = {
    "role": "assistant",
    "tool_calls": [{"name": "add", "arguments": {"line": "tea"}}, {"name": "look", "arguments": ""}],
}
STARTED = ConversationStarted(agent="order", journey_hash="h", state={"lines": Raw(b"[]")}, step="order")
SPOKE = UserSpoke(message_id="m-1", text="tea, please")
TURN = TurnStarted(number=1, cause=2)
TOLD = [{"role": "system", "content": "Take it."}, {"role": "user", "content": "tea, please"}]
HASH = ModelInput(TOLD, None, "", {}).hash
ASKED = ModelRequested(cause=3, prompt="Take it.", effects={"look": "read"}, last_turn=1, request=HASH)
ONE_CALL = ModelAnswered(cause=4, message={"tool_calls": [{"name": "add", "arguments": {}}]})
ANSWERED = ModelAnswered(cause=4, message=TWO_CALLS, usage=tokens(1, 2, 3))
RUNNING = ToolStarted(cause=5, index=0, step="order")

ASKING = given(STARTED, SPOKE, TURN, ASKED)
ANSWER = given(STARTED, SPOKE, TURN, ASKED, ANSWERED)
IN_TOOL = given(STARTED, SPOKE, TURN, ASKED, ANSWERED, RUNNING)
IDLE = given(STARTED)
SAY = SayToAgent(id="m-1", agent="order", text="tea, please")


def returned(**changed: Any) -> RecordToolReturn:
    """Return the outcome of the running call."""
    fields: dict[str, Any] = {"state": {"lines": b"[]"}, "step": "order", "content": "Added."}
    return RecordToolReturn(answer=5, index=0, attempt=1, **(fields | changed))


def test_a_message_begins_a_turn() -> None:
    assert decide(IDLE, SAY) == (UserSpoke(message_id="m-1", text="tea, please"), TurnStarted(number=1, cause=2))


def test_a_message_that_comes_twice_counts_once() -> None:
    assert decide(ASKING, SAY) == ()


@pytest.mark.parametrize(
    ("conversation", "say", "reason"),
    [
        (IDLE, SayToAgent(id="m-2", agent="other", text="hi"), "belongs to agent 'order'"),
        (ASKING, SayToAgent(id="m-2", agent="order", text="hi"), "a turn is in progress"),
        (IDLE, SayToAgent(id="m-2", agent="order", text="x" * TEXT_LIMIT), "the text has more than"),
        (IDLE, SayToAgent(id="m-2", agent="order", text="\ud800"), "the text has more than"),
        (IDLE, SayToAgent(id="m-2", agent="order", text="hi", metadata={"a": "b" * 70_000}), "the metadata has more"),
        (evolve(IDLE, ConversationErased()), SayToAgent(id="m-2", agent="order", text="hi"), "was erased"),
    ],
)
def test_a_message_that_cannot_be_taken_is_refused_with_its_reason(conversation: Any, say: Any, reason: str) -> None:
    (refused,) = decide(conversation, say)

    assert isinstance(refused, CommandRefused)
    assert refused.command_id == "m-2"
    assert reason in refused.reason


def test_a_refusal_is_recorded_once() -> None:
    refuse = RefuseCommand(id="m-2", reason="full")
    (refused,) = decide(IDLE, refuse)

    assert decide(evolve(IDLE, refused), refuse) == ()


def test_a_conversation_opens_once() -> None:
    opening = Open(agent="order", journey_hash="h", state={"a": b"1"}, step="order")

    (started,) = decide(initial(ConversationId("c-1")), opening)

    assert started == ConversationStarted(agent="order", journey_hash="h", state={"a": Raw(b"1")}, step="order")
    assert decide(IDLE, opening) == ()


def test_a_first_state_that_no_frame_can_hold_is_too_large() -> None:
    with pytest.raises(TooLarge, match="first state"):
        decide(initial(ConversationId("c-1")), Open(agent="a", journey_hash="", state={"a": b"1" * STATE_LIMIT}))


def test_a_prompt_stands_where_it_is_first_used() -> None:
    ask = AskModel(prompt="Take it.", tools='[{"a":1}]', parameters={"temperature": 0.1})

    (asked,) = decide(given(STARTED, SPOKE, TURN, ASKED, ModelAnswered(cause=4, message={})), ask)

    assert isinstance(asked, ModelRequested)
    assert (asked.prompt, asked.prompt_at, asked.tools, asked.tools_at) == (None, 4, ({"a": 1},), None)
    assert (asked.first_turn, asked.last_turn, asked.parameters) == (0, 1, {"temperature": 0.1})


def test_an_answer_is_recorded_for_the_request_that_waits() -> None:
    record = RecordAnswer(request=4, message={"content": "hi"}, usage=tokens(1, 1, 2), response_id="r")

    assert decide(ASKING, record) == (
        ModelAnswered(cause=4, message={"content": "hi"}, usage=tokens(1, 1, 2), response_id="r"),
    )
    assert decide(ASKING, RecordAnswer(request=3, message={})) == ()
    assert decide(ANSWER, record) == ()


def test_a_failure_that_may_pass_is_followed_by_the_next_attempt() -> None:
    failed, again = decide(ASKING, RecordModelFailure(request=4, kind="unreachable", error="no", retry_at=900))

    assert failed == ModelFailed(cause=4, kind="unreachable", error="no", retry_at=900)
    assert isinstance(again, ModelRequested)
    assert (again.cause, again.attempt, again.not_before, again.prompt_at, again.request) == (5, 2, 900, 4, HASH)


def test_a_failure_for_good_ends_the_turn() -> None:
    assert decide(ASKING, RecordModelFailure(request=4, kind="refused", error="no")) == (
        ModelFailed(cause=4, kind="refused", error="no"),
        TurnFailed(cause=3, reason="model_refused", error="no"),
    )


def test_the_next_call_starts_or_is_refused() -> None:
    assert decide(ANSWER, RunTool(effect="read")) == (ToolStarted(cause=5, index=0, effect="read", step="order"),)
    assert decide(ANSWER, RefuseTool(kind="denied", content="no")) == (
        ToolFailed(cause=5, index=0, kind="denied", content="no"),
    )
    assert decide(IN_TOOL, RunTool(effect="read")) == ()


def test_a_return_records_what_changed_in_the_state() -> None:
    record = returned(state={"lines": b'["tea"]', "new": b"1"}, step="done")

    assert decide(IN_TOOL, record) == (
        ToolReturned(cause=5, content="Added."),
        StateChanged(cause=7, set={"lines": Raw(b'["tea"]'), "new": Raw(b"1")}),
        StepEntered(cause=7, previous="order", step="done"),
    )
    assert decide(IN_TOOL, returned()) == (ToolReturned(cause=5, content="Added."),)
    assert decide(IN_TOOL, returned(state={})) == (
        ToolReturned(cause=5, content="Added."),
        StateChanged(cause=7, unset=("lines",)),
    )


def test_an_outcome_of_another_call_or_attempt_comes_to_nothing() -> None:
    late = RecordToolReturn(answer=5, index=0, attempt=2, content="", state={}, step="")
    other = RecordToolFailure(answer=5, index=1, attempt=1, kind="error", content="")

    assert decide(IN_TOOL, late) == ()
    assert decide(IN_TOOL, other) == ()
    assert decide(ANSWER, returned()) == ()


def test_a_change_that_no_frame_can_hold_fails_the_call_and_names_the_field() -> None:
    (failed,) = decide(IN_TOOL, returned(state={"lines": b"[]", "big": b"1" * STATE_LIMIT, "small": b"2"}))

    assert isinstance(failed, ToolFailed)
    assert failed.kind == "error"
    assert "'big'" in failed.content


def test_a_tools_text_over_the_limit_is_cut_with_a_note() -> None:
    kept, *_ = decide(IN_TOOL, returned(content="é" * TEXT_LIMIT))

    assert isinstance(kept, ToolReturned)
    assert kept.content.startswith("ééé")
    assert f"[cut: the whole text has {2 * TEXT_LIMIT + 2} bytes" in kept.content
    assert json_size(kept.content) <= TEXT_LIMIT


def test_a_life_that_goes_on_says_so_and_asks_the_model_again() -> None:
    resumed, again = decide(ASKING, ResumeTurn())

    assert resumed == TurnResumed(cause=3, number=1, attempt=2)
    assert isinstance(again, ModelRequested)
    assert (again.attempt, again.prompt_at, again.request) == (1, 4, HASH)


def test_a_turn_that_ends_worker_after_worker_fails_at_its_fifth_life() -> None:
    tried = [TurnResumed(cause=3, number=1, attempt=attempt) for attempt in (2, 3, 4)]

    resumed, closed, failed = decide(given(STARTED, SPOKE, TURN, ASKED, ONE_CALL, RUNNING, *tried), ResumeTurn())

    assert resumed == TurnResumed(cause=3, number=1, attempt=5)
    assert isinstance(closed, ToolFailed)
    assert closed.kind == "in_doubt"
    assert isinstance(failed, TurnFailed)
    assert failed.reason == "poison"


@pytest.mark.parametrize("effect", ["read", "idempotent"])
def test_a_repeatable_tool_runs_again_in_the_next_life(effect: Any) -> None:
    running = given(STARTED, SPOKE, TURN, ASKED, ANSWERED, ToolStarted(cause=5, effect=effect))

    assert decide(running, ResumeTurn()) == (
        TurnResumed(cause=3, number=1, attempt=2),
        ToolStarted(cause=5, effect=effect, attempt=2, step="order"),
    )


def test_a_tool_that_hurts_when_repeated_is_in_doubt_in_the_next_life() -> None:
    _, failed = decide(IN_TOOL, ResumeTurn())

    assert isinstance(failed, ToolFailed)
    assert (failed.kind, failed.call) == ("in_doubt", "5.0")
    assert "'add' was started, but its outcome is unknown" in failed.content


def test_a_cancel_records_the_rest_as_not_run() -> None:
    running, rest, cancelled = decide(IN_TOOL, CancelTurn(id="c-9", agent="order", reason="enough"))

    assert isinstance(running, ToolFailed)
    assert running.kind == "in_doubt"
    assert isinstance(rest, ToolFailed)
    assert (rest.index, rest.kind) == (1, "cancelled")
    assert cancelled == TurnCancelled(cause=3, command_id="c-9", reason="enough", usage=tokens(1, 2, 3))


def test_a_halt_ends_the_turn_once_and_only_before_the_effect_that_it_was_given_instead_of() -> None:
    owed = outstanding(IN_TOOL)
    assert owed is not None

    ended = decide(IN_TOOL, HaltTurn(owed=owed.id, reason="halted"))

    assert [type(event) for event in ended] == [ToolFailed, ToolFailed, TurnCancelled]
    assert (
        decide(given(STARTED, SPOKE, TURN, ASKED, ANSWERED, RUNNING, *ended), HaltTurn(owed=owed.id, reason="halted"))
        == ()
    )
    assert decide(ANSWER, HaltTurn(owed=owed.id, reason="halted")) == ()


def test_a_message_may_end_the_turn_in_progress_and_begin_the_next() -> None:
    say = SayToAgent(id="m-2", agent="order", text="wait!")

    assert decide(ASKING, InterruptTurn(say)) == (
        TurnCancelled(command_id="", reason="interrupted by message m-2", cause=3),
        UserSpoke(message_id="m-2", text="wait!"),
        TurnStarted(number=2, cause=6),
    )
    ended = decide(IN_TOOL, InterruptTurn(say))
    assert [type(event) for event in ended[:2]] == [ToolFailed, ToolFailed]
    assert ended[-1] == TurnStarted(number=2, cause=IN_TOOL.version + 4)
    assert decide(IDLE, InterruptTurn(say)) == decide(IDLE, say)


def test_a_message_that_cannot_be_taken_interrupts_nothing() -> None:
    long = SayToAgent(id="m-2", agent="order", text="x" * (TEXT_LIMIT + 1))

    assert [type(event) for event in decide(ASKING, InterruptTurn(long))] == [CommandRefused]
    assert decide(ASKING, InterruptTurn(SAY)) == ()


def test_a_cancel_without_a_turn_is_refused() -> None:
    cancel = CancelTurn(id="c-9", agent="order")

    refused = (CommandRefused(command_id="c-9", reason="no turn is in progress"),)
    assert decide(IDLE, cancel) == decide(initial(ConversationId("c-1")), cancel) == refused


def test_another_agents_cancel_is_refused() -> None:
    (refused,) = decide(IN_TOOL, CancelTurn(id="c-9", agent="other"))

    assert isinstance(refused, CommandRefused)
    assert "belongs to agent 'order', not to 'other'" in refused.reason


def test_a_turn_ends_with_its_reply_or_without() -> None:
    assert decide(ANSWER, EndTurn(reason="text_response", spoken=5)) == (
        AgentSpoke(cause=5),
        TurnCompleted(cause=6, reason="text_response", usage=tokens(1, 2, 3)),
    )
    assert decide(ANSWER, EndTurn(reason="closing")) == (
        TurnCompleted(cause=3, reason="closing", usage=tokens(1, 2, 3)),
    )


def test_a_turn_that_fails_leaves_no_call_without_an_outcome() -> None:
    running, rest, failed = decide(IN_TOOL, FailTurn(reason="author_error", error="KeyError: 'x'"))

    assert isinstance(running, ToolFailed)
    assert isinstance(rest, ToolFailed)
    assert (running.kind, rest.kind) == ("in_doubt", "cancelled")
    assert (failed,) == (TurnFailed(cause=3, reason="author_error", error="KeyError: 'x'", usage=tokens(1, 2, 3)),)


@for_all(st.lists(st.tuples(events, commands), max_size=20))
def test_any_order_of_commands_in_any_history_raises_nothing_outside_the_tree(listed: list[Any]) -> None:
    now = initial(ConversationId("c-1"))
    for happened, command in listed:
        now = evolve(now, happened)
        try:
            decided = decide(now, command)
        except FrameworkError:
            continue
        for event in decided:
            now = evolve(now, event)


@for_all(st.text(max_size=40), st.integers(80, 200))
def test_a_cut_text_fits_and_begins_as_the_whole(text: str, limit: int) -> None:
    whole = text * 9
    kept = cut(whole, limit)

    assert json_size(kept) <= limit
    assert kept == whole.encode(errors="replace").decode() or "[cut: the whole text" in kept

"""What `arf why` tells of one call: its whole story, for each verdict, on one screen."""

import json
import re
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec import Raw

from agent_runtime_framework.events import (
    AgentSpoke,
    AnyEvent,
    ConversationId,
    Frame,
    ModelFailed,
    ModelRequested,
    StateChanged,
    StepEntered,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnResumed,
)
from agent_runtime_framework.projections import (
    VERDICTS,
    Accounting,
    Price,
    Prices,
    TurnAccount,
    account,
    decisions_of,
    initial,
    unfinished,
)
from agent_runtime_framework.runtime.cli.console.options import Options
from agent_runtime_framework.runtime.cli.reading import why
from agent_runtime_framework.runtime.cli.reading.decisions import as_data
from agent_runtime_framework.runtime.cli.reading.story import Storyteller
from agent_runtime_framework.runtime.cli.reading.why import Asked
from support.audited import ASKED, BEFORE, Audited, chose
from support.strategies import events as any_events

ONE = chose(("add", {"k": 1}))
OVER = TurnCompleted(cause=3, reason="text_response")
SCREEN = 40
"""Lines of a terminal that is not small."""


@pytest.fixture
def place(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Audited:
    return Audited(why, capsys, monkeypatch)


async def story(place: Audited, *events: AnyEvent, prompts: bool = False, **asked: Any) -> list[str]:
    """Return the lines of a story without the times and what stands before the words, and check that all is told."""
    await place.has(*events)
    assert await why.show_why(Options(), "c-1", Asked(**asked), prompts=prompts, prices=None) == 0
    lines = [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DAY", line.strip()) for line in place.printed()[0]]
    labels = [line.partition(" ")[0] for line in lines]
    must = ["user", "asked", "prompt", "offered", "exactly", "chose", "checked", "run", "outcome", "changed", "cost"]
    assert [label for label in must if label not in labels] == []
    assert len(lines) <= SCREEN
    return lines


def after(lines: list[str], label: str, count: int = 1) -> list[str]:
    """Return the row of a label, and those that follow it."""
    at = next(at for at, line in enumerate(lines) if line.startswith(f"{label} "))
    return [lines[at].removeprefix(f"{label} "), *lines[at + 1 : at + count]]


async def test_a_call_that_ran_is_told_from_who_asked_to_what_came_of_it(place: Audited) -> None:
    lines = await story(
        place,
        *chose(("add", {"k": 1}), words="So."),
        ToolStarted(cause=5, effect="idempotent", step="name", policy="allowed", reason="regulars"),
        ToolReturned(cause=5, content="Added.", latency_ms=61_000),
        StateChanged(cause=7, set={"n": Raw(b"2")}),
        StepEntered(cause=7, previous="name", step="pay"),
        AgentSpoke(cause=7),
        OVER,
    )

    assert lines == [
        "c-1 5.0 add(k=1): run, returned",
        "user two",
        "teas",
        "@2 message m-1, DAY, turn 1 of order",
        "asked @4 m, seed=7, DAY",
        "in order, version hhhhhhhhhhhh, step name",
        "prompt Be kind.",
        "Always.",
        "To all.",
        "… and 2 more lines: --prompt",
        "offered add, pay (as @4)",
        "exactly arf prompt c-1 4",
        "sha256 abc",
        "chose add(k=1)",
        "@5 DAY, 1.2 s by m-1, response resp-1, call p-0",
        "beside it: So.",
        "checked offered: yes, in that request",
        "step: in name",
        "arguments: they fit",
        "policy: allowed by policy: regulars",
        "run @6 DAY by w-6",
        "[idempotent], key c-1@5.0",
        "outcome @7 DAY returned, 1 min 1 s",
        "the model was told: Added.",
        "changed state n: 1 -> 2",
        "step name -> pay",
        "cost 1.2 s, 1100 tokens (1000 + 100), for that answer",
        "then turn 1 completed, text_response",
        "reply Added.",
    ]


async def test_the_prompt_is_told_whole_where_that_is_wanted(place: Audited) -> None:
    lines = await story(place, *ONE, prompts=True)

    assert after(lines, "prompt", 5) == ["Be kind.", "Always.", "To all.", "And brief.", "Never lie."]


NOT_NOW = "Error: Tool 'gone' is not available now"
LATER = ["step: not checked any more", "arguments: not checked any more", "policy: not checked any more"]


async def test_a_call_of_what_was_not_offered(place: Audited) -> None:
    lines = await story(place, *chose(("gone", {})), ToolFailed(cause=5, kind="not_offered", content=NOT_NOW), OVER)

    assert lines[0] == "c-1 5.0 gone(): not offered"
    assert after(lines, "checked", 4) == [f"offered: no: {NOT_NOW}", *LATER]
    assert after(lines, "run", 2) == ["never started", "[once], key c-1@5.0"]
    assert after(lines, "outcome", 2) == ["@6 DAY not_offered", f"the model was told: {NOT_NOW}"]


async def test_a_call_of_a_tool_that_was_offered_and_is_not_for_the_step_any_more(place: Audited) -> None:
    lines = await story(place, *ONE, ToolFailed(cause=5, kind="not_offered", content=NOT_NOW))

    assert after(lines, "checked", 4) == [
        "offered: yes, in that request",
        f"step: no, the journey had moved on: {NOT_NOW}",
        *LATER[1:],
    ]


async def test_a_call_whose_arguments_are_no_json(place: Audited) -> None:
    lines = await story(place, *chose(("add", "{")), ToolFailed(cause=5, kind="invalid", content="Error: no JSON"))

    assert lines[0] == "c-1 5.0 add(?): invalid"
    checked = after(lines, "checked", 4)
    assert checked[1].startswith("arguments: no: Error: the arguments of 'add' are not valid JSON")
    assert (checked[2], checked[3]) == (LATER[0], LATER[2])
    assert after(lines, "run", 2)[1] == "[idempotent], key c-1@5.0"


async def test_a_call_whose_arguments_do_not_fit(place: Audited) -> None:
    lines = await story(place, *ONE, ToolFailed(cause=5, kind="invalid", content="Error: `k` is a text"))

    assert after(lines, "checked", 4)[1:] == ["step: in name", "arguments: no: Error: `k` is a text", LATER[2]]


async def test_a_call_that_the_policy_denied(place: Audited) -> None:
    denied = ToolFailed(cause=5, kind="denied", content="Error: denied: no", policy="denied", reason="over the limit")
    lines = await story(place, *ONE, denied, OVER)

    assert lines[0] == "c-1 5.0 add(k=1): denied"
    assert after(lines, "checked", 4)[2:] == ["arguments: they fit", "policy: denied by policy: over the limit"]
    assert after(lines, "outcome", 2)[1] == "the model was told: Error: denied: no"
    assert after(lines, "changed") == ["nothing"]


async def test_a_call_that_the_runtime_denied(place: Audited) -> None:
    lines = await story(place, *ONE, ToolFailed(cause=5, kind="denied", content="Error: round in circles"))

    assert after(lines, "checked", 4)[3] == "policy: denied by the runtime: Error: round in circles"


async def test_a_call_of_a_tool_that_nobody_has(place: Audited) -> None:
    lines = await story(place, *ONE, ToolFailed(cause=5, kind="unknown", content="Error: Unknown tool 'add'"))

    assert lines[0] == "c-1 5.0 add(k=1): unknown"
    assert after(lines, "checked")[0] == "offered: there is no such tool: Error: Unknown tool 'add'"


async def test_a_call_that_is_in_doubt(place: Audited) -> None:
    lines = await story(
        place,
        *chose(("pay", {})),
        ToolStarted(cause=5, step="name"),
        TurnResumed(cause=3, number=1, attempt=2),
        ToolFailed(cause=5, kind="in_doubt", content="Error: its outcome is unknown"),
        OVER,
    )

    assert lines[0] == "c-1 5.0 pay(): in doubt"
    assert after(lines, "checked", 4)[3] == "policy: the agent has none"
    assert after(lines, "run", 2) == ["@6 DAY by w-6", "[once], key c-1@5.0"]
    assert after(lines, "outcome", 2) == ["@8 DAY in_doubt", "the model was told: Error: its outcome is unknown"]


async def test_a_call_that_was_not_run_because_the_turn_was_cancelled(place: Audited) -> None:
    lines = await story(
        place, *ONE, ToolFailed(cause=5, kind="cancelled", content="Error: not run"), TurnCancelled(command_id="k-1")
    )

    assert lines[0] == "c-1 5.0 add(k=1): not run"
    assert after(lines, "checked") == ["nothing: its turn ended before; it was not started"]
    assert after(lines, "run") == ["never started"]
    assert after(lines, "then") == ["turn 1 cancelled, no reason given"]


async def test_a_call_that_was_not_run_because_the_policy_went_wrong(place: Audited) -> None:
    failed = TurnFailed(cause=3, reason="author_error", error="LookupError: no such role")
    lines = await story(place, *ONE, ToolFailed(cause=5, kind="cancelled", content="Error: not run"), failed)

    assert after(lines, "checked") == [
        "nothing: a check or other code of the author raised, which ended the turn: LookupError: no such role; it was "
        "not started"
    ]
    assert after(lines, "then") == ["turn 1 failed, author_error: LookupError: no such role"]


@pytest.mark.parametrize("kind", ["timeout", "error"])
async def test_a_call_that_failed(place: Audited, kind: Any) -> None:
    failed = ToolFailed(cause=5, kind=kind, content="Error: it burst", error="ValueError", latency_ms=9)
    lines = await story(place, *ONE, ToolStarted(cause=5), failed, OVER)

    assert lines[0] == f"c-1 5.0 add(k=1): run, {kind}"
    assert after(lines, "outcome", 3) == [
        f"@7 DAY {kind}, 9 ms",
        "the model was told: Error: it burst",
        "and the operator: ValueError",
    ]


async def test_a_call_that_a_second_life_ran_again(place: Audited) -> None:
    lines = await story(
        place,
        *ONE,
        ToolStarted(cause=5, effect="idempotent", step="name"),
        TurnResumed(cause=3, number=1, attempt=2),
        ToolStarted(cause=5, effect="idempotent", attempt=2, step="name"),
        ToolReturned(cause=5, content="Added."),
        OVER,
    )

    assert after(lines, "run", 3) == ["@6 DAY by w-6", "@8 DAY by w-8, attempt 2", "[idempotent], key c-1@5.0"]


async def test_a_call_that_is_still_running_and_the_one_that_waits_behind_it(place: Audited) -> None:
    both = (*chose(("add", {}), ("pay", {})), ToolStarted(cause=5, effect="idempotent", step="name"))
    running = await story(place, *both, call="5.0")

    assert running[0] == "c-1 5.0 add(): run, not over yet"
    assert after(running, "outcome") == ["it runs"]
    assert after(running, "then") == ["turn 1 has not ended"]
    await why.show_why(Options(), "c-1", Asked(), prompts=False, prices=None)
    waits = [line.strip() for line in place.printed()[0]]
    assert waits[0] == "c-1 5.1 pay(): undecided"
    assert after(waits, "checked") == ["nothing: what was called before it comes first; it was not started"]
    assert after(waits, "outcome") == ["none yet"]


async def test_a_request_that_had_failed_before_says_so(place: Audited) -> None:
    answered = ONE[4]
    failed = ModelFailed(cause=4, kind="timeout", error="late", retry_at=9)
    again = ModelRequested(cause=5, attempt=2, model="m", prompt_at=4, tools_at=4, last_turn=1, request="abc")
    lines = await story(place, *BEFORE, ASKED, failed, again, answered)

    assert after(lines, "asked")[0].endswith(", after 1 that failed")
    assert after(lines, "exactly") == ["arf prompt c-1 6"]
    assert "as @4" in lines


async def test_what_people_models_and_tools_wrote_cannot_move_the_terminal(place: Audited) -> None:
    nasty = "\x1b[31mred\x1b[0m\u202e"
    events = chose((nasty, {nasty: nasty}), words=nasty)
    failed = ToolFailed(cause=5, kind="denied", content=nasty, policy="denied", reason=nasty, error=nasty)
    lines = await story(place, *events, failed, TurnFailed(reason=nasty, error=nasty))

    assert not any("\x1b" in line or "\u202e" in line for line in lines)


def test_the_cost_is_told_where_there_is_a_price() -> None:
    (turn,) = told(ONE)
    (decision,) = decisions_of(turn)
    priced = Prices({"m": Price(2.5, 10)})

    (cost,) = [row.text for row in Storyteller(priced).rows(decision) if row.label == "cost"]
    assert cost == "0.0035, 1.2 s, 1100 tokens (1000 + 100), for that answer"
    assert as_data(decision, priced)["cost"] == 0.0035


# --- whatever is recorded


def told(events: Any) -> list[TurnAccount]:
    now, found = Accounting(initial(ConversationId("c-1"))), list[Any]()
    for number, event in enumerate(events, 1):
        now, over = account(now, Frame(first=number, time=number, writer="w", agent="order", events=(event,)))
        found += over
    return [each for each in (*found, *unfinished(now)) if isinstance(each, TurnAccount)]


@for_all(st.lists(any_events, max_size=12))
def test_any_call_has_a_story_and_is_data(events: list[AnyEvent]) -> None:
    for turn in told((*ONE, *events)):
        for decision in decisions_of(turn):
            rows = list(Storyteller().rows(decision))
            assert {"asked", "chose", "checked", "run", "outcome", "changed", "cost", "then"} <= {
                row.label for row in rows
            }
            assert decision.verdict in VERDICTS
            json.dumps(as_data(decision, Prices()))

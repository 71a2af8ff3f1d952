"""Tool decisions: one for each call that a model made, whatever became of it, with all that led to it."""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from agent_runtime_framework import Allow, Deny, ToolCall
from agent_runtime_framework.events import (
    AgentSpoke,
    AnyEvent,
    ConversationId,
    ConversationStarted,
    Frame,
    JourneyRevised,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    StateChanged,
    StepEntered,
    Stored,
    ToolFailed,
    ToolFailure,
    ToolReturned,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnResumed,
    TurnStarted,
    UserSpoke,
)
from agent_runtime_framework.projections import (
    VERDICTS,
    Account,
    Accounting,
    Change,
    ToolDecision,
    TurnAccount,
    account,
    decisions_of,
    initial,
    unfinished,
)
from agent_runtime_framework.runtime.testing.simulation import random_journeys
from agent_runtime_framework.testing import random_script, simulate
from support.journeys import tokens
from support.strategies import events as any_events

STARTED = ConversationStarted(agent="order", journey_hash="h-1", state={"n": Raw(b"1")}, step="name")
SPOKE = UserSpoke(message_id="m-1", text="two teas")
TURN = TurnStarted(number=1, cause=2)
TOOLS = tuple({"type": "function", "function": {"name": name}} for name in ("add", "pay"))
ASKED = ModelRequested(
    cause=3,
    model="m",
    parameters={"temperature": 0},
    prompt="Be kind.",
    tools=TOOLS,
    effects={"add": "idempotent"},
    last_turn=1,
    request="abc",
)
CALLS = {
    "content": "So.",
    "tool_calls": [{"id": "p-1", "name": "add", "arguments": {"k": 1}}, {"name": "pay", "arguments": "{"}],
}
ANSWERED = ModelAnswered(
    cause=4, message=CALLS, usage=tokens(1, 2, 3), latency_ms=40, model="m-1", response_id="resp-1"
)
BEGUN = (STARTED, SPOKE, TURN, ASKED, ANSWERED)


def told(frames: Iterable[Frame]) -> list[Account]:
    now, found = Accounting(initial(ConversationId("c-1"))), list[Account]()
    for frame in frames:
        now, over = account(now, frame)
        found += over
    return [*found, *unfinished(now)]


def decided(*events: AnyEvent) -> list[ToolDecision]:
    """Return the decisions of these events, each a millisecond after the one before, and by a writer of its own."""
    frames = [
        Frame(first=number, time=number, writer=f"w-{number}", agent="order", events=(event,))
        for number, event in enumerate(events, 1)
    ]
    return [one for turn in told(frames) if isinstance(turn, TurnAccount) for one in decisions_of(turn)]


def verdict(*events: AnyEvent) -> tuple[str, str]:
    """Return verdict and outcome of the first call."""
    first = decided(*BEGUN, *events)[0]
    return first.verdict, first.outcome


def test_a_decision_says_who_asked_what_the_model_was_given_and_what_it_chose() -> None:
    one, other = decided(*BEGUN)

    assert (one.conversation, one.agent, one.turn, one.call, one.provider_id) == ("c-1", "order", 1, "5.0", "p-1")
    assert (one.message_id, one.message, one.spoke, one.spoke_at) == ("m-1", "two teas", 2, 2)
    assert (one.journey, one.journey_hash, one.step) == ("order", "h-1", "name")
    assert (one.model, one.answered_by, one.parameters, one.response_id) == ("m", "m-1", {"temperature": 0}, "resp-1")
    assert (one.request, one.request_hash, one.asked, one.requested, one.chosen) == (4, "abc", 1, 4, 5)
    assert (one.prompt, one.prompt_at, one.offered, one.tools_at) == ("Be kind.", 4, ("add", "pay"), 4)
    assert (one.words, one.tool, one.arguments, one.problem) == ("So.", "add", {"k": 1}, None)
    assert (one.usage, one.model_ms, one.key, one.effect) == (tokens(1, 2, 3), 40, "c-1@5.0", "idempotent")
    assert (other.tool, other.arguments, other.effect) == ("pay", {}, "once")
    assert (other.problem or "").startswith("Error: the arguments of 'pay' are not valid JSON")


def test_a_decision_says_what_was_run_by_whom_and_what_it_changed() -> None:
    (one, _) = decided(
        *BEGUN,
        ToolStarted(cause=5, effect="idempotent", step="name", policy="allowed", reason="regulars"),
        TurnResumed(cause=3, number=1, attempt=2),
        ToolStarted(cause=5, effect="idempotent", attempt=2, step="name"),
        ToolReturned(cause=5, content="Added.", latency_ms=7),
        StateChanged(cause=9, set={"n": Raw(b"2")}),
        StepEntered(cause=9, previous="name", step="pay"),
        AgentSpoke(cause=9),
        TurnCompleted(cause=12, reason="terminal_tool:add"),
    )

    assert (one.verdict, one.outcome, one.content, one.latency_ms) == ("run", "returned", "Added.", 7)
    assert (one.policy, one.policy_reason) == ("allowed", "regulars")
    assert [(start.version, start.attempt, start.writer) for start in one.attempts] == [(6, 1, "w-6"), (8, 2, "w-8")]
    assert (one.started, one.ended, one.outcome_at) == (6, 9, 9)
    assert one.changes == (Change("n", b"1", b"2"),)
    assert one.moves[-1].step == ("name", "pay")
    assert (one.turn_outcome, one.turn_reason, one.reply) == ("completed", "terminal_tool:add", "Added.")


def test_the_journey_hash_is_the_one_at_the_request() -> None:
    revised = JourneyRevised(previous="h-1", journey_hash="h-2")
    one, *_ = decided(STARTED, SPOKE, TURN, ASKED, revised, ANSWERED)
    other, *_ = decided(STARTED, SPOKE, TURN, revised, ASKED, msgspec.structs.replace(ANSWERED, cause=5))

    assert (one.journey_hash, other.journey_hash) == ("h-1", "h-2")


def test_a_request_that_was_repeated_is_the_one_that_was_answered() -> None:
    again = (
        ModelFailed(cause=4, kind="timeout", error="late", retry_at=9),
        ModelRequested(cause=5, attempt=2, prompt_at=4, tools_at=4, request="abc", last_turn=1),
        msgspec.structs.replace(ANSWERED, cause=6),
    )
    one, *_ = decided(*BEGUN[:4], *again)

    assert (one.request, one.asked, one.requested, one.prompt_at, one.call) == (6, 2, 6, 4, "7.0")


STARTS = ToolStarted(cause=5)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((), ("undecided", "")),
        ((STARTS,), ("run", "")),
        ((STARTS, ToolReturned(cause=5, content="Done.")), ("run", "returned")),
        ((STARTS, ToolFailed(cause=5, kind="error", content="no")), ("run", "error")),
        ((STARTS, ToolFailed(cause=5, kind="timeout", content="no")), ("run", "timeout")),
        ((STARTS, ToolFailed(cause=5, kind="invalid", content="no")), ("run", "invalid")),
        ((STARTS, ToolFailed(cause=5, kind="cancelled", content="no")), ("run", "cancelled")),
        ((STARTS, ToolFailed(cause=5, kind="in_doubt", content="?")), ("in_doubt", "in_doubt")),
        ((ToolFailed(cause=5, kind="not_offered", content="no"),), ("not_offered", "not_offered")),
        ((ToolFailed(cause=5, kind="invalid", content="no"),), ("invalid", "invalid")),
        ((ToolFailed(cause=5, kind="denied", content="no"),), ("denied", "denied")),
        ((ToolFailed(cause=5, kind="unknown", content="no"),), ("unknown", "unknown")),
        (
            (ToolFailed(cause=5, kind="cancelled", content="no"), TurnCancelled(command_id="x")),
            ("not_run", "cancelled"),
        ),
    ],
)
def test_each_course_of_a_call_has_its_verdict(events: tuple[AnyEvent, ...], expected: tuple[str, str]) -> None:
    assert verdict(*events) == expected


@pytest.mark.parametrize("kind", get_args(ToolFailure))
@pytest.mark.parametrize("begun", [(), (STARTS,)])
def test_whatever_is_recorded_has_one_of_the_verdicts(kind: ToolFailure, begun: tuple[AnyEvent, ...]) -> None:
    found, outcome = verdict(*begun, ToolFailed(cause=5, kind=kind, content="no"))

    assert (found in VERDICTS, outcome) == (True, kind)


def test_a_decision_of_a_fork_from_before_its_cut_is_the_parents_and_has_its_key() -> None:
    frame = Frame(first=1, time=1, writer="w", agent="order", events=BEGUN)
    (turn,) = (each for each in told([frame]) if isinstance(each, TurnAccount))

    assert [(one.conversation, one.key) for one in decisions_of(turn, "parent")] == [
        ("parent", "parent@5.0"),
        ("parent", "parent@5.1"),
    ]


@given(st.lists(any_events, max_size=12))
def test_any_events_have_decisions(events: list[AnyEvent]) -> None:
    decided(*events)


# --- against an independent count


class Counted:
    """Counts calls from the stored JSON alone: of each, by its id, what a decision must say."""

    def __init__(self, frames: Sequence[Stored]) -> None:
        self.calls: dict[str, dict[str, Any]] = {}
        self._hash, self._asked = "", dict[str, Any]()
        self._waiting = False
        for stored in frames:
            frame = msgspec.json.decode(stored.data)
            for version, event in enumerate(frame["events"], frame["first"]):
                self._hash = event.get("journey_hash", self._hash)
                self._event(event, version, frame)

    def _event(self, event: dict[str, Any], version: int, frame: dict[str, Any]) -> None:
        tag = event["type"]
        if tag == "model.requested":
            first = {} if self._waiting else {"hash": self._hash, "effects": event.get("effects", {})}
            self._asked, self._waiting = {**self._asked, **first, "request": version}, True
        elif tag in ("model.answered", "turn.completed", "turn.failed", "turn.cancelled"):
            self._waiting = False
        if tag == "model.answered":
            self._answered(event, version, frame)
        elif tag.startswith("tool."):
            call = self.calls[f"{event['cause']}.{event.get('index', 0)}"]
            if "policy" in event:
                call |= {"policy": event["policy"], "reason": event.get("reason", "")}
            if tag == "tool.started":
                call["writers"].append(frame["writer"])
                call["effect"] = event.get("effect", "once")
            else:
                call["outcome"], call["told"] = event.get("kind", "returned"), event["content"]

    def _answered(self, event: dict[str, Any], version: int, frame: dict[str, Any]) -> None:
        listed = event["message"].get("tool_calls")
        for index, call in enumerate(listed if isinstance(listed, list) else ()):
            spec = call.get("function", call) if isinstance(call, dict) else {}
            tool = spec.get("name") or ""
            self.calls[f"{version}.{index}"] = {
                "tool": tool,
                "turn": frame["turn"],
                "hash": self._asked["hash"],
                "request": self._asked["request"],
                "effect": self._asked["effects"].get(tool, "once"),
                "usage": event.get("usage", {}),
                "chosen": frame["time"],
                "writers": [],
                "outcome": "",
                "told": "",
                "policy": "",
                "reason": "",
            }


def said(one: ToolDecision) -> dict[str, Any]:
    """Return what a decision says of that which is counted."""
    return {
        "tool": one.tool,
        "turn": one.turn,
        "hash": one.journey_hash,
        "request": one.request,
        "effect": one.effect,
        "usage": one.usage,
        "chosen": one.chosen,
        "writers": [start.writer for start in one.attempts],
        "outcome": one.outcome,
        "told": one.content,
        "policy": one.policy,
        "reason": one.policy_reason,
    }


def some(call: ToolCall, state: Any, ctx: Any) -> Allow | Deny:
    """Deny about every third call; always the same of the same."""
    denied = zlib.crc32(msgspec.json.encode([call.id, call.name])) % 3 == 0
    return Deny(f"not {call.id}") if denied else Allow("why not" if call.effect == "once" else "")


@pytest.mark.parametrize("seed", range(40))
def test_each_call_of_any_run_is_one_decision_with_its_outcome(seed: int) -> None:
    agents = random_journeys(seed)
    for agent in agents[seed % 2 :]:  # some have a policy, and some have none
        agent.authorize_tool = some  # type: ignore[method-assign]
    run = simulate(agents, random_script(seed, [agent.key for agent in agents]), seed)

    for frames in run.logs.values():
        turns = [each for each in told(stored.frame for stored in frames) if isinstance(each, TurnAccount)]
        found = [one for turn in turns for one in decisions_of(turn)]
        assert {one.call: said(one) for one in found} == Counted(frames).calls
        assert len({one.call for one in found}) == len(found)
        for one in found:
            assert (one.verdict == "denied") >= (one.policy == "denied")
            assert not (one.policy == "denied" and one.attempts)
            assert (one.verdict in ("run", "in_doubt")) == bool(one.attempts)


def test_the_runs_have_calls_of_many_kinds_and_policies_of_both() -> None:
    kinds, policies = set[str](), set[str]()
    for seed in range(24):
        agents = random_journeys(seed)
        for agent in agents:
            agent.authorize_tool = some  # type: ignore[method-assign]
        run = simulate(agents, random_script(seed, [agent.key for agent in agents]), seed)
        for frames in run.logs.values():
            kinds |= {call["outcome"] for call in Counted(frames).calls.values()}
            policies |= {call["policy"] for call in Counted(frames).calls.values()}

    assert {"returned", "error", "denied", "not_offered", "in_doubt"} <= kinds
    assert policies == {"", "allowed", "denied"}

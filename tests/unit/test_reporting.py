"""What a report counts, held to a count that was written apart from it, over the stored bytes of simulated runs."""

import asyncio
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from agent_runtime_framework import Allow, Client, Deny, ToolCall
from agent_runtime_framework.events import (
    START,
    ConversationErased,
    ConversationId,
    ConversationStarted,
    Frame,
    MemoryLog,
    ModelAnswered,
    ModelRequested,
    Stored,
    ToolFailed,
    ToolStarted,
    TurnFailed,
    TurnStarted,
    UserSpoke,
)
from agent_runtime_framework.projections import CallAccount
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.reporting import Audit, Report, Scope, survey, within
from agent_runtime_framework.runtime.reporting.counting import LISTED
from agent_runtime_framework.runtime.reporting.mentions import LATEST
from agent_runtime_framework.runtime.reporting.page import page
from agent_runtime_framework.runtime.substrate import in_memory
from agent_runtime_framework.runtime.testing.simulation import random_journeys
from agent_runtime_framework.runtime.whole import whole_conversations
from agent_runtime_framework.testing import random_script, simulate
from support.chains import put_raw
from support.reported import HOUR, NOW, called, reported, some_of_each, turn

NEVER_STARTED = {"denied": "refused", "not_offered": "refused", "invalid": "refused", "unknown": "refused"}


class Counted:
    """Counts, from stored JSON alone, what happened from `since` on."""

    def __init__(self, logs: Mapping[ConversationId, Sequence[Stored]], since: int = 0) -> None:
        self.since = since
        self.fates: Counter[str] = Counter()
        self.by_tool: Counter[tuple[str, str]] = Counter()
        self.took: defaultdict[str, list[int]] = defaultdict(list)
        self.turns: Counter[str] = Counter()
        self.tokens = self.answers = self.failures = 0
        self.calls: list[dict[str, Any]] = []
        for log in logs.values():
            self._log([msgspec.json.decode(one.data) for one in log if one.head.position])

    def _log(self, frames: list[dict[str, Any]]) -> None:
        calls: dict[str, dict[str, Any]] = {}
        turn: dict[str, Any] = {}
        for frame in frames:
            for version, event in enumerate(frame["events"], frame["first"]):
                self._event(calls, event, version, frame["time"])
                kind, _, how = event["type"].partition(".")
                if (kind, how) == ("turn", "started"):
                    turn = {"in": frame["time"] >= self.since}
                    self.turns["open"] += turn["in"]
                elif kind == "turn" and how in ("completed", "failed", "cancelled") and turn:
                    self.turns["open"] -= turn["in"]
                    self.turns[how] += turn["in"]
                    turn = {}
        self.calls += calls.values()
        for call in calls.values():
            self.fates[_fate(call)] += 1
            self.by_tool[call["tool"], _fate(call)] += 1
            if call["started"] and call["outcome"] not in ("", "in_doubt"):
                self.took[call["tool"]].append(call["took"])

    def _event(self, calls: dict[str, dict[str, Any]], event: dict[str, Any], version: int, time: int) -> None:
        what = event["type"]
        if what == "model.answered" and time >= self.since:
            self.answers += 1
            self.tokens += event.get("usage", {}).get("total_tokens", 0)
            listed = event["message"].get("tool_calls")
            for index, call in enumerate(listed if isinstance(listed, list) else ()):
                spec = call.get("function", call) if isinstance(call, dict) else {}
                blank = {"started": False, "outcome": "", "policy": "", "took": 0}
                calls[f"{version}.{index}"] = {"tool": spec.get("name") or "", **blank}
        elif what == "model.failed":
            self.failures += time >= self.since
        elif what in ("tool.started", "tool.returned", "tool.failed"):
            call = calls.get(f"{event['cause']}.{event.get('index', 0)}", {})
            call["started"] = what == "tool.started" or call.get("started", False)
            if what != "tool.started":
                outcome = {"outcome": event.get("kind", "returned"), "took": event.get("latency_ms", 0)}
                call |= {**outcome, "policy": event.get("policy", "")}


def _fate(call: dict[str, Any]) -> str:
    if call["outcome"] in ("", "in_doubt", "returned"):
        return call["outcome"] or "open"
    if call["started"]:
        return "failed"
    return "denied" if call["policy"] == "denied" else NEVER_STARTED.get(call["outcome"], "not_run")


def some(call: ToolCall, state: Any, ctx: Any) -> Allow | Deny:
    return Deny("no") if zlib.crc32(call.id.encode()) % 4 == 0 else Allow()


async def stored(logs: Mapping[ConversationId, Sequence[Stored]]) -> Client:
    substrate = in_memory(SystemClock())
    for conversation in sorted(logs, key=lambda one: sum(not frame.head.position for frame in logs[one])):
        head = START
        for one in logs[conversation]:
            kept = one.head if one.inherited else None
            head = kept or (await substrate.log.restore(conversation, one.data, head)).head
    return Client(substrate)


def report_of(
    logs: Mapping[ConversationId, Sequence[Stored]], since: int | None = None, agent: str = "", spoilt: str = ""
) -> tuple[Report, list[str]]:
    """Return the report of these logs, stored anew and one of them spoilt at its end, and what could not be read."""

    async def surveyed() -> list[str]:
        client = await stored(logs)
        if spoilt:
            log = client.substrate.log
            assert isinstance(log, MemoryLog)
            await put_raw(log._records, b"garbage", (await client.last(spoilt)).head.position, ConversationId(spoilt))
        return await survey(whole_conversations(client.substrate, within(scope)), scope, audit)

    scope = Scope(since=since, agent=agent, made=NOW)
    audit = Audit(scope)
    damaged = asyncio.run(surveyed())
    return audit.report(), damaged


def runs(seed: int) -> Mapping[ConversationId, Sequence[Stored]]:
    agents = random_journeys(seed)
    for agent in agents[seed % 2 :]:
        agent.authorize_tool = some  # type: ignore[method-assign]
    return simulate(agents, random_script(seed, [agent.key for agent in agents]), seed).logs


def agree(report: Report, counted: Counted) -> None:
    assert report.fates == {fate: count for fate, count in counted.fates.items() if count}
    assert {(row.tool, fate): count for row in report.tools for fate, count in row.fates.items()} == counted.by_tool
    assert report.outcomes == {how: count for how, count in counted.turns.items() if count}
    assert (report.turns, report.calls) == (sum(counted.turns.values()), sum(counted.fates.values()))
    assert report.tokens.all == sum(row.tokens.all for row in report.models) == counted.tokens
    assert (sum(row.answers for row in report.models), sum(row.failures for row in report.models)) == (
        counted.answers,
        counted.failures,
    )
    for row in report.tools:
        took = sorted(counted.took[row.tool or ""])
        assert (row.latency.count, row.latency.longest) == (len(took), max(took, default=0))
        if took:
            assert row.latency.p95 == pytest.approx(took[-(-len(took) * 95 // 100) - 1], rel=0.005)
            assert row.latency.p50 == pytest.approx(took[-(-len(took) * 50 // 100) - 1], rel=0.005)
    assert all(sum(map(sum, row.over_time.values())) == row.calls for row in report.tools)
    over_time = Counter({fate: sum(row) for fate, row in report.calls_over_time.items()})
    assert over_time == Counter(report.fates)
    totals = (report.in_doubt, report.failures, report.refusals, report.open)
    assert [listed.total for listed in totals] == [
        counted.fates["in_doubt"],
        counted.fates["failed"],
        counted.fates["refused"] + counted.fates["denied"],
        counted.fates["open"],
    ]


@pytest.mark.parametrize("seed", range(25))
def test_a_report_counts_what_the_stored_bytes_say(seed: int) -> None:
    logs = runs(seed)

    agree(report_of(logs)[0], Counted(logs))


@pytest.mark.parametrize("seed", range(25, 32))
def test_of_a_period_only_what_was_in_it_is_counted(seed: int) -> None:
    logs = runs(seed)
    times = sorted(one.frame.time for log in logs.values() for one in log)

    report, _ = report_of(logs, since=times[len(times) // 2])

    counted = Counted(logs, since=times[len(times) // 2])
    assert report.fates == {fate: count for fate, count in counted.fates.items() if count}
    assert report.outcomes == {how: count for how, count in counted.turns.items() if count}
    assert report.tokens.all == counted.tokens


def test_an_agents_report_has_only_its_conversations() -> None:
    seed = next(seed for seed in range(40) if len({log[-1].frame.agent for log in runs(seed).values()}) > 1)
    logs = runs(seed)
    agent = next(iter(logs.values()))[-1].frame.agent
    its = {name: log for name, log in logs.items() if log[-1].frame.agent == agent}

    agree(report_of(logs, agent=agent)[0], Counted(its))


def test_what_stands_before_a_damage_is_counted_and_the_damage_named() -> None:
    logs = runs(3)
    victim = max(logs, key=lambda one: len(logs[one]))

    report, (said,) = report_of(logs, spoilt=victim)

    assert said.startswith(f"{victim} cannot be read, or not to its end: ")
    (line,) = report.damaged.latest
    assert (line.conversation, line.outcome, line.agent) == (victim, "damaged", logs[victim][-1].frame.agent)
    agree(report, Counted(logs))


def test_lists_keep_the_latest_and_say_how_many_there_are() -> None:
    report = reported(
        turn(called("pay", "error", at=NOW - number), at=NOW - number, conversation=f"c-{number}")
        for number in range(1_000)
    )

    assert report.failures.total == 1_000
    assert [line.conversation for line in report.failures.latest] == [f"c-{number}" for number in range(LISTED)]
    assert (report.lines.total, len(report.lines.latest)) == (1_000, LATEST)


def test_each_conversation_that_is_mentioned_has_a_line_however_old() -> None:
    doubtful = [turn(called("pay", "in_doubt"), at=NOW - HOUR, conversation=f"d-{number}") for number in range(300)]
    later = [turn(at=NOW, conversation=f"c-{number}") for number in range(2_000)]
    report = reported([*doubtful, *later])

    assert (report.in_doubt.total, len(report.in_doubt.latest)) == (300, 300)
    lines = {line.conversation for line in report.lines.latest}
    assert {line.conversation for line in report.in_doubt.latest} <= lines
    assert (report.lines.total, len(lines)) == (2_300, 300 + LATEST)


def test_names_that_a_model_makes_up_are_counted_together_beyond_some() -> None:
    report = reported(turn(called(f"made-up-{number}", "unknown", started=False)) for number in range(2_000))

    assert len(report.tools) == 501
    assert (report.tools[-1].tool, report.tools[-1].calls, report.calls) == (None, 1_500, 2_000)


def test_the_tokens_of_an_answer_are_shared_among_its_calls() -> None:
    (report,) = [reported([turn(called("look"), called("pay"), given=100, model="m-1")])]
    look, pay = sorted(report.tools, key=lambda row: row.tool or "")

    assert (look.tokens.all, pay.tokens.all, report.tokens.all) == (52.5, 52.5, 105)
    assert report.tokens.cost == pytest.approx((100 * 1_000 + 5 * 2_000) / 1_000_000)
    assert look.tokens.cost == pytest.approx((report.tokens.cost or 0) / 2)


def test_what_has_no_price_is_counted() -> None:
    report = reported(some_of_each())

    assert report.tokens.unpriced == 1
    assert {row.model: row.tokens.cost is None for row in report.models} == {"m-1": False, "m-2": True}


def test_of_an_erased_conversation_only_structure_is_kept() -> None:
    words = called("secret_tool", "error", content="secret content", error="secret error", arguments={"a": "secret"})
    failed = turn(words, outcome="failed", error="secret failure", conversation="c-9")

    report = reported([failed, turn(called("look"))], erased=("c-9",))

    assert (report.erased, report.conversations, report.calls) == (1, 2, 2)
    assert b"secret" not in msgspec.json.encode(report)
    (line,) = report.failures.latest
    assert (line.hidden, line.kind, line.call) == (True, "error", "5.0")
    assert [(row.tool, row.hidden, row.calls) for row in report.tools] == [("look", False, 1), (None, True, 1)]


def test_what_has_no_time_is_counted_where_no_period_was_asked_for() -> None:
    odd = [turn(called("look", at=time), at=time, conversation=f"c-{time}") for time in (-5, 0, 10**18)]

    assert reported(odd).calls == 3
    assert reported(odd).parts == ()
    assert reported(odd, Scope(since=1, made=NOW)).calls == 0


@pytest.mark.parametrize(
    ("call", "fate", "by"),
    [
        (called("pay"), "returned", None),
        (called("pay", "error"), "failed", ""),
        (called("pay", "cancelled"), "failed", ""),
        (called("pay", "in_doubt"), "in_doubt", ""),
        (called("pay", ""), "open", ""),
        (called("pay", "", started=False), "open", ""),
        (called("pay", "cancelled", started=False), "not_run", None),
        (called("pay", "invalid", started=False), "refused", "the runtime"),
        (called("pay", "denied", started=False), "refused", "the runtime"),
        (called("pay", "denied", started=False, policy="denied", policy_reason="no"), "denied", "the agent's policy"),
    ],
)
def test_each_call_has_one_fate_and_a_refused_one_says_by_whom(call: CallAccount, fate: str, by: str | None) -> None:
    report = reported([turn(call)])
    lists = (report.in_doubt, report.failures, report.refusals, report.open)

    assert report.fates == {fate: 1}
    assert [line.by for listed in lists for line in listed.latest] == ([] if by is None else [by])


async def test_a_log_that_ends_erased_is_told_as_erased_with_no_word_of_it() -> None:
    client = Client(in_memory(SystemClock()))
    events = (
        ConversationStarted(agent="desk", journey_hash="h", state={}),
        UserSpoke(message_id="m-1", text="secret question"),
        TurnStarted(number=1, cause=2),
        ModelRequested(cause=3, model="m-1", prompt="secret prompt"),
        ModelAnswered(cause=4, message={"tool_calls": [{"name": "secret_tool", "arguments": {"a": "secret"}}]}),
        ToolStarted(cause=5),
        ToolFailed(cause=5, kind="error", content="secret content"),
        TurnFailed(reason="model_error", error="secret error"),
        ConversationErased(reason="asked for"),
    )
    frame = Frame(first=1, time=NOW, writer="w", agent="desk", turn=1, status="erased", events=events)
    await client.substrate.log.append(ConversationId("c-1"), frame, START)
    scope = Scope(made=NOW)
    audit = Audit(scope)

    assert await survey(whole_conversations(client.substrate, within(scope)), scope, audit) == []

    report = audit.report()
    assert (report.erased, report.calls, report.lines.latest[0].outcome) == (1, 1, "erased")
    assert "secret" not in page(report)


async def test_a_tombstone_alone_is_an_erased_conversation_without_turns() -> None:
    client = Client(in_memory(SystemClock()))
    events = (ConversationErased(reason="asked for"),)
    frame = Frame(first=1, time=NOW, writer="w", agent="desk", status="erased", events=events)
    await client.substrate.log.append(ConversationId("c-1"), frame, START)
    scope = Scope(since=NOW - HOUR, made=NOW)
    audit = Audit(scope)

    assert await survey(whole_conversations(client.substrate, within(scope)), scope, audit) == []

    report = audit.report()
    assert (report.conversations, report.erased, report.turns) == (1, 1, 0)
    assert "erased" in page(report)


async def test_calls_whose_answer_is_withheld_are_counted_by_what_their_tools_did() -> None:
    client = Client(in_memory(SystemClock()))
    events = (
        ConversationStarted(agent="desk", journey_hash="h", state={}),
        UserSpoke(message_id="m-1", text=""),
        TurnStarted(number=1, cause=2),
        ModelRequested(cause=3, model="m-1"),
        ModelAnswered(cause=4, message={}, usage={"total_tokens": 9}),  # as it is read without the key
        ToolStarted(cause=5, effect="once"),
        ToolFailed(cause=5, kind="in_doubt", content=""),
        ToolFailed(cause=5, index=1, kind="denied", content="", policy="denied"),
        ToolStarted(cause=5, index=2),
    )
    frame = Frame(first=1, time=NOW, writer="w", agent="desk", turn=1, status="running", events=events)
    await client.substrate.log.append(ConversationId("c-1"), frame, START)
    audit = Audit(Scope(made=NOW))

    assert await survey(whole_conversations(client.substrate), Scope(made=NOW), audit) == []

    report = audit.report()
    assert report.fates == {"in_doubt": 1, "denied": 1, "open": 1}
    assert [(row.tool, row.hidden, row.calls, row.tokens.all) for row in report.tools] == [(None, True, 3, 9)]
    assert report.tools[0].over_time == {"in_doubt": (1,), "denied": (1,), "open": (1,)}
    assert [(line.call, line.hidden, line.attempts) for line in report.in_doubt.latest] == [("5.0", True, 1)]

"""The tables of an export: they hold what the logs do, however often and wherever the exporting was begun and ended."""

import itertools
import random
from collections import Counter
from pathlib import Path

import pytest

from agent_runtime_framework.projections.tables import TABLES
from agent_runtime_framework.runtime.analytics.export import in_passing, tables_in
from agent_runtime_framework.runtime.analytics.processes import export_all
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from support.tables import (
    Logs,
    everything,
    export,
    faults,
    in_a_thread,
    in_turn,
    many,
    read,
    simulated,
    store,
    told,
)

SEEDS = range(12)


@pytest.fixture(scope="module")
def logs() -> Logs:
    return many(SEEDS)


async def test_the_tables_count_what_the_logs_do(substrate: Substrate, logs: Logs, tmp_path: Path) -> None:
    await store(substrate, in_turn(logs))
    assert faults(await export(substrate, tmp_path)) == []

    events = {chat: told(log) for chat, log in logs.items()}
    types = Counter(event["type"] for log in events.values() for event in log)
    assert Counter(row["type"] for row in read(tmp_path, "events")) == types
    assert len(read(tmp_path, "turns")) == types["turn.started"]
    ends = Counter(row["outcome"] for row in read(tmp_path, "turns") if row["outcome"])
    assert ends == {end: types[f"turn.{end}"] for end in ("completed", "failed", "cancelled") if types[f"turn.{end}"]}
    asked = read(tmp_path, "model_calls")
    assert len(asked) == types["model.requested"]
    assert sum(row["outcome"] == "answered" for row in asked) == types["model.answered"]
    assert sum(row["outcome"] == "failed" for row in asked) == types["model.failed"]
    answers = [event for log in events.values() for event in log if event["type"] == "model.answered"]
    calls = read(tmp_path, "tool_calls")
    assert len(calls) == sum(len(answer["message"].get("tool_calls") or ()) for answer in answers)
    assert sum(row["attempts"] for row in calls) == types["tool.started"]
    assert sum(row["outcome"] == "returned" for row in calls) == types["tool.returned"]
    tokens = sum(answer.get("usage", {}).get("total_tokens", 0) for answer in answers)
    assert sum(row["tokens"] or 0 for row in read(tmp_path, "turns")) == tokens
    assert types["tool.started"] > 50


async def test_exporting_writes_nothing_but_the_export(substrate: Substrate, logs: Logs, tmp_path: Path) -> None:
    await store(substrate, in_turn(logs))
    before = [await substrate.feed.end(shard) for shard in range(substrate.feed.shards)]
    await export(substrate, tmp_path)
    assert [await substrate.feed.end(shard) for shard in range(substrate.feed.shards)] == before


@pytest.mark.parametrize("name", TABLES)
async def test_only_the_tables_that_are_named_are_made(name: str, logs: Logs, tmp_path: Path) -> None:
    substrate = in_memory(SystemClock())
    await store(substrate, in_turn(logs))
    await export(substrate, tmp_path)
    async with in_passing(substrate, [name]) as run:
        await export_all(substrate, None, run.jobs, run.behind, lambda frames, events: None)
        files = tables_in(run.new)
        assert [table for table, found in files.items() if found] == [name]
        (tmp_path / "alone").mkdir()
        (tmp_path / "alone" / "current").symlink_to(run.new)
        assert read(tmp_path / "alone", name) == read(tmp_path, name)


async def test_each_conversation_is_one_row(substrate: Substrate, logs: Logs, tmp_path: Path) -> None:
    await store(substrate, in_turn(logs))
    await export(substrate, tmp_path)

    rows = {row["conversation"]: row for row in read(tmp_path, "conversations")}
    assert rows.keys() == logs.keys()
    for chat, log in logs.items():
        row, events, last = rows[chat], told(log), log[-1].frame
        types = Counter(event["type"] for event in events)
        assert (row["version"], row["step"], row["status"]) == (len(events), last.step, last.status)
        assert (row["turns"], row["model_calls"]) == (types["turn.started"], types["model.requested"])
        assert (row["first"], row["erased"], row["parent"]) == (1, False, None)


async def test_the_steps_of_a_conversation_follow_each_other(logs: Logs, tmp_path: Path) -> None:
    substrate = in_memory(SystemClock())
    await store(substrate, in_turn(logs))
    await export(substrate, tmp_path)

    stays = read(tmp_path, "steps", by="conversation, entered")
    moves = ("conversation.started", "step.entered", "journey.entered")
    assert len(stays) == sum(event["type"] in moves for log in logs.values() for event in told(log))
    for before, after in itertools.pairwise(stays):
        if before["conversation"] == after["conversation"]:
            assert (before["left"], before["left_at"]) == (after["entered"], after["entered_at"])
        else:
            assert before["left"] is None
    ends = {stay["conversation"]: stay["step"] for stay in stays if stay["left"] is None}
    begun = {chat: log for chat, log in logs.items() if any(event["type"] == moves[0] for event in told(log))}
    assert ends == {chat: log[-1].frame.step for chat, log in begun.items()}
    assert len(begun) > 10


@pytest.mark.parametrize("seed", range(8))
async def test_in_parts_it_comes_to_the_same_as_at_once(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    frames = in_turn(simulated(seed) | many([100 + seed]), seed)
    once, parts = in_memory(SystemClock()), in_memory(SystemClock())
    await store(once, frames)
    await export(once, tmp_path / "once")

    cuts = sorted(chance.sample(range(1, len(frames)), 4))
    for start, end in zip([0, *cuts], [*cuts, len(frames)], strict=True):
        await store(parts, frames[start:end])
        assert faults(await export(parts, tmp_path / "parts")) == []
        assert len(read(tmp_path / "parts", "events")) == sum(len(one.frame.events) for _, one in frames[:end])

    assert everything(tmp_path / "parts") == everything(tmp_path / "once")


async def test_what_a_turn_came_to_is_there_after_it_ended(tmp_path: Path) -> None:
    substrate = in_memory(SystemClock())
    (chat, log), *_ = simulated(3).items()
    frames = [(chat, one) for one in log]
    middle = next(number for number, one in enumerate(log, 1) if one.frame.status == "running")
    await store(substrate, frames[:middle])
    await export(substrate, tmp_path)
    (turn,) = read(tmp_path, "turns")
    assert (turn["outcome"], turn["ended"]) == (None, None)

    await store(substrate, frames[middle:])
    await export(substrate, tmp_path)
    assert all(turn["outcome"] for turn in read(tmp_path, "turns"))
    numbers = [row["turn"] for row in read(tmp_path, "turns", by="turn")]
    assert numbers == [*range(1, log[-1].frame.turn + 1)]


async def test_what_a_fork_inherits_is_its_parent_s(tmp_path: Path) -> None:
    from agent_runtime_framework.testing import Fork, OnboardingAgent, Say, simulate

    script = (Say("c-1", "hi"), Say("c-1", "I am Ada", at=2), Fork("c-1", "c-2", at=4), Say("c-2", "so", at=6))
    run = in_a_thread(lambda: simulate(OnboardingAgent(), script, faults=(), model=lambda *given: "Well."))
    substrate = in_memory(SystemClock())
    frames = [(chat, one) for chat, log in sorted(run.logs.items()) for one in log if not one.inherited]
    await store(substrate, frames[:-1])
    await export(substrate, tmp_path)
    await store(substrate, frames[-1:])
    await export(substrate, tmp_path)

    turns = read(tmp_path, "turns")
    assert sorted((turn["conversation"], turn["turn"]) for turn in turns) == [("c-1", 1), ("c-1", 2), ("c-2", 3)]
    parent, fork = read(tmp_path, "conversations", by="conversation")
    assert (fork["parent"], fork["turns"], fork["first"]) == ("c-1", 1, parent["version"] + 1)
    first, second = read(tmp_path, "steps", by="conversation")
    assert (first["step"], first["journey"]) == (second["step"], second["journey"])
    assert (second["conversation"], second["entered"]) == ("c-2", fork["first"])


async def test_forks_at_random_double_nothing(tmp_path: Path) -> None:
    forked = 0
    for seed in range(8):
        substrate, logs = in_memory(SystemClock()), simulated(seed)
        await store(substrate, in_turn(logs, seed))
        assert faults(await export(substrate, tmp_path / str(seed))) == []
        events = [event for log in logs.values() for event in told(log)]
        assert len(read(tmp_path / str(seed), "events")) == len(events)
        turns = read(tmp_path / str(seed), "turns")
        assert len(turns) == sum(event["type"] == "turn.started" for event in events)
        assert sum(row["turns"] for row in read(tmp_path / str(seed), "conversations")) == len(turns)
        forked += any(one.inherited for log in logs.values() for one in log)
    assert forked

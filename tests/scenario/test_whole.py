"""All conversations are read from whole streams: each comes to what its own log has, whatever became of it."""

import os
import random
import tempfile
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent_runtime_framework import Client
from agent_runtime_framework.events import (
    START,
    ConversationId,
    FrameLog,
    FrameworkError,
    Stored,
)
from agent_runtime_framework.projections import ToolDecision
from agent_runtime_framework.runtime import whole
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.decided import decisions_in, decisions_of_all
from agent_runtime_framework.runtime.feed import Entry, MemoryFeed
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.runtime.summary import Summary
from agent_runtime_framework.runtime.whole import Whole, whole_conversations
from support.chains import frame_after, put_raw
from support.tables import in_turn, many, simulated, store

Read = dict[str, tuple[Summary, list[Stored], str]]


async def from_streams(substrate: Substrate, wants: whole.Wants | None = None) -> Read:
    """Return all conversations as they are read together: what is listed of each, its frames, and its damage."""
    found: Read = {}
    async for one in whole_conversations(substrate, wants):
        assert one.conversation not in found
        found[one.conversation] = (one.summary, list(one.frames), str(one.damage or ""))
    return found


async def from_logs(substrate: Substrate, wants: whole.Wants = lambda summary: True) -> Read:
    """Return the same as each has it that is read by itself."""
    client, found = Client(substrate), Read()
    async for summary in client.conversations():
        if not wants(summary):
            continue
        frames, damage = list[Stored](), ""
        try:
            async for stored in client.frames(summary.conversation):
                frames.append(stored)
        except FrameworkError as error:
            damage = str(error)
        found[summary.conversation] = (summary, frames, damage)
    return found


Decided = tuple[dict[str, list[ToolDecision]], dict[str, str]]


async def decided(substrate: Substrate) -> Decided:
    """Return the decisions of all conversations, by conversation, and what is said of those that are damaged."""
    found, damaged = dict[str, list[ToolDecision]](), dict[str, str]()
    async for decision in decisions_of_all(substrate, lambda name, error: damaged.update({name: str(error)})):
        found.setdefault(decision.conversation, []).append(decision)
    return found, damaged


async def decided_one_by_one(substrate: Substrate) -> Decided:
    """Return the same by reading one conversation after another."""
    client, found, damaged = Client(substrate), dict[str, list[ToolDecision]](), dict[str, str]()
    async for summary in client.conversations():
        name = summary.conversation
        each = decisions_in(client, name, lambda name, error: damaged.update({name: str(error)}))
        if decisions := [decision async for decision in each]:
            found[name] = decisions
    return found, damaged


async def spoil(substrate: Substrate, conversation: str) -> None:
    """Damage a conversation behind what it has."""
    log, last = substrate.log, await substrate.log.last(ConversationId(conversation))
    assert isinstance(log, FrameLog)
    assert last is not None
    await put_raw(log._records, b"no frame", last.head.position, last.conversation)


async def go_on(substrate: Substrate, conversation: ConversationId) -> None:
    """Record one more frame."""
    last = await substrate.log.last(conversation)
    head = START if last is None else last.head
    await substrate.log.append(conversation, frame_after(head, "more"), head)


async def town(substrate: Substrate, seed: int) -> None:
    """Store the logs of simulations with forks; erase some, damage some, and end some in the middle of a turn."""
    chance, logs = random.Random(seed), simulated(seed)
    await store(substrate, in_turn(logs, seed)[:-1])
    for chat, log in sorted(many([seed + 100, seed + 200]).items()):  # these are sealed, where the namespace is
        head = START
        for one in log[: chance.randint(1, len(log))]:
            head = (await substrate.log.append(chat, replace(one.frame, prev=head.hash), head)).head
    names = sorted({last.conversation async for last in substrate.log.lasts()})
    chance.shuffle(names)
    part = max(len(names) // 4, 1)
    for name in names[:part]:
        await Client(substrate).erase(name, "asked for", with_forks=True)
    for name in names[part : 2 * part]:
        await spoil(substrate, name)


@pytest.mark.parametrize("seed", [3, 4, 5, 6])
async def test_each_conversation_is_what_its_own_log_has(substrate: Substrate, seed: int) -> None:
    await town(substrate, seed)

    alone = await from_logs(substrate)
    assert await from_streams(substrate) == alone
    assert any(damage for *_, damage in alone.values())
    assert {"erased", "unreadable"} <= {summary.status for summary, *_ in alone.values()}


@pytest.mark.parametrize("seed", [3, 4, 5, 6])
async def test_both_ways_of_reading_give_the_same_decisions(substrate: Substrate, seed: int) -> None:
    await town(substrate, seed)

    together, damaged = await decided(substrate)
    assert (together, damaged) == await decided_one_by_one(substrate)
    assert together
    assert damaged


async def test_forks_and_what_they_inherit_are_told_once_each(substrate: Substrate) -> None:
    logs = next(
        logs for logs in map(simulated, range(20)) if any(one.inherited for log in logs.values() for one in log)
    )
    await store(substrate, in_turn(logs))

    assert await from_streams(substrate) == await from_logs(substrate)
    assert await decided(substrate) == await decided_one_by_one(substrate)


async def test_what_is_recorded_meanwhile_is_not_read(substrate: Substrate) -> None:
    names = [ConversationId(f"c-{number}") for number in range(20)]
    for name in names * 2:
        await go_on(substrate, name)
    before = await from_logs(substrate)

    found: Read = {}
    async for one in whole_conversations(substrate):
        if not found:
            for name in [*names, ConversationId("c-new")]:
                await go_on(substrate, name)
        found[one.conversation] = (one.summary, list(one.frames), str(one.damage or ""))

    assert found == before


@pytest.mark.parametrize("apiece", [1, 1_000_000])
async def test_few_that_are_wanted_and_many_come_to_the_same(
    substrate: Substrate, apiece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "ALONE", apiece)
    await town(substrate, 3)

    def wants(summary: Summary) -> bool:
        return summary.conversation.endswith("3")

    wanted = await from_streams(substrate, wants)
    assert wanted == await from_logs(substrate, wants)
    assert 0 < len(wanted) < len(await from_logs(substrate))


async def test_few_that_are_wanted_are_read_without_the_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    substrate = in_memory(SystemClock())
    for name in [ConversationId(f"c-{number}") for number in range(20)] * 10:
        await go_on(substrate, name)

    def never(feed: MemoryFeed, shard: int, after: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        raise AssertionError("a stream is read")

    monkeypatch.setattr(MemoryFeed, "read", never)
    assert (await from_streams(substrate, lambda summary: summary.conversation == "c-7")).keys() == {"c-7"}
    with pytest.raises(AssertionError, match="a stream is read"):
        await from_streams(substrate, lambda summary: summary.conversation != "c-7")


class Torn(MemoryFeed):
    """Is a feed in which frames are missing, as if they had been removed while it was read; never the last ones."""

    async def read(self, shard: int, after: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        async for batch in super().read(shard, after):
            lasts = {entry.conversation: entry.position for entry in batch}
            yield [entry for entry in batch if entry.position % 3 or entry.position in lasts.values()]


async def test_what_changes_while_the_stream_is_read_is_read_again_from_its_log() -> None:
    substrate = in_memory(SystemClock())
    await store(substrate, in_turn(many([7])))
    log = substrate.log
    assert isinstance(log, FrameLog)
    torn = replace(substrate, feed=Torn(log._records))  # type: ignore[arg-type]

    assert await from_streams(torn) == await from_logs(substrate)


async def test_damaged_conversations_come_in_the_order_of_a_listing(substrate: Substrate) -> None:
    names = [ConversationId(f"c-{number}") for number in range(30)]
    for name in names:
        await go_on(substrate, name)
    for name in random.Random(1).sample(names, 20):
        await spoil(substrate, name)

    listed = [last.conversation async for last in substrate.log.lasts() if not isinstance(last, Stored)]
    told = [one.conversation async for one in whole_conversations(substrate) if one.damage is not None]
    if substrate.feed.shards > 1:  # in memory a listing is in the order in which conversations began
        assert told == listed
    assert sorted(told) == sorted(listed)


async def test_the_files_have_no_name_that_anybody_could_open_or_that_could_stay(
    substrate: Substrate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for number in range(20):
        await go_on(substrate, ConversationId(f"c-{number}"))

    seen: list[Whole] = []
    async for one in whole_conversations(substrate):
        seen.append(one)
        assert os.listdir(tmp_path) == []  # noqa: PTH208
    assert len(seen) == 20


async def test_where_there_is_no_room_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    substrate = in_memory(SystemClock())
    await go_on(substrate, ConversationId("c-1"))

    with pytest.raises(FrameworkError, match=r"what is stored cannot be sorted in .*nowhere: No such file"):
        await from_streams(substrate)

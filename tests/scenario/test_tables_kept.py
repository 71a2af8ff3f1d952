"""An export as it is kept: without what was erased and what is damaged; what is broken off changes nothing."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from agent_runtime_framework import Conflict, CorruptLog, InvalidInput
from agent_runtime_framework.events import (
    START,
    ConversationErased,
    ConversationId,
    Frame,
    MemoryLog,
    Stored,
    UnknownEvent,
    frame_hash,
)
from agent_runtime_framework.projections.tables import TABLES
from agent_runtime_framework.runtime.analytics.export import CURRENT, STATE, exporting
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.feed import End, Entry, Feed
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from support.tables import bytes_in, everything, export, faults, in_turn, many, read, store

Frames = list[tuple[ConversationId, Stored]]


@pytest.fixture(scope="module")
def frames() -> Frames:
    return in_turn(many([1, 2]))


@pytest.fixture
def place() -> Substrate:
    return in_memory(SystemClock())


async def erase(place: Substrate, chat: ConversationId) -> None:
    """Record that a conversation was erased."""
    last = await place.log.last(chat)
    assert last is not None
    frame = Frame(
        first=last.head.version + 1,
        time=last.frame.time + 1,
        writer="w-e",
        agent=last.frame.agent,
        turn=last.frame.turn,
        step=last.frame.step,
        status="erased",
        prev=last.head.hash,
        events=(ConversationErased(reason="asked for"),),
    )
    await place.log.append(chat, frame, last.head)


def leave_the_last(place: Substrate, chat: ConversationId) -> None:
    """Take away what stands before the last frame of a conversation."""
    assert isinstance(place.log, MemoryLog)
    stored = place.log.records._stored
    del stored[chat][:-1]


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def secret(number: int) -> bytes:
    return f"the secret word number {number}".encode()


async def talked(
    place: Substrate, chat: ConversationId, log: list[Stored], number: int, upto: int | None = None
) -> None:
    """Store a conversation in which everything that was said is a secret."""
    head = ""
    for stored in log[:upto]:
        frame = msgspec.json.decode(stored.data)
        for event in frame["events"]:
            for field in ("text", "content", "error"):
                if event.get(field):
                    event[field] = secret(number).decode()
            if event["type"] == "model.answered":
                event["message"]["content"] = secret(number).decode()
            if event.get("prompt"):
                event["prompt"] = secret(number).decode()
        if frame["first"] > 1:
            frame["prev"] = head
        data = msgspec.json.encode(frame)
        head = frame_hash(data)
        last = await place.log.last(chat)
        await place.log.restore(chat, data, START if last is None else last.head)


@pytest.mark.parametrize("tombstone", [False, True])
async def test_of_what_was_erased_no_word_is_left(
    tombstone: bool, place: Substrate, frames: Frames, tmp_path: Path
) -> None:
    one, other = ConversationId("one"), ConversationId("other")
    log = max((log for log in many([3]).values()), key=len)
    await talked(place, one, log, 1)
    await talked(place, other, log, 2)
    await export(place, tmp_path)
    before = everything(tmp_path)
    assert secret(1) in bytes_in(tmp_path)

    await erase(place, one)
    if tombstone:
        leave_the_last(place, one)
    assert faults(await export(place, tmp_path)) == []

    left = bytes_in(tmp_path)
    assert secret(1) not in left
    assert secret(2) in left
    after = everything(tmp_path)
    for name, table in TABLES.items():
        kept = [row for row in after[name] if row["conversation"] == "one"]
        if name in ("turns", "model_calls", "tool_calls"):
            was = [row for row in before[name] if row["conversation"] == "one"]
            assert [{**row, **dict.fromkeys(table.content)} for row in was] == kept
        assert all(row[column] is None for row in kept for column in table.content)
        others = [row for row in after[name] if row["conversation"] == "other"]
        assert others == [row for row in before[name] if row["conversation"] == "other"]
    (row,) = read(tmp_path, "conversations", "conversation = 'one'")
    (earlier,) = (row for row in before["conversations"] if row["conversation"] == "one")
    assert (row["status"], row["erased"], row["version"]) == ("erased", True, earlier["version"] + 1)
    assert all(row[name] == earlier[name] for name in ("turns", "tokens", "started_at", "first"))


async def test_what_is_erased_before_it_is_exported_never_gets_there(place: Substrate, tmp_path: Path) -> None:
    one = ConversationId("one")
    await talked(place, one, max(many([3]).values(), key=len), 1)
    await erase(place, one)
    await export(place, tmp_path)

    assert secret(1) not in bytes_in(tmp_path)
    assert read(tmp_path, "turns") != []


async def test_a_turn_that_was_open_when_it_was_erased_is_left_without_words(place: Substrate, tmp_path: Path) -> None:
    one = ConversationId("one")
    log = max(many([3]).values(), key=len)
    middle = next(number for number, stored in enumerate(log, 1) if stored.frame.status == "running")
    await talked(place, one, log, 1, middle)
    await export(place, tmp_path)
    assert secret(1) in bytes_in(tmp_path)
    await erase(place, one)
    leave_the_last(place, one)
    await export(place, tmp_path)

    assert secret(1) not in bytes_in(tmp_path)
    assert [turn["outcome"] for turn in read(tmp_path, "turns")] == [None]


async def test_what_is_damaged_is_left_out_and_tried_again(place: Substrate, frames: Frames, tmp_path: Path) -> None:
    half = len(frames) // 2
    await store(place, frames[:half])
    await export(place, tmp_path / "parts")
    await store(place, frames[half:])
    before = {name for name, _ in frames[:half]}
    chat = next(name for name, _ in reversed(frames[half:]) if name in before)
    assert isinstance(place.log, MemoryLog)
    stored = place.log.records._stored[chat]
    position, good = stored[-1]
    stored[-1] = (position, b"{]")

    (fault,) = faults(await export(place, tmp_path / "parts"))
    assert repr(chat) in fault
    assert str(position) in fault
    rows = everything(tmp_path / "parts")
    assert {row["conversation"] for row in rows["conversations"]} == {name for name, _ in frames}
    assert len(faults(await export(place, tmp_path / "parts"))) == 1
    assert everything(tmp_path / "parts") == rows

    stored[-1] = (position, good)
    assert faults(await export(place, tmp_path / "parts")) == []
    await export(place, tmp_path / "once")
    assert everything(tmp_path / "parts") == everything(tmp_path / "once")


class Early:
    """Is a feed that was asked before the last frames were stored."""

    def __init__(self, feed: Feed, position: int) -> None:
        self._feed = feed
        self._position = position
        self.shards = feed.shards

    async def end(self, shard: int) -> End:
        return (await self._feed.end(shard))._replace(position=self._position)

    async def read(self, shard: int, after: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        async with aclosing(self._feed.read(shard, after)) as batches:
            async for batch in batches:
                if found := [entry for entry in batch if entry.position <= self._position]:
                    yield found

    def follow(self, shard: int, after: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        return self._feed.follow(shard, after)


async def test_what_is_stored_while_it_is_tried_again_comes_once(
    place: Substrate, frames: Frames, tmp_path: Path
) -> None:
    await store(place, frames)
    chat = frames[-1][0]
    assert isinstance(place.log, MemoryLog)
    stored = place.log.records._stored[chat]
    good = stored[1]
    stored[1] = (good[0], b"{]")
    early = replace(place, feed=Early(place.feed, stored[-2][0]))
    assert len(faults(await export(early, tmp_path / "parts"))) == 1
    stored[1] = good
    assert faults(await export(early, tmp_path / "parts")) == []
    assert len(read(tmp_path / "parts", "events")) < sum(len(one.frame.events) for _, one in frames)
    await export(place, tmp_path / "parts")
    await export(place, tmp_path / "once")

    assert everything(tmp_path / "parts") == everything(tmp_path / "once")


async def test_a_conversation_that_lost_a_frame_is_named(place: Substrate, frames: Frames, tmp_path: Path) -> None:
    await store(place, frames)
    chat = max(dict.fromkeys(name for name, _ in frames), key=lambda name: sum(name == each for each, _ in frames))
    assert isinstance(place.log, MemoryLog)
    del place.log.records._stored[chat][2]
    (fault,) = faults(await export(place, tmp_path))

    assert repr(chat) in fault
    assert chat not in {row["conversation"] for row in read(tmp_path, "events")}


async def test_a_run_that_is_broken_off_changes_nothing(place: Substrate, frames: Frames, tmp_path: Path) -> None:
    half = len(frames) // 2
    await store(place, frames[:half])
    await export(place, tmp_path)
    before, state = everything(tmp_path), (tmp_path / CURRENT / STATE).read_bytes()
    await store(place, frames[half:])

    with pytest.raises(RuntimeError, match="in between"):
        async with exporting(place, "n", tmp_path) as run:
            (Path(run.new) / "turns" / "0-open.parquet").write_bytes(b"half")
            raise RuntimeError("in between")
    assert everything(tmp_path) == before
    assert (tmp_path / CURRENT / STATE).read_bytes() == state

    # as a process leaves it that is killed
    stray = tmp_path / "generation-000002" / "turns"
    stray.mkdir(parents=True)
    (stray / "0-open.parquet").write_bytes(b"half")
    (tmp_path / "current.new").symlink_to("generation-000002")
    await export(place, tmp_path)
    assert len(read(tmp_path, "events")) == sum(len(one.frame.events) for _, one in frames)
    assert names_in(tmp_path) == [".lock", "current", "generation-000002"]


async def test_nothing_new_is_nothing_to_do(place: Substrate, frames: Frames, tmp_path: Path) -> None:
    await store(place, frames)
    await export(place, tmp_path)
    before = (tmp_path / CURRENT).resolve()
    async with exporting(place, "n", tmp_path) as run:
        assert run.jobs == ()

    assert (tmp_path / CURRENT).resolve() == before


async def test_a_directory_of_something_else_is_refused(place: Substrate, frames: Frames, tmp_path: Path) -> None:
    await store(place, frames)
    await export(place, tmp_path / "ours")
    with pytest.raises(InvalidInput, match="namespace 'n'"):
        await export(place, tmp_path / "ours", namespace="another")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidInput, match="not empty"):
        await export(place, tmp_path / "theirs")
    with pytest.raises(InvalidInput, match="cannot be made"):
        await export(place, tmp_path / "theirs" / "thesis.txt")
    with pytest.raises(CorruptLog, match="another DIR"):
        await export(in_memory(SystemClock()), tmp_path / "ours")
    state: dict[str, Any] = msgspec.json.decode((tmp_path / "ours" / CURRENT / STATE).read_bytes())
    (tmp_path / "ours" / CURRENT / STATE).write_bytes(msgspec.json.encode({**state, "format": 99}))
    with pytest.raises(InvalidInput, match="format 99"):
        await export(place, tmp_path / "ours")


async def test_two_runs_at_once_are_one(place: Substrate, frames: Frames, tmp_path: Path) -> None:
    await store(place, frames)
    async with exporting(place, "n", tmp_path):
        with pytest.raises(Conflict, match="is running"):
            await export(place, tmp_path)


async def test_odd_events_are_rows_too(place: Substrate, tmp_path: Path) -> None:
    deep = b"[" * 300 + b"]" * 300
    odd = UnknownEvent(tag="mood.guessed", raw=b'{"type":"mood.guessed","deep":' + deep + b',"nul":"a\\u0000b"}')
    last = Frame(first=1, time=0, writer="w", agent="a", events=(odd,))
    await place.log.append(ConversationId("c-1"), last, START)
    await export(place, tmp_path)

    (row,) = read(tmp_path, "events")
    assert row["type"] == "mood.guessed"
    text = msgspec.json.decode(row["data"])
    assert msgspec.json.decode(text) == {"deep": msgspec.json.decode(deep), "nul": "a\0b"}

"""What holds where frames are restored byte for byte: in a log in memory, and on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from agent_runtime_framework.events import (
    FRAME_LIMIT,
    START,
    Conflict,
    CorruptLog,
    FrameLog,
    MemoryLog,
    MemoryRecords,
    Records,
    Stored,
    TooLarge,
    encode_frame,
)
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.logfiles import Recording
from agent_runtime_framework.runtime.nats.connection import connect
from agent_runtime_framework.runtime.nats.records import JetStreamRecords
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.runtime.restoring import restoring
from support.chains import CHAT, frame_after, read, write
from support.faults import FaultyRecords

NEWER = b'{"type":"star.fell","cause":1, "at" : [1.50, "\\u00e9"]}'


async def recorded(count: int) -> Recording:
    return Recording(CHAT, tuple(await write(MemoryLog(), CHAT, count)))


async def restored(log: FrameLog, recording: Recording) -> list[Stored]:
    return [stored async for stored in restoring(log, recording)]


def bytes_of(frames: list[Stored] | tuple[Stored, ...]) -> list[bytes]:
    return [stored.data for stored in frames]


class RestoringContract:
    """Every log passes these; a subclass gives the records that it is made of."""

    @pytest.fixture
    def log(self, records: Records) -> FrameLog:
        return FrameLog(records)

    async def test_the_very_bytes_are_stored_and_the_chain_goes_on_from_them(self, log: FrameLog) -> None:
        data = encode_frame(frame_after(START)).replace(b'"events":[', b'"events": [' + NEWER + b" ,")
        stored = await log.restore(CHAT, data, START)
        after = await log.append(CHAT, frame_after(stored.head), stored.head)

        assert (stored.data, stored.head.version) == (data, 2)
        assert await read(log) == [stored, after]
        assert await log.last(CHAT) == after

    async def test_a_stale_head_is_refused_and_nothing_is_stored(self, log: FrameLog) -> None:
        written = await write(log, CHAT, 2)
        other = encode_frame(frame_after(START, "other"))

        with pytest.raises(Conflict, match="'c-1' is at version 2, not at 0"):
            await log.restore(CHAT, other, START)
        assert await read(log) == written

    async def test_of_restores_at_one_head_exactly_one_wins(self, log: FrameLog) -> None:
        frames = [encode_frame(frame_after(START, writer=f"w-{number}")) for number in range(4)]
        outcomes = await asyncio.gather(*(log.restore(CHAT, one, START) for one in frames), return_exceptions=True)

        (won,) = [outcome for outcome in outcomes if isinstance(outcome, Stored)]
        assert [type(outcome) for outcome in outcomes if outcome is not won] == [Conflict] * 3
        assert await read(log) == [won]

    @pytest.mark.parametrize("wrong", [{"first": 3}, {"prev": "0" * 64}, {"prev": ""}, {"events": ()}])
    async def test_a_frame_that_does_not_continue_the_head_is_refused(
        self, log: FrameLog, wrong: dict[str, object]
    ) -> None:
        (stored,) = await write(log, CHAT, 1)
        data = encode_frame(msgspec.structs.replace(frame_after(stored.head), **wrong))

        with pytest.raises(CorruptLog, match="for 'c-1' does not continue"):
            await log.restore(CHAT, data, stored.head)
        assert await read(log) == [stored]

    @pytest.mark.parametrize("garbage", [b"", b"garbage", b"\xff\xfe", b"{}", b"[1]", b"[" * 5_000])
    async def test_bytes_that_are_no_frame_are_refused(self, log: FrameLog, garbage: bytes) -> None:
        with pytest.raises(CorruptLog):
            await log.restore(CHAT, garbage, START)
        assert await read(log) == []

    async def test_a_frame_over_the_limit_is_refused(self, log: FrameLog) -> None:
        data = encode_frame(frame_after(START, "x" * FRAME_LIMIT), limit=None)

        with pytest.raises(TooLarge, match=f"{len(data)} bytes"):
            await log.restore(CHAT, data, START)
        assert await read(log) == []

    @pytest.mark.parametrize("lost", ["lost_acks", "lost_requests"])
    async def test_what_is_lost_on_the_way_is_stored_once(self, records: Records, log: FrameLog, lost: str) -> None:
        faulty = FrameLog(FaultyRecords(records, **{lost: 2}))  # type: ignore[arg-type]
        recording = await recorded(3)
        await restored(faulty, recording)

        assert bytes_of(await read(log)) == bytes_of(recording.frames)

    async def test_a_recording_is_stored_as_it_is(self, log: FrameLog) -> None:
        recording = await recorded(20)
        stored = await restored(log, recording)

        assert stored == await read(log)
        assert bytes_of(stored) == bytes_of(recording.frames)

    async def test_a_recording_that_is_there_is_left(self, log: FrameLog) -> None:
        recording = await recorded(5)
        before = await restored(log, recording)

        assert await restored(log, recording) == []
        assert await read(log) == before

    async def test_a_recording_that_was_interrupted_goes_on(self, log: FrameLog) -> None:
        recording = await recorded(9)
        await restored(log, Recording(CHAT, recording.frames[:4]))

        assert bytes_of(await restored(log, recording)) == bytes_of(recording.frames[4:])
        assert bytes_of(await read(log)) == bytes_of(recording.frames)

    async def test_a_conversation_that_went_on_since_is_left(self, log: FrameLog) -> None:
        recording = await recorded(9)
        before = await restored(log, recording)

        assert await restored(log, Recording(CHAT, recording.frames[:4])) == []
        assert await read(log) == before

    @pytest.mark.parametrize("same", [0, 3])
    async def test_a_conversation_with_other_frames_stays_as_it_is(self, log: FrameLog, same: int) -> None:
        recording = await recorded(9)
        mine = await restored(log, Recording(CHAT, recording.frames[:same]))
        head = mine[-1].head if mine else START
        mine.append(await log.append(CHAT, frame_after(head, "mine", writer="w-2"), head))

        with pytest.raises(Conflict, match=f"'c-1' is there with other events from version {same + 1} on"):
            await restored(log, recording)
        assert await read(log) == mine

    async def test_two_that_restore_the_same_at_once_both_succeed(self, log: FrameLog) -> None:
        recording = await recorded(12)
        await asyncio.gather(*(restored(log, recording) for _ in range(3)))

        assert bytes_of(await read(log)) == bytes_of(recording.frames)


class TestMemoryLog(RestoringContract):
    @pytest.fixture
    def records(self) -> Records:
        return MemoryRecords()


class TestJetStreamLog(RestoringContract):
    @pytest.fixture
    async def records(self, nats_url: str) -> AsyncIterator[JetStreamRecords]:
        appends, reads = await asyncio.gather(connect(nats_url), connect(nats_url))
        names = await ensure(appends, new_id("log"), shards=2)
        yield JetStreamRecords(names, appends=appends, reads=reads)
        await asyncio.gather(appends.close(), reads.close())

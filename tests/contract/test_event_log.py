"""What holds for every event log: in memory, and on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from agent_runtime_framework.events import (
    FRAME_LIMIT,
    START,
    Conflict,
    ConversationId,
    CorruptLog,
    FrameLog,
    Head,
    InvalidInput,
    MemoryLog,
    MemoryRecords,
    PositionMoved,
    Records,
    Stored,
    TooLarge,
    Unavailable,
    UnknownEvent,
    Unreadable,
    UserSpoke,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.nats.connection import connect
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.records import BATCH, JetStreamRecords
from agent_runtime_framework.runtime.nats.topology import ensure
from support.chains import CHAT, OTHER, frame_after, put_raw, read, write
from support.faults import FaultyRecords


class EventLogContract:
    """Every log passes these; a subclass gives the records that it is made of."""

    @pytest.fixture
    def log(self, records: Records) -> FrameLog:
        return FrameLog(records)

    async def test_nothing_is_read_of_an_unknown_conversation(self, log: FrameLog) -> None:
        await write(log, OTHER, 1)

        assert await read(log) == []
        assert await log.last(CHAT) is None

    async def test_what_is_read_is_what_was_appended_in_order(self, log: FrameLog) -> None:
        written = await write(log, CHAT, 20)

        assert await read(log) == written
        assert [stored.frame.first for stored in written] == list(range(1, 21))
        assert [stored.frame.prev for stored in written] == ["", *(frame_hash(stored.data) for stored in written[:-1])]

    async def test_a_frame_of_many_events_counts_each(self, log: FrameLog) -> None:
        first = await log.append(CHAT, frame_after(START, "a", "b", "c"), START)
        second = await log.append(CHAT, frame_after(first.head, "d", "e"), first.head)

        assert (first.head.version, second.head.version) == (3, 5)
        assert [event.text for stored in await read(log) for event in stored.frame.events] == list("abcde")  # type: ignore[union-attr]

    async def test_a_read_from_any_head_yields_what_stands_after_it(self, log: FrameLog) -> None:
        written = await write(log, CHAT, 7)

        for index, stored in enumerate(written):
            assert await read(log, after=stored.head) == written[index + 1 :]

    async def test_conversations_do_not_mix(self, log: FrameLog) -> None:
        names = [ConversationId(f"c-{number}") for number in range(8)]
        written = await asyncio.gather(*(write(log, name, 5) for name in names))

        for name, mine in zip(names, written, strict=True):
            assert {stored.conversation for stored in mine} == {name}
            assert await read(log, name) == mine

    async def test_two_conversations_may_hold_the_same_bytes(self, log: FrameLog) -> None:
        names = [ConversationId(f"c-{number}") for number in range(8)]
        frame = frame_after(START)
        await asyncio.gather(*(log.append(name, frame, START) for name in names))

        assert [[stored.frame for stored in await read(log, name)] for name in names] == [[frame]] * 8

    async def test_a_stale_head_is_refused_and_nothing_is_stored(self, log: FrameLog) -> None:
        written = await write(log, CHAT, 3)

        for stale in (START, written[0].head, written[1].head):
            with pytest.raises(Conflict, match=f"'c-1' is at version 3, not at {stale.version}"):
                await log.append(CHAT, frame_after(stale, "late", writer="w-2"), stale)
        assert await read(log) == written

    async def test_of_writers_at_one_head_exactly_one_wins(self, log: FrameLog) -> None:
        head = START
        for _ in range(40):
            frames = [frame_after(head, writer=f"w-{number}") for number in range(4)]
            outcomes = await asyncio.gather(*(log.append(CHAT, one, head) for one in frames), return_exceptions=True)

            (won,) = [outcome for outcome in outcomes if isinstance(outcome, Stored)]
            assert [type(outcome) for outcome in outcomes if outcome is not won] == [Conflict] * 3
            head = won.head
        assert [stored.head.version for stored in await read(log)] == list(range(1, 41))

    @pytest.mark.parametrize("wrong", [{"first": 3}, {"first": 1}, {"prev": "0" * 64}, {"prev": ""}, {"events": ()}])
    async def test_a_frame_that_does_not_continue_the_head_is_refused(
        self, log: FrameLog, wrong: dict[str, object]
    ) -> None:
        (stored,) = await write(log, CHAT, 1)

        with pytest.raises(ValueError, match="does not continue"):
            await log.append(CHAT, msgspec.structs.replace(frame_after(stored.head), **wrong), stored.head)
        assert await read(log) == [stored]

    async def test_a_lost_ack_is_found_in_the_tail(self, records: Records, log: FrameLog) -> None:
        faulty = FaultyRecords(records, lost_acks=1)
        stored = await FrameLog(faulty).append(CHAT, frame_after(START), START)

        assert (faulty.puts, await read(log)) == (1, [stored])

    async def test_a_lost_ack_is_found_below_another_writers_frame(self, records: Records, log: FrameLog) -> None:
        async def another_writes() -> None:
            (mine,) = await read(log)
            await log.append(CHAT, frame_after(mine.head, "another", writer="w-2"), mine.head)

        stored = await FrameLog(FaultyRecords(records, lost_acks=1, meanwhile=another_writes)).append(
            CHAT, frame_after(START), START
        )
        assert [frame.frame.writer for frame in await read(log)] == ["w-1", "w-2"]
        assert stored == (await read(log))[0]

    async def test_a_lost_request_is_stored_once(self, records: Records, log: FrameLog) -> None:
        faulty = FaultyRecords(records, lost_requests=2)
        stored = await FrameLog(faulty).append(CHAT, frame_after(START), START)

        assert (faulty.puts, await read(log)) == (3, [stored])

    async def test_a_lost_request_is_a_conflict_if_another_wrote_meanwhile(
        self, records: Records, log: FrameLog
    ) -> None:
        async def another_writes() -> None:
            await log.append(CHAT, frame_after(START, "another", writer="w-2"), START)

        faulty = FaultyRecords(records, lost_requests=1, meanwhile=another_writes)
        with pytest.raises(Conflict, match="another writer"):
            await FrameLog(faulty).append(CHAT, frame_after(START), START)
        assert [stored.frame.writer for stored in await read(log)] == ["w-2"]

    async def test_an_append_that_never_arrives_is_unavailable_and_may_be_made_again(
        self, records: Records, log: FrameLog
    ) -> None:
        with pytest.raises(Unavailable, match="'c-1' after version 0 was not acknowledged"):
            await FrameLog(FaultyRecords(records, lost_requests=99)).append(CHAT, frame_after(START), START)

        assert await read(log) == []
        stored = await log.append(CHAT, frame_after(START), START)
        assert await read(log) == [stored]

    async def test_an_append_made_again_is_the_one_that_was_stored(self, log: FrameLog) -> None:
        first = await log.append(CHAT, frame_after(START), START)

        assert await log.append(CHAT, frame_after(START), START) == first
        assert await read(log) == [first]

    async def test_ten_thousand_frames_come_back_in_order(self, log: FrameLog) -> None:
        names = [ConversationId(f"c-{number}") for number in range(19)]
        counts = [2 * BATCH + 500, *[500] * 15, BATCH - 1, BATCH, 1]
        written = await asyncio.gather(*(write(log, name, count) for name, count in zip(names, counts, strict=True)))
        again = [await read(log, name) for name in names]

        assert sum(map(len, again)) == sum(counts) == 12_000
        assert again == written
        assert await read(log, names[0], written[0][1_234].head) == written[0][1_235:]

    @pytest.mark.parametrize(
        "text", ["", "\0\x1b\x7f", "日本語 🧑‍🚀", "\u202eright to left", 'a"b\\c\r\n\u2028', "\U0010ffff"]
    )
    async def test_any_text_comes_back_as_it_was(self, log: FrameLog, text: str) -> None:
        stored = await log.append(CHAT, frame_after(START, text), START)

        assert await read(log) == [stored]
        assert (await read(log))[0].frame.events == (UserSpoke(message_id="m-0", text=text),)

    async def test_a_text_that_is_not_unicode_is_refused(self, log: FrameLog) -> None:
        with pytest.raises(InvalidInput, match="not valid Unicode"):
            await log.append(CHAT, frame_after(START, "\ud800"), START)
        assert await read(log) == []

    async def test_a_frame_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(self, log: FrameLog) -> None:
        room = FRAME_LIMIT - len(encode_frame(frame_after(START, "")))
        with pytest.raises(TooLarge, match=f"{FRAME_LIMIT + 1} bytes"):
            await log.append(CHAT, frame_after(START, "x" * (room + 1)), START)
        assert await read(log) == []

        stored = await log.append(CHAT, frame_after(START, "x" * room), START)
        assert len(stored.data) == FRAME_LIMIT
        assert await read(log) == [stored]

    async def test_frames_of_many_megabytes_together_come_back(self, log: FrameLog) -> None:
        head, written = START, []
        for _ in range(12):
            written.append(await log.append(CHAT, frame_after(head, "x" * (FRAME_LIMIT - 1_000)), head))
            head = written[-1].head

        assert await read(log) == written

    @pytest.mark.parametrize(
        "garbage", [b"", b"garbage", b"\xff\xfe\x00", b"{}", b"[1]", b'{"first":2', b"[" * 5_000, b'{"events":[]}']
    )
    async def test_bytes_that_are_no_frame_are_named(self, records: Records, log: FrameLog, garbage: bytes) -> None:
        (stored,) = await write(log, CHAT, 1)
        position = await put_raw(records, garbage, stored.head.position)
        where = f"'c-1', position {position}: "

        with pytest.raises(CorruptLog, match=where):
            await read(log)
        with pytest.raises(CorruptLog, match=where):
            await read(log, after=stored.head)
        with pytest.raises(CorruptLog, match=where):
            await log.last(CHAT)

    async def test_what_stands_before_corrupt_bytes_can_be_read(self, records: Records, log: FrameLog) -> None:
        written = await write(log, CHAT, 2)
        await put_raw(records, b"garbage", written[-1].head.position)
        frames = log.read(CHAT)

        assert [await anext(frames), await anext(frames)] == written
        with pytest.raises(CorruptLog):
            await anext(frames)

    async def test_a_missing_frame_is_a_corrupt_log(self, records: Records, log: FrameLog) -> None:
        one, _, three = await write(MemoryLog(), CHAT, 3)
        first = await put_raw(records, one.data, 0)
        third = await put_raw(records, three.data, first)

        with pytest.raises(CorruptLog, match=f"'c-1' at position {third} continues version 2 .*, not 1 "):
            await read(log)

    async def test_a_gap_in_the_versions_is_a_corrupt_log(self, records: Records, log: FrameLog) -> None:
        (one,) = await write(log, CHAT, 1)
        late = msgspec.structs.replace(frame_after(one.head), first=3)
        position = await put_raw(records, encode_frame(late), one.head.position)

        with pytest.raises(CorruptLog, match=f"'c-1' at position {position} continues version 2 .*, not 1 "):
            await read(log)

    async def test_swapped_frames_are_a_corrupt_log(self, records: Records, log: FrameLog) -> None:
        one, two = await write(MemoryLog(), CHAT, 2)
        position = await put_raw(records, two.data, 0)
        await put_raw(records, one.data, position)

        with pytest.raises(CorruptLog, match=f"'c-1' at position {position} continues version 1 .*, not 0 "):
            await read(log)

    async def test_a_changed_frame_is_a_corrupt_log(self, records: Records, log: FrameLog) -> None:
        one, two = await write(MemoryLog(), CHAT, 2)
        first = await put_raw(records, one.data.replace(b"text 0", b"text X"), 0)
        second = await put_raw(records, two.data, first)

        with pytest.raises(CorruptLog, match=f"'c-1' at position {second} continues version 1 "):
            await read(log)

    async def test_a_read_after_a_head_that_this_log_never_had_is_a_corrupt_log(self, log: FrameLog) -> None:
        written = await write(log, CHAT, 3)

        with pytest.raises(CorruptLog):
            await read(log, after=msgspec.structs.replace(written[0].head, hash="0" * 64))

    async def test_an_event_of_a_newer_release_is_kept(self, records: Records, log: FrameLog) -> None:
        event = b'{"type":"agent.dreamed","cause":7,"of":["sheep",1.50]}'
        data = encode_frame(frame_after(START)).replace(b'"events":[', b'"events":[' + event + b",")
        await put_raw(records, data, 0)
        (stored,) = await read(log)

        assert stored.frame.events[0] == UnknownEvent(tag="agent.dreamed", raw=event, cause=7)
        assert stored.frame.events[1] == UserSpoke(message_id="m-0", text="hello")
        assert (stored.data, stored.head.version) == (data, 2)
        assert await log.append(OTHER, stored.frame, START) == (await read(log, OTHER))[0]
        assert (await read(log, OTHER))[0].data == data

    async def test_the_last_frame_is_found_without_the_others(self, log: FrameLog) -> None:
        written = await write(log, CHAT, 3)
        await write(log, OTHER, 1)

        assert await log.last(CHAT) == written[-1]

    async def test_the_last_frame_of_each_of_many_conversations_is_found(self, log: FrameLog) -> None:
        assert [stored async for stored in log.lasts()] == []
        names = [ConversationId(f"c-{number}") for number in range(2 * BATCH + 500)]
        written = await asyncio.gather(*(write(log, name, 1 + index % 2) for index, name in enumerate(names)))
        found = [stored async for stored in log.lasts()]

        assert len(found) == len(names)
        assert {stored.conversation: stored for stored in found} == {
            name: mine[-1] for name, mine in zip(names, written, strict=True)
        }

    async def test_a_damaged_conversation_hides_no_other(self, records: Records, log: FrameLog) -> None:
        position = await put_raw(records, b"garbage", 0)
        (other,) = await write(log, OTHER, 1)
        found = {one.conversation: one for one in [stored async for stored in log.lasts()]}

        damaged = found[CHAT]
        assert found[OTHER] == other
        assert isinstance(damaged, Unreadable)
        assert damaged.position == position
        assert "'c-1'" in damaged.error

    async def test_an_append_after_what_the_server_lost_says_so(self, log: FrameLog) -> None:
        (one,) = await write(log, CHAT, 1)
        lost = Head(version=5, position=one.head.position + 1_000, hash="0" * 64)

        with pytest.raises(CorruptLog, match="the server lost what it had acknowledged"):
            await log.append(CHAT, frame_after(lost), lost)

    async def test_records_refuse_a_position_that_moved(self, records: Records) -> None:
        position = await put_raw(records, b"1", 0)

        for stale in (0, position + 1):
            with pytest.raises(PositionMoved):
                await put_raw(records, b"2", stale)
        assert [stored async for stored in records.get(CHAT, 0)] == [(position, b"1")]


class TestMemoryLog(EventLogContract):
    @pytest.fixture
    def records(self) -> Records:
        return MemoryRecords()

    async def test_a_memory_log_without_a_limit_takes_any_size(self) -> None:
        log = MemoryLog(limit=None)
        stored = await log.append(CHAT, frame_after(START, "x" * (FRAME_LIMIT + 1)), START)

        assert await read(log) == [stored]


class TestJetStreamLog(EventLogContract):
    @pytest.fixture
    async def names(self, nats_url: str) -> Names:
        client = await connect(nats_url)
        names = await ensure(client, new_id("log"), shards=2)
        await client.close()
        return names

    @pytest.fixture
    async def records(self, nats_url: str, names: Names) -> AsyncIterator[JetStreamRecords]:
        appends, reads = await asyncio.gather(connect(nats_url), connect(nats_url))
        yield JetStreamRecords(names, appends=appends, reads=reads)
        await asyncio.gather(appends.close(), reads.close())

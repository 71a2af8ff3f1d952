"""What holds for every feed: in memory, and on a real nats-server."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest

from agent_runtime_framework.events import ConversationId, CorruptLog, FrameLog, Keyring, MemoryRecords, Records
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.feed import Entry, Feed, MemoryFeed, stored
from agent_runtime_framework.runtime.nats.connection import connect
from agent_runtime_framework.runtime.nats.feed import JetStreamFeed
from agent_runtime_framework.runtime.nats.records import JetStreamRecords
from agent_runtime_framework.runtime.nats.topology import ensure
from support.chains import CHAT, OTHER, put_raw, read, write
from support.feeds import NAMES, fill, read_all, take
from support.forks import fork

FORK = ConversationId("f-1")
SMALL = 7


class FeedContract:
    """Every feed passes these; a subclass gives the records and a feed over them, in batches of `SMALL`."""

    async def test_an_empty_stream_has_nothing_and_ends_at_0(self, feed: Feed) -> None:
        assert await read_all(feed) == [[]] * feed.shards
        assert [(await feed.end(shard)).position for shard in range(feed.shards)] == [0] * feed.shards

    async def test_what_is_read_is_what_was_stored_in_the_order_of_positions(
        self, records: Records, feed: Feed
    ) -> None:
        written = await fill(records, 5)
        found = await read_all(feed)

        assert sorted(entry for shard in found for entry in shard) == sorted(written)
        for shard in found:
            positions = [entry.position for entry in shard]
            assert positions == sorted(set(positions))

    async def test_a_conversation_is_in_one_shard_and_in_its_own_order(self, records: Records, feed: Feed) -> None:
        written = await fill(records, 5)
        shards: dict[str, set[int]] = defaultdict(set)
        for number, shard in enumerate(await read_all(feed)):
            for entry in shard:
                shards[entry.conversation].add(number)
            for name in {entry.conversation for entry in shard}:
                mine = [entry for entry in shard if entry.conversation == name]
                assert mine == [entry for entry in written if entry.conversation == name]

        assert {name: len(found) for name, found in shards.items()} == dict.fromkeys(NAMES, 1)

    async def test_it_comes_in_batches_that_are_never_empty_nor_too_large(self, records: Records, feed: Feed) -> None:
        await fill(records, 10)
        sizes = [len(batch) for shard in range(feed.shards) for batch in [b async for b in feed.read(shard)]]

        assert sum(sizes) == 10 * len(NAMES)
        assert 0 not in sizes
        assert max(sizes) <= 3 * SMALL

    async def test_from_any_position_what_stands_after_it_is_read(self, records: Records, feed: Feed) -> None:
        await fill(records, 3)
        for shard, entries in enumerate(await read_all(feed)):
            for index, entry in enumerate(entries):
                found = [one async for batch in feed.read(shard, entry.position) for one in batch]
                assert found == entries[index + 1 :]

    async def test_a_shard_ends_at_its_last_position_and_keeps_its_name(self, records: Records, feed: Feed) -> None:
        before = [await feed.end(shard) for shard in range(feed.shards)]
        await fill(records, 3)
        after = [await feed.end(shard) for shard in range(feed.shards)]

        assert [end.stream for end in after] == [end.stream for end in before]
        assert len({end.stream for end in after}) == feed.shards
        assert [end.position for end in after] == [shard[-1].position for shard in await read_all(feed)]

    async def test_what_is_stored_while_it_is_read_is_not_in_it(self, records: Records, feed: Feed) -> None:
        await fill(records, 5)
        for shard in range(feed.shards):
            end = (await feed.end(shard)).position
            found: list[Entry] = []
            async for batch in feed.read(shard):
                if not found:
                    await fill(records, 1, [ConversationId(new_id("late")) for _ in range(20)])
                found += batch
            assert found[-1].position == end

    async def test_a_position_that_the_stream_does_not_have_is_an_error(self, records: Records, feed: Feed) -> None:
        await fill(records, 1)
        end = (await feed.end(0)).position
        with pytest.raises(CorruptLog, match=f"ends at position {end}, and was read up to {end + 1}"):
            await take(feed, 0, 1, end + 1)
        with pytest.raises(CorruptLog, match="must be made again"):
            [batch async for batch in feed.read(0, end + 1)]

    async def test_what_a_fork_has_from_its_parent_is_not_in_its_part(self, records: Records, feed: Feed) -> None:
        log = FrameLog(records)
        written = await write(log, CHAT, 3)
        first = await fork(log, written[1], FORK)
        found = [await stored(entry, Keyring(None)) for shard in await read_all(feed) for entry in shard]

        assert [one for one in found if one.conversation == FORK] == [first]
        assert [one for one in found if one.conversation == CHAT] == written
        assert len(await read(log, FORK)) == 3

    async def test_damaged_bytes_come_through_as_bytes(self, records: Records, feed: Feed) -> None:
        position = await put_raw(records, b"\xff garbage", 0)
        (found,) = [entry for shard in await read_all(feed) for entry in shard]

        assert found == Entry(CHAT, position, b"\xff garbage")
        with pytest.raises(CorruptLog, match=f"'c-1', position {position}: stored bytes are not a frame"):
            await stored(found, Keyring(None))

    async def test_every_id_that_can_be_one_comes_as_it_is(self, records: Records, feed: Feed) -> None:
        names = [ConversationId(name) for name in ("-", "_", "0", "a" * 128, "JS-ACK", "A-_9")]
        await fill(records, 2, names)
        found = {entry.conversation for shard in await read_all(feed) for entry in shard}

        assert found == set(names)

    async def test_a_follower_gets_what_is_there_and_then_what_is_stored(self, records: Records, feed: Feed) -> None:
        before = [entry.position for entry in await fill(records, 3, [CHAT])]
        (shard,) = [number for number, entries in enumerate(await read_all(feed)) if entries]
        following = asyncio.create_task(take(feed, shard, 8))
        for number in range(5):
            await asyncio.sleep(0)
            before.append(await put_raw(records, f"late {number}".encode(), before[-1]))

        assert [entry.position for entry in await following] == before

    async def test_a_follower_of_an_empty_stream_waits(self, records: Records, feed: Feed) -> None:
        following = [asyncio.create_task(take(feed, shard, 1)) for shard in range(feed.shards)]
        await asyncio.wait(following, timeout=0.05)
        assert not any(task.done() for task in following)
        position = await put_raw(records, b"first", 0, OTHER)
        done, waiting = await asyncio.wait(following, return_when=asyncio.FIRST_COMPLETED)

        assert [task.result() for task in done] == [[Entry(OTHER, position, b"first")]]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def test_a_follower_that_is_cancelled_leaves_no_task(self, records: Records, feed: Feed) -> None:
        await fill(records, 1)
        await feed.end(0)  # a connection has a task for answers from its first question on
        tasks = asyncio.all_tasks()
        following = [asyncio.create_task(take(feed, shard, 1_000)) for shard in range(feed.shards)]
        await asyncio.wait(following, timeout=0.05)
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        async with asyncio.timeout(5):
            while asyncio.all_tasks() != tasks:  # noqa: ASYNC110  nats-py's own end a little later
                await asyncio.sleep(0)


class TestMemoryFeed(FeedContract):
    @pytest.fixture
    def records(self) -> MemoryRecords:
        return MemoryRecords()

    @pytest.fixture
    def feed(self, records: MemoryRecords) -> Feed:
        return MemoryFeed(records, batch=SMALL)


class TestJetStreamFeed(FeedContract):
    @pytest.fixture
    async def both(self, nats_url: str) -> AsyncIterator[tuple[JetStreamRecords, Feed]]:
        appends, reads = await asyncio.gather(connect(nats_url), connect(nats_url))
        names = await ensure(appends, new_id("feed"), shards=2)
        feed = JetStreamFeed(names, asks=reads, more=lambda: connect(nats_url), batch=SMALL)
        yield JetStreamRecords(names, appends=appends, reads=reads), feed
        await asyncio.gather(appends.close(), reads.close())

    @pytest.fixture
    def records(self, both: tuple[JetStreamRecords, Feed]) -> JetStreamRecords:
        return both[0]

    @pytest.fixture
    def feed(self, both: tuple[JetStreamRecords, Feed]) -> Feed:
        return both[1]

"""What only a real server does to a feed: it takes messages out, forgets consumers, dies, comes back, begins anew."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from agent_runtime_framework.events import ConversationId, CorruptLog, Unavailable
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.feed import Entry
from agent_runtime_framework.runtime.nats import ephemeral, feed
from agent_runtime_framework.runtime.nats import pull as pulling
from agent_runtime_framework.runtime.nats.archive import JetStreamArchive
from agent_runtime_framework.runtime.nats.client import Connection
from agent_runtime_framework.runtime.nats.connection import api, connect
from agent_runtime_framework.runtime.nats.feed import JetStreamFeed
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.records import JetStreamRecords
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.testing import NatsServer
from support.chains import CHAT, put_raw
from support.feeds import fill, read_all, take


class Namespace:
    """Is a namespace of one stream, its records and its feed; `connections` are those that the feed opened."""

    def __init__(self, url: str, names: Names, appends: Connection, reads: Connection, **limits: Any) -> None:
        self.url, self.names, self.appends, self.reads = url, names, appends, reads
        self.stream = names.event_stream(0)
        self.records = JetStreamRecords(names, appends=appends, reads=reads)
        self.connections: list[Connection] = []
        self.feed = JetStreamFeed(names, asks=reads, more=self._more, **limits)

    async def _more(self) -> Connection:
        self.connections.append(await connect(self.url))
        return self.connections[-1]

    async def consumers(self) -> list[str]:
        answer = msgspec.json.decode(await api(self.appends, f"CONSUMER.NAMES.{self.stream}"))
        return list(answer["consumers"] or ())

    async def deletions(self) -> "asyncio.Queue[str]":
        """Return what gets the name of each consumer that is deleted from now on."""
        names: asyncio.Queue[str] = asyncio.Queue()
        told = f"$JS.EVENT.ADVISORY.CONSUMER.DELETED.{self.stream}.*"
        await self.appends.hear(told, lambda message: names.put_nowait(message.subject.rpartition(".")[2]))
        return names

    async def delete(self, position: int) -> None:
        await api(self.appends, f"STREAM.MSG.DELETE.{self.stream}", {"seq": position})

    async def close(self) -> None:
        await asyncio.gather(self.appends.close(), self.reads.close())


async def opened(url: str, **limits: Any) -> Namespace:
    appends, reads = await asyncio.gather(connect(url), connect(url))
    return Namespace(url, await ensure(appends, new_id("feed"), shards=1), appends, reads, **limits)


@pytest.fixture
async def space(nats_url: str) -> AsyncIterator[Namespace]:
    space = await opened(nats_url, batch=7)
    yield space
    await space.close()


@pytest.fixture
def server(tmp_path: Path) -> "Any":
    with NatsServer(tmp_path) as server:
        yield server


@pytest.fixture
async def apart(server: NatsServer) -> AsyncIterator[Namespace]:
    """A namespace on a server of its own, which a test may kill."""
    space = await opened(server.url)
    yield space
    await space.close()


class Following:
    """Follows a stream in a task; `has` awaits that so many entries came."""

    def __init__(self, space: Namespace, after: int = 0) -> None:
        self.found: list[Entry] = []
        self._came = asyncio.Event()
        self.task = asyncio.create_task(self._run(space, after))

    async def _run(self, space: Namespace, after: int) -> None:
        async with aclosing(space.feed.follow(0, after)) as batches:
            async for batch in batches:
                self.found += batch
                self._came.set()

    async def has(self, count: int) -> list[Entry]:
        async with asyncio.timeout(30):
            while len(self.found) < count:
                self._came.clear()
                came = asyncio.ensure_future(self._came.wait())
                await asyncio.wait({came, self.task}, return_when=asyncio.FIRST_COMPLETED)
                came.cancel()
                if self.task.done():
                    self.task.result()
        return self.found

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_what_was_deleted_or_purged_leaves_a_gap(space: Namespace) -> None:
    written = await fill(space.records, 5)
    gone = [written[0], written[17], max(written, key=lambda entry: entry.position)]
    for entry in gone:
        await space.delete(entry.position)
    subject = space.names.event_subject(ConversationId("c-5"))
    await api(space.appends, f"STREAM.PURGE.{space.stream}", {"filter": subject})
    left = sorted((one for one in written if one not in gone and one.conversation != "c-5"), key=lambda one: one[1])

    assert await read_all(space.feed) == [left]
    assert (await space.feed.end(0)).position == len(written)
    assert await take(space.feed, 0, len(left)) == left


async def test_a_stream_of_which_all_was_purged_has_nothing_and_keeps_its_end(space: Namespace) -> None:
    written = await fill(space.records, 2)
    await api(space.appends, f"STREAM.PURGE.{space.stream}")

    assert await read_all(space.feed) == [[]]
    assert (await space.feed.end(0)).position == len(written)


async def test_what_is_deleted_while_it_is_read_ends_no_reading(
    space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "HEARTBEAT", 0.1)
    written = await fill(space.records, 10)
    found: list[Entry] = []
    async for batch in space.feed.read(0):
        if not found:
            for position in range(60, len(written) + 1):
                await space.delete(position)
        found += batch

    assert [entry.position for entry in found] == list(range(1, 60))


async def test_reading_leaves_neither_consumer_nor_connection(space: Namespace) -> None:
    await fill(space.records, 3)
    await read_all(space.feed)
    async with aclosing(space.feed.read(0)) as batches:
        await anext(batches)
    following = Following(space)
    await following.has(36)
    assert len(await space.consumers()) >= 1
    await following.end()

    assert await space.consumers() == []
    assert all(client.is_closed for client in space.connections)


async def test_whoever_stops_listing_or_auditing_half_way_leaves_no_consumer(space: Namespace) -> None:
    await fill(space.records, 3)
    async with aclosing(space.records.lasts()) as lasts:
        await anext(lasts)
        assert len(await space.consumers()) == 1
    async with aclosing(JetStreamArchive(space.names, space.appends).everything()) as batches:
        await anext(batches)
        assert len(await space.consumers()) == 1

    assert await space.consumers() == []


async def test_batches_are_bounded_by_bytes_and_nothing_is_asked_for_before_it_is_taken(nats_url: str) -> None:
    space = await opened(nats_url, batch=1_000, batch_bytes=100_000)
    position = 0
    for number in range(60):
        position = await put_raw(space.records, b"%20000d" % number, position)
    sizes = []
    async for batch in space.feed.read(0):
        sizes.append(len(batch))
        (name,) = await space.consumers()
        info = msgspec.json.decode(await api(space.appends, f"CONSUMER.INFO.{space.stream}.{name}"))
        assert info["delivered"]["consumer_seq"] - sum(sizes) <= 3 * 100_000 / 20_000

    assert sum(sizes) == 60
    assert max(sizes) <= 3 * 100_000 / 20_000
    await space.close()


async def test_a_consumer_that_is_gone_is_made_anew(space: Namespace) -> None:
    written = await fill(space.records, 3, [CHAT])
    following = Following(space)
    await following.has(3)
    (name,) = await space.consumers()
    await api(space.appends, f"CONSUMER.DELETE.{space.stream}.{name}")
    last = await put_raw(space.records, b"late", written[-1].position)

    assert (await following.has(4))[-1].position == last
    await following.end()


async def test_a_connection_that_is_lost_loses_nothing(space: Namespace) -> None:
    position = (await fill(space.records, 3, [CHAT]))[-1].position
    following = Following(space)
    await following.has(3)
    for number in range(5):
        transport = space.connections[0]._transport
        assert transport is not None
        transport.close()  # type: ignore[no-untyped-call]  # what a router does that forgot a connection
        for late in range(20):
            position = await put_raw(space.records, f"{number}.{late}".encode(), position)

    assert [entry.position for entry in await following.has(103)] == list(range(1, 104))
    await following.end()


async def test_a_follower_outlives_its_server(apart: Namespace, server: NatsServer) -> None:
    position = (await fill(apart.records, 3, [CHAT]))[-1].position
    following = Following(apart)
    await following.has(3)
    for stop in (server.kill, server.stop):
        await asyncio.to_thread(stop)
        await asyncio.to_thread(server.start)
        position = await stored_at_last(apart, position)

    assert [entry.position for entry in await following.has(5)] == [1, 2, 3, 4, 5]
    await following.end()
    assert await apart.consumers() == []


async def stored_at_last(space: Namespace, after: int) -> int:
    async with asyncio.timeout(20):
        while True:
            try:
                return await put_raw(space.records, f"after {after}".encode(), after)
            except Unavailable:
                await asyncio.sleep(0.05)


async def test_a_stream_that_is_made_anew_is_another(space: Namespace) -> None:
    await fill(space.records, 3)
    before = await space.feed.end(0)
    following = Following(space)
    await following.has(36)
    await api(space.appends, f"STREAM.DELETE.{space.stream}")
    with pytest.raises(CorruptLog, match=r"there is no stream|is gone"):
        await following.task
    with pytest.raises(CorruptLog, match=f"there is no stream {space.stream} any more"):
        await space.feed.end(0)
    await ensure(space.appends, space.names.namespace, shards=1)

    assert (await space.feed.end(0)).stream != before.stream
    with pytest.raises(CorruptLog, match="made anew"):
        [batch async for batch in space.feed.read(0, before.position)]


async def test_a_stream_is_the_same_one_after_a_restart(apart: Namespace, server: NatsServer) -> None:
    await fill(apart.records, 1)
    before = await apart.feed.end(0)
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)

    assert await apart.feed.end(0) == before


async def test_a_follower_that_is_cancelled_at_any_moment_ends(space: Namespace) -> None:
    await fill(space.records, 3)
    for moment in range(80):
        following = Following(space)
        await asyncio.wait([following.task], timeout=moment / 4_000)  # what it awaits then is not seen from outside
        following.task.cancel()
        done, _ = await asyncio.wait([following.task], timeout=10)
        assert done, f"it was cancelled after {moment / 4} ms and goes on"

    assert await space.consumers() == []
    assert all(client.is_closed for client in space.connections)


async def test_a_consumer_that_the_server_makes_after_its_reader_was_cancelled_is_deleted(
    space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, let_go = asyncio.Event(), asyncio.Event()
    creations: list[asyncio.Task[bytes]] = []
    deletions: list[str] = []

    async def created_late(client: Client, subject: str, body: Any) -> bytes:
        asked.set()
        await let_go.wait()
        return await api(client, subject, body)

    async def late(client: Client, subject: str, body: Any = None) -> bytes:
        if not subject.startswith("CONSUMER.CREATE."):
            deletions.append(subject)
            return await api(client, subject, body)
        creations.append(asyncio.create_task(created_late(client, subject, body)))
        return await asyncio.shield(creations[0])  # the server makes it whoever waits

    monkeypatch.setattr(ephemeral, "api", late)
    following = Following(space)
    async with asyncio.timeout(10):
        await asked.wait()
        following.task.cancel()
        for _ in range(20):  # whoever does not wait for it deletes at once
            await asyncio.sleep(0)
        assert deletions == []
        let_go.set()
        await asyncio.wait([following.task, *creations])

    assert following.task.cancelled()
    assert len(deletions) == 1
    assert await space.consumers() == []


async def test_a_consumer_whose_making_was_not_answered_is_deleted(
    space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = await fill(space.records, 3)
    names: list[str] = []

    async def unanswered_once(client: Client, subject: str, body: Any = None) -> bytes:
        answer = await api(client, subject, body)
        if subject.startswith("CONSUMER.CREATE.") and not names:
            names.append(subject.rpartition(".")[2])
            raise Unavailable("the answer was lost")
        return answer

    monkeypatch.setattr(ephemeral, "api", unanswered_once)
    monkeypatch.setattr(feed, "PAUSE", 0.0)
    deletions = await space.deletions()
    following = Following(space)
    assert len(await following.has(len(written))) == len(written)
    async with asyncio.timeout(10):
        assert await deletions.get() == names[0]
    await following.end()

    assert await space.consumers() == []

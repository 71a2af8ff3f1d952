"""What only the log on a real nats-server can get wrong: lost connections, a killed server, missing streams, limits."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from agent_runtime_framework.events import (
    START,
    AckLost,
    ConversationId,
    InvalidId,
    InvalidInput,
    TooLarge,
    Unavailable,
)
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.nats import connection
from agent_runtime_framework.runtime.nats.client import Connection
from agent_runtime_framework.runtime.nats.connection import api, connect
from agent_runtime_framework.runtime.nats.log import JetStreamLog
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.records import JetStreamRecords
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.testing import NatsServer
from support.chains import CHAT, frame_after, put_raw, read, write
from support.faults import Proxy


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    client = await connect(url)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Connection]:
    async with connected(nats_url) as client:
        yield client


@pytest.fixture
async def names(client: Connection) -> Names:
    return await ensure(client, new_id("log"), shards=2)


@pytest.fixture
def log(client: Connection, names: Names) -> JetStreamLog:
    return JetStreamLog(names, appends=client, reads=client)


@contextlib.contextmanager
def sooner_than_a_timeout() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < connection.REQUEST_TIMEOUT


@pytest.mark.parametrize("what", ["request", "answer"])
async def test_an_append_is_stored_once_though_the_connection_is_cut(
    nats_url: str, client: Connection, names: Names, log: JetStreamLog, what: Literal["request", "answer"]
) -> None:
    (before,) = await write(log, CHAT, 1)
    async with Proxy(nats_url) as proxy, connected(proxy.url) as appends:
        proxy.lose(what)
        cut = JetStreamLog(names, appends=appends, reads=client)
        with sooner_than_a_timeout():
            stored = await cut.append(CHAT, frame_after(before.head), before.head)

        assert proxy.cuts == 1
        assert await read(log) == [before, stored]


async def test_records_say_that_an_acknowledgement_was_lost(nats_url: str, client: Connection, names: Names) -> None:
    async with Proxy(nats_url) as proxy, connected(proxy.url) as appends:
        proxy.lose("answer")
        with pytest.raises(AckLost):
            await put_raw(JetStreamRecords(names, appends=appends, reads=client), b"1", 0)

    records = JetStreamRecords(names, appends=client, reads=client)
    assert [data async for _, data in records.get(CHAT, 0)] == [b"1"]


async def test_a_read_that_is_cut_in_the_middle_is_unavailable_and_may_be_made_again(
    nats_url: str, client: Connection, names: Names, log: JetStreamLog
) -> None:
    written = await write(log, CHAT, 3)
    async with Proxy(nats_url) as proxy, connected(proxy.url) as reads:
        cut = JetStreamLog(names, appends=client, reads=reads)
        proxy.lose("answer")
        with sooner_than_a_timeout(), pytest.raises(Unavailable, match="the connection was lost"):
            await read(cut)

        assert await read(cut) == written


async def test_a_log_survives_a_kill_of_the_server_and_goes_on_over_the_same_connection(tmp_path: Path) -> None:
    with NatsServer(tmp_path) as server:
        async with connected(server.url) as client:
            log = JetStreamLog(await ensure(client, "arf"), appends=client, reads=client)
            written = await write(log, CHAT, 50)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            with contextlib.suppress(Unavailable):  # if it was sent before the loss was noticed
                await read(log)

            assert await read(log) == written
            written += await write(log, CHAT, 1, written[-1].head)
            assert await read(log) == written


async def test_a_log_whose_server_is_gone_is_unavailable_and_can_be_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT", 0.3)
    with NatsServer(tmp_path) as server:
        async with connected(server.url) as client:
            log = JetStreamLog(await ensure(client, "arf"), appends=client, reads=client)
            (stored,) = await write(log, CHAT, 1)
            await asyncio.to_thread(server.kill)

            with pytest.raises(Unavailable):
                await log.append(CHAT, frame_after(stored.head), stored.head)
            with pytest.raises(Unavailable):
                await log.last(CHAT)


async def test_no_server_is_unavailable_at_once() -> None:
    with sooner_than_a_timeout(), pytest.raises(Unavailable, match=r"no NATS server answers at nats://127.0.0.1:1 "):
        await connect("nats://127.0.0.1:1")


@pytest.mark.parametrize("url", ["", "http://127.0.0.1", "nats://", "nats://h:99999", "nats://h:x", "nats://[::1"])
async def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="is not the URL of a NATS server"):
        await connect(url)


async def test_a_stream_that_is_not_there_is_unavailable(client: Connection) -> None:
    log = JetStreamLog(Names(new_id("none"), 8), appends=client, reads=client)

    with pytest.raises(Unavailable, match="the stream is missing"):
        await read(log)
    with pytest.raises(Unavailable, match="the stream is missing"):
        await log.last(CHAT)
    with pytest.raises(Unavailable, match="the stream is missing"):
        await log.append(CHAT, frame_after(START), START)


async def test_a_frame_that_the_server_would_not_take_is_refused(tmp_path: Path) -> None:
    with NatsServer(tmp_path, settings="max_payload: 64KB") as server:
        async with connected(server.url) as client:
            log = JetStreamLog(await ensure(client, "arf"), appends=client, reads=client)

            with pytest.raises(TooLarge, match="raise its max_payload"):
                await log.append(CHAT, frame_after(START, "x" * 64 * 1024), START)
            stored = await log.append(CHAT, frame_after(START, "x" * 60 * 1024), START)
            assert await read(log) == [stored]


@pytest.mark.parametrize("name", ["*", ">", "a.b", "", "c 1", "x" * 129])
async def test_a_conversation_id_that_is_no_token_reaches_no_subject(log: JetStreamLog, name: str) -> None:
    await write(log, CHAT, 1)

    with pytest.raises(InvalidId):
        await read(log, ConversationId(name))
    with pytest.raises(InvalidId):
        await log.last(ConversationId(name))
    with pytest.raises(InvalidId):
        await log.append(ConversationId(name), frame_after(START), START)


async def test_a_listing_leaves_no_consumer_behind(client: Connection, names: Names, log: JetStreamLog) -> None:
    await write(log, CHAT, 1)

    assert len([stored async for stored in log.lasts()]) == 1
    for shard in range(names.shards):
        answer = msgspec.json.decode(await api(client, f"CONSUMER.NAMES.{names.event_stream(shard)}"))
        assert answer["total"] == 0

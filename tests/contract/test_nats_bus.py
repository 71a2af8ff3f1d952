"""What holds for the bus on a nats-server beyond the contract: requests, limits, consumers, restarts."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from agent_runtime_framework.events import TooLarge, Unavailable
from agent_runtime_framework.runtime.bus import Bus, Delivery, partition_of
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.leases import Lease
from agent_runtime_framework.runtime.nats import bus as nats_bus
from agent_runtime_framework.runtime.nats.bus import NatsBus
from agent_runtime_framework.runtime.nats.client import Connection
from agent_runtime_framework.runtime.nats.connection import api, connect
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.topology import command_stream, ensure
from agent_runtime_framework.testing import NatsServer
from support.owner import AGENT, CHAT, PATIENCE, Owner, say


class TestNatsBus:
    @pytest.fixture
    async def client(self, nats_url: str) -> AsyncIterator[Connection]:
        client = await connect(nats_url)
        yield client
        await client.close()

    @pytest.fixture
    async def names(self, client: Connection) -> Names:
        return await ensure(client, new_id("bus"), shards=1)

    @pytest.fixture
    async def bus(self, client: Connection, names: Names) -> Bus:
        return NatsBus(client, names)

    @pytest.fixture
    async def other(self, nats_url: str, names: Names) -> AsyncIterator[Bus]:
        client = await connect(nats_url)
        yield NatsBus(client, names)
        await client.close()

    @pytest.mark.parametrize("header", [b"", b"NATS/1.0 \xff\xfe\r\n\r\n", b"NATS/1.0\r\n\xff: \xfe\r\n\r\n"])
    async def test_a_command_under_a_subject_that_is_no_text_comes_and_so_does_what_is_sent_after_it(
        self, nats_server: NatsServer, names: Names, bus: Bus, header: bytes
    ) -> None:
        came: asyncio.Queue[Delivery] = asyncio.Queue()
        await bus.consume(Lease(AGENT, partition_of(CHAT), epoch=1), came.put_nowait)
        where = names.partition_filter(AGENT, partition_of(CHAT)).removesuffix("*").encode() + b"\xff\xfe"
        line = b"HPUB %b %d %d" % (where, len(header), len(header) + 1) if header else b"PUB %b 1" % where
        reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
        writer.write(b'CONNECT {"verbose":false,"headers":true}\r\n%b\r\n%bx\r\nPING\r\n' % (line, header))
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b"PONG")
            writer.close()
            odd = await came.get()
            await say(bus, "after")
            after = await came.get()

        assert (odd.conversation, odd.data) == (r"\xff\xfe", b"x")
        assert after.data == b"after"

    async def test_more_commands_than_one_request_takes_come_in_order(self, bus: Bus) -> None:
        owner = await Owner.of(bus)
        texts = [f"{number}" for number in range(nats_bus.BATCH + 10)]
        await say(bus, *texts)

        assert await owner.read(len(texts)) == [text.encode() for text in texts]

    @pytest.mark.parametrize(("expires", "heartbeat", "silent"), [(0.2, 0.05, 1000), (30, 15, 1)])
    async def test_a_request_that_expired_or_fell_silent_is_made_again(
        self,
        client: Connection,
        names: Names,
        bus: Bus,
        monkeypatch: pytest.MonkeyPatch,
        expires: float,
        heartbeat: float,
        silent: int,
    ) -> None:
        monkeypatch.setattr(nats_bus, "EXPIRES", int(expires * nats_bus.SECOND))
        monkeypatch.setattr(nats_bus, "HEARTBEAT", int(heartbeat * nats_bus.SECOND))
        monkeypatch.setattr(nats_bus, "SILENT", silent)
        asked = asyncio.Semaphore(0)

        async def hear(message: Msg) -> None:
            asked.release()

        await client.subscribe(f"$JS.API.CONSUMER.MSG.NEXT.{names.command_stream}.*", cb=hear)
        owner = await Owner.of(bus)
        async with asyncio.timeout(PATIENCE):
            for _ in range(3):
                await asked.acquire()

        await say(bus, "1", "2")
        assert await owner.read(2) == [b"1", b"2"]
        assert owner.idle

    async def test_a_consumer_deleted_by_hand_is_a_lost_partition(
        self, client: Connection, names: Names, bus: Bus
    ) -> None:
        owner = await Owner.of(bus, 7)
        await say(bus, "1")
        await owner.take()
        await api(client, f"CONSUMER.DELETE.{names.command_stream}.{AGENT}-p{partition_of(CHAT)}-7")

        assert await owner.lost()

    async def test_a_consumer_deleted_before_it_was_asked_is_lost_or_made_anew(
        self, client: Connection, names: Names, bus: Bus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(nats_bus, "SILENT", 2)  # looks; nobody answers a request that met no consumer
        for epoch in range(1, 6):
            owner = await Owner.of(bus, epoch)
            await api(client, f"CONSUMER.DELETE.{names.command_stream}.{AGENT}-p{partition_of(CHAT)}-{epoch}")
            await say(bus, f"{epoch}")
            ends = asyncio.create_task(owner.lost()), asyncio.create_task(owner.take())
            done, waiting = await asyncio.wait(ends, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            assert done
            assert all(task.result() for task in done)
            for task in waiting:
                task.cancel()

    async def test_a_foreign_consumer_in_the_way_is_named(self, client: Connection, names: Names, bus: Bus) -> None:
        config = {"durable_name": "watcher", "name": "watcher", "ack_policy": "explicit"}
        body = {"stream_name": names.command_stream, "config": config}
        await api(client, f"CONSUMER.CREATE.{names.command_stream}.watcher", body)

        with pytest.raises(Unavailable, match="delete it"):
            await Owner.of(bus)

    async def test_a_command_over_the_servers_limit_is_refused_and_the_connection_lives(
        self, client: Connection, bus: Bus
    ) -> None:
        with pytest.raises(TooLarge, match="m-1"):
            await bus.publish(AGENT, CHAT, b"x" * (client.max_payload - 10), id="m-1")

        largest = b"x" * (client.max_payload - nats_bus.HEADERS)
        await bus.publish(AGENT, CHAT, largest, id="m-" + "1" * 126)
        assert await (await Owner.of(bus)).read() == [largest]

    async def test_a_command_that_the_stream_has_no_room_for_is_an_error(
        self, client: Connection, names: Names, bus: Bus
    ) -> None:
        await api(client, f"STREAM.UPDATE.{names.command_stream}", {**command_stream(names), "max_msgs": 1})
        await say(bus, "1")

        with pytest.raises(Unavailable, match="maximum messages exceeded"):
            await say(bus, "2")

    async def test_a_consumption_that_ended_leaves_no_subscription(
        self, client: Connection, bus: Bus, other: Bus
    ) -> None:
        first = await Owner.of(bus, 1)
        await first.flow.stop()
        before = len(client._subs)
        second = await Owner.of(bus, 2)
        await say(bus, "1")
        await second.take()
        assert len(client._subs) == before + 1

        await Owner.of(other, 3)
        assert await second.lost()
        await second.flow.stop()
        await second.flow.stop()
        assert len(client._subs) == before


class TestNatsBusOverARestart:
    """A server of its own, since it is stopped."""

    @pytest.mark.parametrize("crash", [False, True])
    async def test_commands_come_after_the_server_was_gone(self, tmp_path: Path, crash: bool) -> None:
        with NatsServer(tmp_path) as server:
            client = await connect(server.url)
            bus = NatsBus(client, await ensure(client, "t", shards=1))
            owner = await Owner.of(bus)
            await say(bus, "1", "2")
            first, _ = await owner.take(2)
            await first.ack()

            await asyncio.to_thread(server.kill if crash else server.stop)
            await asyncio.to_thread(server.start)
            assert await owner.read() == [b"2"]
            await say(bus, "3")
            (third,) = await owner.take()
            assert third.data == b"3"
            await third.ack()
            await say(bus, "4")
            assert await (await Owner.of(bus, 2)).read(2) == [b"2", b"4"]
            await client.close()

    async def test_a_partition_taken_over_meanwhile_is_lost_after_the_restart(self, tmp_path: Path) -> None:
        with NatsServer(tmp_path) as server:
            mine, yours = await connect(server.url), await connect(server.url)
            names = await ensure(mine, "t", shards=1)
            owner = await Owner.of(NatsBus(mine, names), 1)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            successor = await _until_answered(NatsBus(yours, names))

            assert await owner.lost()
            await say(NatsBus(yours, names), "1")
            assert await successor.read() == [b"1"]
            assert owner.idle
            await mine.close()
            await yours.close()

    async def test_without_a_server_publishing_and_consuming_are_unavailable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("agent_runtime_framework.runtime.nats.connection.REQUEST_TIMEOUT", 0.2)
        with NatsServer(tmp_path) as server:
            client = await connect(server.url)
            bus = NatsBus(client, await ensure(client, "t", shards=1))
            await asyncio.to_thread(server.stop)

            with pytest.raises(Unavailable):
                await say(bus, "1")
            with pytest.raises(Unavailable):
                await Owner.of(bus)
            await asyncio.to_thread(server.start)
            await _until_answered(bus)
            await client.close()

    async def test_a_connection_closed_for_good_ends_the_consumption(self, nats_url: str) -> None:
        client = await connect(nats_url)
        owner = await Owner.of(NatsBus(client, await ensure(client, new_id("bus"), shards=1)))
        await client.close()

        assert not await owner.lost()
        await owner.flow.stop()


async def _until_answered(bus: Bus) -> Owner:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await Owner.of(bus, 2)
            except Unavailable:
                await asyncio.sleep(0.05)

"""What holds for every bus: in memory, and on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from agent_runtime_framework.events import AgentKey, ConversationId, TooLarge, Unavailable
from agent_runtime_framework.runtime.bus import PARTITIONS, Bus, Consumption, Delivery, MemoryBus, partition_of
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.leases import Lease
from agent_runtime_framework.runtime.nats import bus as nats_bus
from agent_runtime_framework.runtime.nats.bus import NatsBus
from agent_runtime_framework.runtime.nats.connection import api, connect
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.topology import command_stream, ensure
from agent_runtime_framework.runtime.testing.server import NatsServer

AGENT = AgentKey("agent")
CHAT = ConversationId("c-1")
PATIENCE = 10


class Owner:
    """Consumes one partition under one epoch, and remembers what came."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[Delivery] = asyncio.Queue()
        self.flow: Consumption

    @classmethod
    async def of(
        cls, bus: Bus, epoch: int = 1, *, agent: AgentKey = AGENT, chat: ConversationId = CHAT, partition: int = -1
    ) -> "Owner":
        owner = cls()
        lease = Lease(agent, partition_of(chat) if partition < 0 else partition, epoch)
        owner.flow = await bus.consume(lease, owner._came.put_nowait)
        return owner

    async def take(self, count: int = 1) -> list[Delivery]:
        async with asyncio.timeout(PATIENCE):
            return [await self._came.get() for _ in range(count)]

    async def read(self, count: int = 1) -> list[bytes]:
        return [delivery.data for delivery in await self.take(count)]

    @property
    def idle(self) -> bool:
        return self._came.empty()

    async def lost(self) -> bool:
        async with asyncio.timeout(PATIENCE):
            return await self.flow.lost()


async def say(bus: Bus, *texts: str, agent: AgentKey = AGENT, chat: ConversationId = CHAT) -> None:
    for text in texts:
        await bus.publish(agent, chat, text.encode(), id=f"{agent}.{chat}.{text}")


def chats_by_partition(count: int) -> dict[int, list[ConversationId]]:
    chats: dict[int, list[ConversationId]] = {}
    for number in range(count):
        chat = ConversationId(f"Chat_{number}-{number * 7919:x}")
        chats.setdefault(partition_of(chat), []).append(chat)
    return chats


class BusContract:
    """`bus` and `other` are two workers' ways to the same commands."""

    async def test_commands_come_in_the_order_in_which_they_were_published(self, bus: Bus) -> None:
        texts = [f"{number}" for number in range(20)]
        await say(bus, *texts[:10])
        owner = await Owner.of(bus)
        await say(bus, *texts[10:])

        assert await owner.read(20) == [text.encode() for text in texts]

    async def test_a_delivery_says_what_was_sent_to_whom(self, bus: Bus) -> None:
        owner = await Owner.of(bus)
        await bus.publish(AGENT, CHAT, b"\x00{}\xff", id="m-1")

        (delivery,) = await owner.take()
        assert (delivery.agent, delivery.conversation, delivery.data) == (AGENT, CHAT, b"\x00{}\xff")

    async def test_every_conversation_comes_in_the_partition_that_is_computed_for_it(self, bus: Bus) -> None:
        chats = chats_by_partition(300)
        assert len(chats) == PARTITIONS
        for partition in chats:
            for chat in chats[partition]:
                await say(bus, "hello", chat=chat)

        for partition in chats:
            owner = await Owner.of(bus, partition=partition)
            came = [delivery.conversation for delivery in await owner.take(len(chats[partition]))]
            assert came == chats[partition]

    async def test_a_command_published_twice_under_one_id_comes_once(self, bus: Bus, other: Bus) -> None:
        owner = await Owner.of(bus)
        assert not await bus.publish(AGENT, CHAT, b"hello", id="m-1")
        assert await bus.publish(AGENT, CHAT, b"hello", id="m-1")
        assert await other.publish(AGENT, CHAT, b"hello", id="m-1")
        assert not await bus.publish(AGENT, CHAT, b"again", id="m-2")

        assert await owner.read(2) == [b"hello", b"again"]

    async def test_an_id_is_known_also_after_its_command_was_acknowledged(self, bus: Bus) -> None:
        owner = await Owner.of(bus)
        await say(bus, "hello")
        (delivery,) = await owner.take()
        await delivery.ack()

        assert await bus.publish(AGENT, CHAT, b"hello", id=f"{AGENT}.{CHAT}.hello")

    async def test_unacknowledged_commands_come_to_the_next_owner_first_and_in_order(
        self, bus: Bus, other: Bus
    ) -> None:
        first = await Owner.of(bus, 1)
        await say(bus, "1", "2", "3", "4")
        deliveries = await first.take(4)
        await deliveries[1].ack()
        await say(bus, "5")
        await first.take()
        await first.flow.stop()
        await say(bus, "6")

        second = await Owner.of(other, 2)
        await say(bus, "7")
        assert await second.read(6) == [b"1", b"3", b"4", b"5", b"6", b"7"]

    async def test_an_acknowledged_command_never_comes_again(self, bus: Bus, other: Bus) -> None:
        first = await Owner.of(bus, 1)
        await say(bus, "1", "2", "3")
        for delivery in await first.take(3):
            await delivery.ack()
        await say(bus, "after")

        assert await (await Owner.of(other, 2)).read() == [b"after"]

    async def test_a_late_ack_of_an_old_owner_is_ignored(self, bus: Bus, other: Bus) -> None:
        first = await Owner.of(bus, 1)
        await say(bus, "1")
        (late,) = await first.take()
        second = await Owner.of(other, 2)
        assert await second.read() == [b"1"]

        await late.ack()
        await say(bus, "2")
        assert await second.read() == [b"2"]

        third = await Owner.of(bus, 3)
        assert await third.read(2) == [b"1", b"2"]
        await say(bus, "3")
        assert await third.read() == [b"3"]

    async def test_a_late_retry_of_an_old_owner_is_ignored(self, bus: Bus, other: Bus) -> None:
        first = await Owner.of(bus, 1)
        await say(bus, "1")
        (late,) = await first.take()
        second = await Owner.of(other, 2)
        assert await second.read() == [b"1"]

        await late.retry(0)
        await say(bus, "2")
        assert await second.read() == [b"2"]

    async def test_an_old_owner_gets_nothing_after_a_takeover(self, bus: Bus, other: Bus) -> None:
        first = await Owner.of(bus, 1)
        await say(bus, "1")
        await first.take()
        second = await Owner.of(other, 2)
        assert await first.lost()

        await say(bus, "2", "3")
        assert await second.read(3) == [b"1", b"2", b"3"]
        assert first.idle

    async def test_an_older_lease_cannot_take_the_partition_back(self, bus: Bus, other: Bus) -> None:
        second = await Owner.of(bus, 2)
        late = await Owner.of(other, 1)

        assert await late.lost()
        await say(bus, "1")
        assert await second.read() == [b"1"]
        assert late.idle

    async def test_consuming_again_under_one_lease_replaces_the_first_consumption(self, bus: Bus) -> None:
        first = await Owner.of(bus, 1)
        await say(bus, "1", "2")
        in_hand, _ = await first.take(2)
        again = await Owner.of(bus, 1)

        assert not await first.lost()
        assert await again.read(2) == [b"1", b"2"]
        await in_hand.ack()
        await say(bus, "3")
        assert await again.read() == [b"3"]
        assert await (await Owner.of(bus, 2)).read(2) == [b"2", b"3"]
        assert first.idle

    async def test_a_stopped_consumption_gets_nothing_more_and_is_not_lost(self, bus: Bus, other: Bus) -> None:
        first = await Owner.of(bus, 1)
        waiting = asyncio.create_task(first.lost())
        await first.flow.stop()
        await first.flow.stop()

        assert not await waiting
        await say(bus, "1")
        assert await (await Owner.of(other, 2)).read() == [b"1"]
        assert first.idle

    async def test_who_waits_for_the_end_may_be_cancelled(self, bus: Bus) -> None:
        owner = await Owner.of(bus)
        waiting = asyncio.create_task(owner.lost())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        await say(bus, "1")
        assert await owner.read() == [b"1"]
        await owner.flow.stop()
        assert not await owner.lost()

    async def test_a_command_given_back_comes_again_after_the_delay(self, bus: Bus) -> None:
        owner = await Owner.of(bus)
        await say(bus, "1", "2")
        first, second = await owner.take(2)
        await second.ack()
        given_back = asyncio.get_running_loop().time()
        await first.retry(0.3)
        await say(bus, "3")

        assert await owner.read(2) == [b"3", b"1"]
        assert asyncio.get_running_loop().time() - given_back >= 0.29

    async def test_a_command_given_back_without_delay_comes_again(self, bus: Bus) -> None:
        owner = await Owner.of(bus)
        await say(bus, "1")
        (first,) = await owner.take()
        await first.retry(0)

        (again,) = await owner.take()
        assert again.data == b"1"
        await again.ack()
        await say(bus, "2")
        assert await (await Owner.of(bus, 2)).read() == [b"2"]

    async def test_the_commands_of_two_agents_do_not_mix(self, bus: Bus, other: Bus) -> None:
        # a consumer of the second agent is named as if the first had one with a strange epoch
        agent, lookalike = AgentKey("a"), AgentKey(f"a-p{partition_of(CHAT)}")
        mine = await Owner.of(bus, 1, agent=agent)
        yours = await Owner.of(other, 1, agent=lookalike)
        mine = await Owner.of(bus, 2, agent=agent)
        await say(bus, "to me", agent=agent)
        await say(bus, "to you", agent=lookalike)

        assert await mine.read() == [b"to me"]
        assert await yours.read() == [b"to you"]
        assert mine.idle
        assert yours.idle

    async def test_partitions_do_not_mix(self, bus: Bus) -> None:
        chats = chats_by_partition(64)
        here, there = chats[3][0], chats[4][0]
        one = await Owner.of(bus, 1, chat=here)
        two = await Owner.of(bus, 1, chat=there)
        await say(bus, "here", chat=here)
        await say(bus, "there", chat=there)

        assert await one.read() == [b"here"]
        assert await two.read() == [b"there"]

    async def test_a_taker_that_raises_does_not_end_the_flow(self, bus: Bus) -> None:
        came: asyncio.Queue[Delivery] = asyncio.Queue()

        def take(delivery: Delivery) -> None:
            if delivery.data == b"1":
                raise ValueError("not this one")
            came.put_nowait(delivery)

        await bus.consume(Lease(AGENT, partition_of(CHAT), 1), take)
        await say(bus, "1", "2")

        async with asyncio.timeout(PATIENCE):
            assert (await came.get()).data == b"2"
        assert await (await Owner.of(bus, 2)).read(2) == [b"1", b"2"]


class TestMemoryBus(BusContract):
    @pytest.fixture
    async def bus(self) -> Bus:
        return MemoryBus()

    @pytest.fixture
    async def other(self, bus: Bus) -> Bus:
        return bus


class TestNatsBus(BusContract):
    @pytest.fixture
    async def client(self, nats_url: str) -> AsyncIterator[Client]:
        client = await connect(nats_url)
        yield client
        await client.close()

    @pytest.fixture
    async def names(self, client: Client) -> Names:
        return await ensure(client, new_id("bus"), shards=1)

    @pytest.fixture
    async def bus(self, client: Client, names: Names) -> Bus:
        return NatsBus(client, names)

    @pytest.fixture
    async def other(self, nats_url: str, names: Names) -> AsyncIterator[Bus]:
        client = await connect(nats_url)
        yield NatsBus(client, names)
        await client.close()

    async def test_more_commands_than_one_request_takes_come_in_order(self, bus: Bus) -> None:
        owner = await Owner.of(bus)
        texts = [f"{number}" for number in range(nats_bus.BATCH + 10)]
        await say(bus, *texts)

        assert await owner.read(len(texts)) == [text.encode() for text in texts]

    @pytest.mark.parametrize(("expires", "heartbeat", "silent"), [(0.2, 0.05, 1000), (30, 15, 1)])
    async def test_a_request_that_expired_or_fell_silent_is_made_again(
        self,
        client: Client,
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

    async def test_a_consumer_deleted_by_hand_is_a_lost_partition(self, client: Client, names: Names, bus: Bus) -> None:
        owner = await Owner.of(bus, 7)
        await api(client, f"CONSUMER.DELETE.{names.command_stream}.{AGENT}-p{partition_of(CHAT)}-7")

        assert await owner.lost()

    async def test_a_foreign_consumer_in_the_way_is_named(self, client: Client, names: Names, bus: Bus) -> None:
        config = {"durable_name": "watcher", "name": "watcher", "ack_policy": "explicit"}
        body = {"stream_name": names.command_stream, "config": config}
        await api(client, f"CONSUMER.CREATE.{names.command_stream}.watcher", body)

        with pytest.raises(Unavailable, match="delete it"):
            await Owner.of(bus)

    async def test_a_command_over_the_servers_limit_is_refused_and_the_connection_lives(
        self, client: Client, bus: Bus
    ) -> None:
        with pytest.raises(TooLarge, match="m-1"):
            await bus.publish(AGENT, CHAT, b"x" * (client.max_payload - 10), id="m-1")

        largest = b"x" * (client.max_payload - nats_bus.HEADERS)
        await bus.publish(AGENT, CHAT, largest, id="m-" + "1" * 126)
        assert await (await Owner.of(bus)).read() == [largest]

    async def test_a_command_that_the_stream_has_no_room_for_is_an_error(
        self, client: Client, names: Names, bus: Bus
    ) -> None:
        await api(client, f"STREAM.UPDATE.{names.command_stream}", {**command_stream(names), "max_msgs": 1})
        await say(bus, "1")

        with pytest.raises(Unavailable, match="maximum messages exceeded"):
            await say(bus, "2")

    async def test_a_consumption_that_ended_leaves_no_subscription(self, client: Client, bus: Bus, other: Bus) -> None:
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
            await client.flush()

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

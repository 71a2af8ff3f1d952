"""What holds for every bus: in memory, and on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent_runtime_framework.events import AgentKey, ConversationId
from agent_runtime_framework.runtime.bus import PARTITIONS, Bus, Delivery, MemoryBus, partition_of
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.leases import Lease
from agent_runtime_framework.runtime.nats.bus import NatsBus
from agent_runtime_framework.runtime.nats.client import Connection
from agent_runtime_framework.runtime.nats.connection import connect
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.topology import ensure
from support.owner import AGENT, CHAT, PATIENCE, Owner, say


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

"""A worker's shares, where what it does about one partition is overtaken by what happens to it meanwhile."""

import asyncio
from collections.abc import Callable

import pytest

from agent_runtime_framework.events import AgentKey, ConversationId, MemoryLog, Unavailable, WriterId
from agent_runtime_framework.runtime.bus import Consumption, Deliver, Delivery, MemoryBus, partition_of
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.leases import Key, Lease, MemoryLeases
from agent_runtime_framework.runtime.live import MemoryLive
from agent_runtime_framework.runtime.members import Member, MemoryMembers
from agent_runtime_framework.runtime.ownership import Shares
from agent_runtime_framework.runtime.substrate import Substrate, stores_in_memory

AGENT = AgentKey("order")
CHAT = ConversationId("c-1")
ME, OTHER = WriterId("w-me"), WriterId("w-other")
TTL = 0.2


class HeldUp(MemoryBus):
    """A bus that takes its time to let commands come, and then may turn out to be away."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.away = False

    async def consume(self, lease: Lease, deliver: Deliver) -> Consumption:
        if lease.partition == partition_of(CHAT, self.partitions):
            self.asked.set()
            await self.go_on.wait()
            if self.away:
                raise Unavailable("the server is away")
        return await super().consume(lease, deliver)


class Nothing:
    """Is what runs in conversations: nothing."""

    async def finish(self, key: Key, seconds: float) -> int:
        return 0

    async def let_go(self, key: Key) -> int:
        return 0


def shares_of(substrate: Substrate, deliver: Callable[[Delivery], None]) -> Shares:
    return Shares(
        [AGENT],
        substrate,
        clock=SystemClock(),
        deliver=deliver,
        conversations=Nothing(),
        member=lambda: Member(worker=ME, agents=(AGENT,)),
        grace=1.0,
    )


@pytest.mark.parametrize("away", [True, False])
async def test_a_partition_that_is_lost_while_its_commands_are_asked_for_is_another_workers(away: bool) -> None:
    bus, clock, came = HeldUp(), SystemClock(), asyncio.Queue[Delivery]()
    bus.away = away
    leases = MemoryLeases(clock, ttl=TTL)
    mine, theirs = leases.of(ME), leases.of(OTHER)
    substrate = Substrate(MemoryLog(), bus, mine, MemoryMembers(clock, ttl=TTL), MemoryLive(), stores_in_memory())
    shares = shares_of(substrate, came.put_nowait)
    sharing = asyncio.ensure_future(shares.share())
    await bus.asked.wait()
    partition = partition_of(CHAT, bus.partitions)
    async with asyncio.timeout(10):
        while await theirs.acquire(AGENT, partition) is None:  # noqa: ASYNC110  a lease lapses and tells nobody
            await asyncio.sleep(TTL / 4)
    keeping = asyncio.ensure_future(shares.keep())
    async with asyncio.timeout(10):
        while shares.owns(AGENT, CHAT):  # noqa: ASYNC110  likewise
            await asyncio.sleep(TTL / 4)
    bus.go_on.set()
    await sharing
    await bus.publish(AGENT, CHAT, b"hello", id="m-1")
    await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.wait([keeping])

    assert not shares.owns(AGENT, CHAT)
    assert came.empty()


class Refusing(MemoryBus):
    """Gives nobody commands."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def consume(self, lease: Lease, deliver: Deliver) -> Consumption:
        self.asked += 1
        raise Unavailable("somebody else's consumer is in the way")


async def test_what_nobody_can_consume_is_tried_again_only_after_a_while() -> None:
    bus, clock, came = Refusing(), SystemClock(), asyncio.Queue[Delivery]()
    leases, members = MemoryLeases(clock, ttl=TTL).of(ME), MemoryMembers(clock, ttl=TTL)
    shares = shares_of(Substrate(MemoryLog(), bus, leases, members, MemoryLive(), stores_in_memory()), came.put_nowait)
    told = asyncio.ensure_future(members.changed())
    for _ in range(5):
        await shares.share()
    assert bus.asked == bus.partitions
    assert not told.done()
    assert await leases.holders() == {}
    await asyncio.sleep(TTL)
    await shares.share()
    told.cancel()

    assert bus.asked == 2 * bus.partitions

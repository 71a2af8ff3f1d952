"""A worker's shares, where what it does about one partition is overtaken by what happens to it meanwhile."""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from agent_runtime_framework.events import AgentKey, ConversationId, MemoryLog, MemoryRecords, Unavailable, WriterId
from agent_runtime_framework.runtime.bus import Consumption, Deliver, Delivery, MemoryBus, partition_of
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.feed import MemoryFeed
from agent_runtime_framework.runtime.leases import Key, Lease, MemoryLeases
from agent_runtime_framework.runtime.live import MemoryLive
from agent_runtime_framework.runtime.members import Member, MemoryMembers
from agent_runtime_framework.runtime.ownership import Conversations, Shares
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


def shares_of(
    substrate: Substrate, deliver: Callable[[Delivery], None], conversations: Conversations | None = None
) -> Shares:
    return Shares(
        [AGENT],
        substrate,
        clock=SystemClock(),
        deliver=deliver,
        conversations=conversations or Nothing(),
        member=lambda: Member(worker=ME, agents=(AGENT,)),
        grace=1.0,
    )


@pytest.mark.parametrize("away", [True, False])
async def test_a_partition_that_is_lost_while_its_commands_are_asked_for_is_another_workers(away: bool) -> None:
    bus, clock, came = HeldUp(), SystemClock(), asyncio.Queue[Delivery]()
    bus.away = away
    leases = MemoryLeases(clock, ttl=TTL)
    mine, theirs = leases.of(ME), leases.of(OTHER)
    substrate = Substrate(
        MemoryLog(),
        bus,
        mine,
        MemoryMembers(clock, ttl=TTL),
        MemoryLive(),
        stores_in_memory(),
        MemoryFeed(MemoryRecords()),
    )
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
    shares = shares_of(
        Substrate(MemoryLog(), bus, leases, members, MemoryLive(), stores_in_memory(), MemoryFeed(MemoryRecords())),
        came.put_nowait,
    )
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


class Letting(Nothing):
    """Is what runs in conversations, and counts how often it is let go of."""

    def __init__(self) -> None:
        self.let_go_of: list[Key] = []

    async def let_go(self, key: Key) -> int:
        self.let_go_of.append(key)
        return 1


class Slow(MemoryLeases):
    """Gives a lease out again only when it may."""

    def __init__(self, clock: SystemClock, *, ttl: float) -> None:
        super().__init__(clock, ttl=ttl)
        self.lapsed = True
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    async def renew(self, lease: Lease) -> bool:
        return not self.lapsed

    async def acquire(self, agent: AgentKey, partition: int) -> Lease | None:
        if (agent, partition) in self._held:
            self.asked.set()
            await self.may.wait()
        return await super().acquire(agent, partition)


@pytest.mark.parametrize("between", [True, False], ids=["another had it", "nobody had it"])
async def test_a_lease_that_is_taken_again_keeps_what_runs_unless_another_had_it_in_between(between: bool) -> None:
    bus, clock, letting = MemoryBus(partitions=1), SystemClock(), Letting()
    leases, members = Slow(clock, ttl=TTL), MemoryMembers(clock, ttl=60)
    substrate = Substrate(
        MemoryLog(), bus, leases, members, MemoryLive(), stores_in_memory(), MemoryFeed(MemoryRecords())
    )
    shares = shares_of(substrate, print, letting)
    await shares.share()
    keeping = asyncio.ensure_future(shares.keep())
    await leases.asked.wait()
    if between:
        await bus.consume(Lease(AGENT, 0, epoch=50), print)
    leases._epochs = itertools.count(100)
    await asyncio.sleep(TTL)
    leases.lapsed = False
    leases.may.set()
    async with asyncio.timeout(10):
        while (await leases.holders()).get((AGENT, 0)) is None:  # noqa: ASYNC110  it is taken silently
            await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.wait([keeping])

    assert letting.let_go_of == ([(AGENT, 0)] if between else [])
    assert shares.owns(AGENT, CHAT)

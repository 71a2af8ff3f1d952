"""A process's connection to the world: the ports as it sees them, slow and lossy as its seed has it.

All that is known of the ports is in this module and in `World`.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from ....events import AckLost, AgentKey, ConversationId, FrameLog, Unavailable, WriterId
from ...bus import Consumption, Deliver, Delivery
from ...feed import MemoryFeed
from ...leases import Lease
from ...live import Listener
from ...looking import after_each
from ...members import Member
from ...secret_keys import in_process
from ...snapshots import ConversationSnapshots
from ...substrate import Substrate, stores_in_memory
from .loop import Process
from .world import CONVERSATION, World

T = TypeVar("T")

TIMEOUT = 1.0
"""Seconds after which a request that nobody answers is given up."""

BEHIND = (0.1, 0.3, 0.7)
"""Seconds in which a server that is behind has caught up."""

KEY = bytes(32)
"""What the secrets of a simulation are sealed under: its logs are the same each time."""

KEPT_EVERY = 5
"""Events after which a conversation is kept anew: a few turns, since conversations are short here."""

SLOW_ANSWERS = 0.3
"""How many answers are not there as soon as the server has acted."""


class Connection:
    """Is what all ports of a process have in common; `reads` says that it is to change nothing."""

    def __init__(self, world: World, process: Process, writer: WriterId, *, reads: bool = False) -> None:
        self.world = world
        self.process = process
        self.reads = reads
        self._away = 0.0
        log = FrameLog(_Records(self), again=after_each(BEHIND), vault=world.vault)
        self.substrate = Substrate(
            log,
            _Bus(self),
            _Leases(self, writer),
            _Members(self),
            _Live(self),
            stores_in_memory(),
            MemoryFeed(world.records),
            vault=world.vault,
            secrets=in_process(KEY),
            snapshots=ConversationSnapshots(_Parts(self), log, world.vault, versions=KEPT_EVERY),
        )

    def latency(self) -> float:
        """Return how long a message takes: nearly nothing, and now and then a while."""
        return float(self.world.random.random() ** 6) * 0.05

    async def request(
        self, what: str, act: Callable[[], T], *, lost: type[Exception] = Unavailable, changes: str = ""
    ) -> T:
        """Let the world act; whatever may happen to a request happens to this one.

        `changes` names the conversation that the request is to change, where it is.
        """
        world, loop = self.world, self.world.loop
        if world.closed:
            raise Unavailable("the simulation is over")
        if changes and self.reads:
            world.checker.wrote(changes, f"asked to {what}")
        name = f"{what} of {self.process.name}"
        if world.faults.strikes("away", name):
            self._away = loop.time() + world.random.uniform(0.3, 5)
        if loop.time() < self._away and world.faults.active:
            await asyncio.sleep(min(self._away - loop.time(), TIMEOUT))
            raise lost("the connection is away")
        await asyncio.sleep(self.latency())
        if world.faults.strikes("slow", name):
            await asyncio.sleep(world.random.uniform(0.1, 3))
        if world.faults.strikes("request_lost", name):
            await asyncio.sleep(TIMEOUT)
            raise lost("the request was lost")
        if world.closed:
            raise Unavailable("the simulation is over")
        result = act()
        if world.faults.strikes("ack_lost", name):
            await asyncio.sleep(TIMEOUT)
            raise lost("the answer was lost")
        if world.random.random() < SLOW_ANSWERS:
            await asyncio.sleep(self.latency())
        return result


class _Records:
    """Are the records as this process reaches them."""

    def __init__(self, connection: Connection) -> None:
        self._to = connection

    async def put(self, conversation: ConversationId, data: bytes, *, id: str, expected: int) -> int:  # noqa: A002
        world = self._to.world
        CONVERSATION.set(conversation)
        if world.faults.strikes("append_late", f"append of {self._to.process.name}"):
            world.act(lambda: _later(world, conversation, data, id, expected))
            await asyncio.sleep(TIMEOUT)
            raise AckLost
        return await self._to.request(
            "append", lambda: world.put(conversation, data, id, expected), lost=AckLost, changes=conversation
        )

    async def get(self, conversation: ConversationId, after: int) -> AsyncIterator[tuple[int, bytes]]:
        CONVERSATION.set(conversation)

        async def every() -> list[tuple[int, bytes]]:
            until = self._until()
            return [one async for one in self._to.world.records.get(conversation, after) if one[0] <= until]

        for one in await self._to.request("read", lambda: self._to.world.act(every)):
            yield one

    async def last(self, conversation: ConversationId) -> tuple[int, bytes] | None:
        world = self._to.world
        until = self._until()

        async def last() -> tuple[int, bytes] | None:
            every = [one async for one in world.records.get(conversation, 0) if one[0] <= until]
            return every[-1] if every else None

        return await self._to.request("last", lambda: world.act(last))

    def _until(self) -> int:
        """Return up to which position a server that answers reads knows, which may be one that is behind."""
        world = self._to.world
        if world.faults.strikes("stale_read", self._to.process.name):
            return world.position_at(world.loop.time() - world.random.uniform(0, 1))
        return 1 << 60

    async def lasts(self) -> AsyncIterator[tuple[ConversationId, int, bytes]]:
        async def every() -> list[tuple[ConversationId, int, bytes]]:
            return [one async for one in self._to.world.records.lasts()]

        for one in await self._to.request("list", lambda: self._to.world.act(every)):
            yield one


async def _later(world: World, conversation: ConversationId, data: bytes, id_: str, expected: int) -> None:
    """Let an append arrive when its sender has given it up, perhaps long ago; only the fence makes that harmless."""

    def arrive() -> None:
        if not world.closed:
            try:
                world.put(conversation, data, id_, expected)
            except Exception as refused:  # noqa: BLE001  nobody hears of it any more
                world.faults.happened("append_late", f"refused: {type(refused).__name__}")

    world.loop.call_later(world.random.uniform(0.2, 6), arrive)


class _Parts:
    """Are the parts of snapshots as this process reaches them."""

    def __init__(self, connection: Connection) -> None:
        self._to = connection

    async def get(self, conversation: ConversationId) -> list[tuple[int, bytes]]:
        parts, act = self._to.world.parts, self._to.world.act
        return await self._to.request("open", lambda: act(lambda: parts.get(conversation)))

    async def put(self, conversation: ConversationId, data: bytes, expected: int) -> int:
        parts, act = self._to.world.parts, self._to.world.act
        return await self._to.request(
            "keep", lambda: act(lambda: parts.put(conversation, data, expected)), changes=conversation
        )

    async def remove(self, conversation: ConversationId, position: int) -> None:
        parts, act = self._to.world.parts, self._to.world.act
        await self._to.request("remove", lambda: act(lambda: parts.remove(conversation, position)))

    async def erase(self, conversation: ConversationId) -> int:
        parts, act = self._to.world.parts, self._to.world.act
        return await self._to.request("erase", lambda: act(lambda: parts.erase(conversation)))


class _Bus:
    """Is the bus as this process reaches it."""

    def __init__(self, connection: Connection) -> None:
        self._to = connection
        self.partitions = connection.world.bus.partitions

    async def publish(self, agent: AgentKey, conversation: ConversationId, data: bytes, *, id: str) -> bool:  # noqa: A002
        world = self._to.world
        known = f"{id}-{world.loop.time()}" if world.faults.strikes("id_forgotten", id) else id

        def act() -> bool:
            return world.act(lambda: world.bus.publish(agent, conversation, data, id=known))

        found = await self._to.request("publish", act, changes=conversation)
        world.acknowledged(conversation, data)
        return found

    async def consume(self, lease: Lease, deliver: Deliver) -> Consumption:
        world, flow = self._to.world, _Flow(self._to, deliver)
        opened = await self._to.request("consume", lambda: world.act(lambda: world.bus.consume(lease, flow.carry)))
        return flow.over(opened)


class _Flow:
    """Carries commands to the process, in order unless it does not."""

    def __init__(self, connection: Connection, deliver: Deliver) -> None:
        self._to = connection
        self._deliver = deliver
        self._inner: Consumption | None = None
        self._next = 0.0
        self._stopped = False

    def over(self, inner: Consumption) -> "_Flow":
        self._inner = inner
        return self

    def carry(self, delivery: Delivery) -> None:
        """Let a command arrive, in the context of the process."""
        faults, name = self._to.world.faults, self._to.process.name
        self._arrive(delivery, 0.5 if faults.strikes("reordered", name) else None)
        if faults.strikes("duplicate", name):
            self._arrive(delivery, self._to.world.random.uniform(0, 2))
        if faults.strikes("redelivered", name):
            self._arrive(delivery, 8)

    def _arrive(self, delivery: Delivery, late: float | None) -> None:
        loop = self._to.world.loop
        when = loop.time() + self._to.latency()
        if late is None:
            when = self._next = max(when, self._next + 1e-6)
        else:
            when += late
        loop.call_at(when, self._hand, _Delivery(self._to, delivery), context=self._to.process.context)

    def _hand(self, delivery: "_Delivery") -> None:
        if not self._stopped and not self._to.world.closed:
            CONVERSATION.set(delivery.conversation)  # what it owes may go on with nothing read or stored before
            self._deliver(delivery)

    async def lost(self) -> bool:
        if self._inner is None:
            raise RuntimeError("nothing is consumed yet")
        return await self._inner.lost()

    async def stop(self) -> None:
        self._stopped = True
        if self._inner is not None:
            await self._inner.stop()


class _Delivery:
    """Is one command as it came to the process."""

    def __init__(self, connection: Connection, inner: Delivery) -> None:
        self.agent = inner.agent
        self.conversation = inner.conversation
        self.data = inner.data
        self._to = connection
        self._inner = inner

    async def ack(self) -> None:
        self._to.world.finished(self.conversation, self.data)
        await self._say("ack", self._inner.ack)

    async def retry(self, delay: float) -> None:
        await self._say("give back", lambda: self._inner.retry(delay))

    async def _say(self, what: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        world = self._to.world
        await self._to.request(what, lambda: world.act(work))


class _Leases:
    """Are the leases as this process reaches them."""

    def __init__(self, connection: Connection, writer: WriterId) -> None:
        self._to = connection
        self._mine = connection.world.leases.of(writer)
        self.ttl = self._mine.ttl

    async def acquire(self, agent: AgentKey, partition: int) -> Lease | None:
        world = self._to.world
        return await self._to.request("acquire", lambda: world.act(lambda: self._mine.acquire(agent, partition)))

    async def renew(self, lease: Lease) -> bool:
        world = self._to.world
        return await self._to.request("renew", lambda: world.act(lambda: self._mine.renew(lease)))

    async def release(self, lease: Lease) -> None:
        world = self._to.world
        await self._to.request("release", lambda: world.act(lambda: self._mine.release(lease)))

    async def holders(self) -> dict[tuple[AgentKey, int], WriterId]:
        world = self._to.world
        return await self._to.request("holders", lambda: world.act(self._mine.holders))


class _Members:
    """Are the members as this process reaches them; that something changed it may not hear."""

    def __init__(self, connection: Connection) -> None:
        self._to = connection

    async def join(self, member: Member) -> None:
        world = self._to.world
        await self._to.request("join", lambda: world.act(lambda: world.members.join(member)))

    async def leave(self, worker: WriterId) -> None:
        world = self._to.world
        await self._to.request("leave", lambda: world.act(lambda: world.members.leave(worker)))

    async def members(self) -> tuple[Member, ...]:
        world = self._to.world
        return await self._to.request("members", lambda: world.act(world.members.members))

    async def notify(self) -> None:
        world = self._to.world
        if not world.closed and not world.faults.strikes("live_lost", self._to.process.name):
            world.loop.call_later(
                self._to.latency(), lambda: world.act(world.members.notify), context=contextvars.Context()
            )

    async def changed(self) -> None:
        await self._to.world.members.changed()


class _Live:
    """Is the live channel as this process reaches it; nobody answers there, so nobody waits."""

    def __init__(self, connection: Connection) -> None:
        self._to = connection

    async def publish(self, conversation: ConversationId, data: bytes) -> None:
        world, name = self._to.world, self._to.process.name
        if world.closed or world.faults.strikes("live_lost", name):
            return

        async def carry() -> None:
            for _ in range(2 if world.faults.strikes("live_doubled", name) else 1):
                world.loop.call_later(self._to.latency(), arrive)

        def arrive() -> None:
            world.act(lambda: world.live.publish(conversation, data))

        world.act(carry)

    @asynccontextmanager
    async def subscribe(self, conversation: ConversationId) -> AsyncIterator[Listener]:
        await self._to.request("subscribe", lambda: None)
        async with self._to.world.live.subscribe(conversation) as heard:
            yield heard

    def listen(self, conversation: ConversationId) -> AbstractAsyncContextManager[Listener]:
        return self._to.world.live.listen(conversation)

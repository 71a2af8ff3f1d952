"""The bus that carries commands from clients to the worker that owns a conversation, and its twin in memory.

A command is kept until it is acknowledged, and acknowledged only when its conversation owes nothing more for it.  So
whatever a dead worker left undone always has an unacknowledged command, which the next owner gets at once and in order.

A command may come more than once, also to the same owner: when the way to the server was lost and found again, all that
is unacknowledged comes anew.  Whoever takes commands knows them by their ids.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol, TypeAlias

from msgspec import Struct

from ..events import AgentKey, ConversationId
from .leases import Lease

PARTITIONS = 16
"""So many parts the conversations of one agent are divided into, each owned by one worker at a time."""

FNV_OFFSET, FNV_PRIME = 0x811C9DC5, 0x01000193

REMEMBERED = 10_000
"""So many ids the bus in memory knows again; a server knows those of a few minutes."""


def fnv1a(text: str) -> int:
    """Return FNV-1a, 32 bits, of the text's bytes: the hash that nats-server partitions by."""
    value = FNV_OFFSET
    for byte in text.encode():
        value = ((value ^ byte) * FNV_PRIME) & 0xFFFFFFFF
    return value


@lru_cache(maxsize=10_000)  # it is asked for again and again of whoever is spoken to
def partition_of(conversation: ConversationId, partitions: int = PARTITIONS) -> int:
    """Return which of so many partitions of its agent a conversation belongs to, counted from 0."""
    return fnv1a(conversation) % partitions


class Delivery(Protocol):
    """Is one command, handed to the owner of its partition."""

    @property
    def agent(self) -> AgentKey:
        """The agent that it was sent to."""

    @property
    def conversation(self) -> ConversationId:
        """The conversation that it is for."""

    @property
    def data(self) -> bytes:
        """The command, encoded by `runtime.wire`."""

    async def ack(self) -> None:
        """Say that the conversation owes nothing more for it; it comes again only if the server did not hear this."""

    async def retry(self, delay: float) -> None:
        """Give it back, to come again after `delay` seconds, behind those that came meanwhile."""


Deliver: TypeAlias = Callable[[Delivery], None]
"""Takes one command and returns at once; it never raises."""


class Consumption(Protocol):
    """Is the flow of commands of one lease."""

    async def lost(self) -> bool:
        """Wait until nothing more comes; return True if a newer lease took over, False if it was stopped."""

    async def stop(self) -> None:
        """Take no more; what was delivered and not acknowledged comes again to the next owner."""


class Bus(Protocol):
    """Carries commands."""

    @property
    def partitions(self) -> int:
        """How many parts the conversations of one agent are divided into."""

    async def publish(self, agent: AgentKey, conversation: ConversationId, data: bytes, *, id: str) -> bool:  # noqa: A002
        """Store a command; return True if one of this `id` was stored a short time ago, and this one was not.

        An id counts in its conversation; another conversation may use it too.

        Raises:
            TooLarge: the server takes no message of that size.
            Unavailable: it is not known to be stored; publishing it again under the same id is safe.

        """

    async def consume(self, lease: Lease, deliver: Deliver) -> Consumption:
        """Call `deliver` with each command of the lease's partition, in order, unacknowledged ones of old owners first.

        Whoever consumed under an older lease of that partition gets nothing more, and its late acknowledgements are
        ignored.  Where a newer lease consumes already, the consumption returned is lost from the start.  Consuming
        again under the same lease replaces the first consumption.

        Raises:
            Unavailable: the server did not answer; the same call may be made again.

        """


class _Command(Struct, frozen=True):
    number: int
    agent: AgentKey
    conversation: ConversationId
    data: bytes


class _Partition:
    """Is what the bus in memory keeps of one partition: what is unacknowledged, by arrival, and who consumes it."""

    def __init__(self) -> None:
        self.kept: dict[int, _Command] = {}
        self.epoch = 0
        self.flow: _Flow | None = None


class _Flow:
    """Hands the commands of a partition to one owner, each in a turn of the loop of its own."""

    def __init__(self, lease: Lease, partition: _Partition, deliver: Deliver) -> None:
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[bool] = self._loop.create_future()
        self._partition = partition
        self._deliver = deliver
        self.epoch = lease.epoch

    def offer(self, command: _Command, delay: float = 0) -> None:
        if delay > 0:
            self._loop.call_later(delay, self._hand, command)
        else:
            self._loop.call_soon(self._hand, command)

    def _hand(self, command: _Command) -> None:
        if not self._end.done() and command.number in self._partition.kept:
            self._deliver(_MemoryDelivery(command, self))

    def forget(self, command: _Command) -> None:
        if self.epoch == self._partition.epoch:
            self._partition.kept.pop(command.number, None)

    def finish(self, *, lost: bool) -> None:
        if not self._end.done():
            self._end.set_result(lost)

    async def lost(self) -> bool:
        return await asyncio.shield(self._end)

    async def stop(self) -> None:
        self.finish(lost=False)


class _MemoryDelivery:
    def __init__(self, command: _Command, flow: _Flow) -> None:
        self.agent = command.agent
        self.conversation = command.conversation
        self.data = command.data
        self._command = command
        self._flow = flow

    async def ack(self) -> None:
        self._flow.forget(self._command)

    async def retry(self, delay: float) -> None:
        self._flow.offer(self._command, delay)


class MemoryBus:
    """Carries commands within one process, on one event loop.

    >>> import asyncio
    >>> from agent_runtime_framework.events import AgentKey, ConversationId
    >>> from agent_runtime_framework.runtime.bus import MemoryBus, partition_of
    >>> from agent_runtime_framework.runtime.leases import Lease
    >>> async def main() -> bytes:
    ...     bus, agent, conversation = MemoryBus(), AgentKey("a"), ConversationId("c-1")
    ...     came = asyncio.Queue()
    ...     await bus.consume(Lease(agent, partition_of(conversation), epoch=1), came.put_nowait)
    ...     await bus.publish(agent, conversation, b"hello", id="m-1")
    ...     delivery = await came.get()
    ...     await delivery.ack()
    ...     return delivery.data
    >>> asyncio.run(main())
    b'hello'
    """

    def __init__(self, *, partitions: int = PARTITIONS) -> None:
        self.partitions = partitions
        self._kept: dict[tuple[AgentKey, int], _Partition] = {}
        self._ids: dict[tuple[AgentKey, ConversationId, str], None] = {}
        self._stored = 0

    def _partition(self, agent: AgentKey, partition: int) -> _Partition:
        return self._kept.setdefault((agent, partition), _Partition())

    async def publish(self, agent: AgentKey, conversation: ConversationId, data: bytes, *, id: str) -> bool:  # noqa: A002
        """Store a command; return whether its id was known; see `Bus.publish`."""
        key = (agent, conversation, id)
        if key in self._ids:
            return True
        self._ids[key] = None
        if len(self._ids) > REMEMBERED:
            del self._ids[next(iter(self._ids))]
        self._stored += 1
        command = _Command(self._stored, agent, conversation, data)
        partition = self._partition(agent, partition_of(conversation, self.partitions))
        partition.kept[command.number] = command
        if partition.flow is not None:
            partition.flow.offer(command)
        return False

    def waiting(self, conversation: ConversationId) -> dict[int, bytes]:
        """Return the commands of a conversation that nobody acknowledged, by number."""
        kept = [command for partition in self._kept.values() for command in partition.kept.values()]
        return {command.number: command.data for command in kept if command.conversation == conversation}

    def remove(self, number: int) -> None:
        """Take away a command; nobody is given it again."""
        for partition in self._kept.values():
            partition.kept.pop(number, None)

    async def consume(self, lease: Lease, deliver: Deliver) -> Consumption:
        """Call `deliver` with each command of the lease's partition; see `Bus.consume`."""
        partition = self._partition(lease.agent, lease.partition)
        flow = _Flow(lease, partition, deliver)
        if lease.epoch < partition.epoch:
            flow.finish(lost=True)
            return flow
        if partition.flow is not None:
            partition.flow.finish(lost=lease.epoch > partition.epoch)
        partition.epoch, partition.flow = lease.epoch, flow
        for command in partition.kept.values():
            flow.offer(command)
        return flow

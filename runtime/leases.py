"""Who owns which partition of which agent, for how long, and the twin in memory.

A lease ends by itself when it is not renewed.  It only decides who works; that two workers who both believe they own a
conversation cannot harm it is the log's doing.
"""

from typing import Protocol

from msgspec import Struct

from ..events import AgentKey
from .clock import Clock

LEASE_TTL = 2.0
"""Seconds that a lease lives without being renewed."""


class Lease(Struct, frozen=True):
    """Is the right to work on one partition of one agent; `epoch` grows with each new owner."""

    agent: AgentKey
    partition: int
    epoch: int


class Leases(Protocol):
    """Gives leases out, one holder a partition.

    Every method raises `Unavailable` where the server does not answer; whether it acted is then not known, and the same
    call may be made again.
    """

    @property
    def ttl(self) -> float:
        """Seconds after which a lease that is not renewed is gone."""

    async def acquire(self, agent: AgentKey, partition: int) -> Lease | None:
        """Take the lease, or return None if somebody holds it."""

    async def renew(self, lease: Lease) -> bool:
        """Hold it for another `ttl`; False means that it is lost."""

    async def release(self, lease: Lease) -> None:
        """Give it back at once; nothing happens if it is lost already."""


class MemoryLeases:
    """Gives leases out within one process; all workers share one instance.

    >>> import asyncio
    >>> from agent_runtime_framework.events import AgentKey
    >>> from agent_runtime_framework.runtime.clock import SystemClock
    >>> from agent_runtime_framework.runtime.leases import MemoryLeases
    >>> leases = MemoryLeases(SystemClock())
    >>> asyncio.run(leases.acquire(AgentKey("a"), 3))
    Lease(agent='a', partition=3, epoch=1)
    >>> asyncio.run(leases.acquire(AgentKey("a"), 3)) is None
    True
    """

    def __init__(self, clock: Clock, *, ttl: float = LEASE_TTL) -> None:
        self.ttl = ttl
        self._clock = clock
        self._given = 0
        self._held: dict[tuple[AgentKey, int], tuple[Lease, float]] = {}

    async def acquire(self, agent: AgentKey, partition: int) -> Lease | None:
        """Take the lease, or return None if somebody holds it."""
        if self._holder(agent, partition) is not None:
            return None
        self._given += 1
        lease = Lease(agent, partition, self._given)
        self._hold(lease)
        return lease

    async def renew(self, lease: Lease) -> bool:
        """Hold it for another `ttl`; False means that it is lost."""
        if self._holder(lease.agent, lease.partition) != lease:
            return False
        self._hold(lease)
        return True

    async def release(self, lease: Lease) -> None:
        """Give it back at once; nothing happens if it is lost already."""
        if self._holder(lease.agent, lease.partition) == lease:
            del self._held[lease.agent, lease.partition]

    def _hold(self, lease: Lease) -> None:
        self._held[lease.agent, lease.partition] = (lease, self._clock.monotonic() + self.ttl)

    def _holder(self, agent: AgentKey, partition: int) -> Lease | None:
        lease, until = self._held.get((agent, partition), (None, 0.0))
        return lease if self._clock.monotonic() < until else None

"""Who owns which partition of which agent, for how long, and the twin in memory.

A lease ends by itself when it is not renewed.  It only decides who works; that two workers who both believe they own a
conversation cannot harm it is the log's doing.
"""

import copy
import itertools
from collections.abc import Collection, Mapping
from typing import Protocol, TypeAlias

from msgspec import Struct

from ..events import AgentKey, WriterId
from .clock import Clock

LEASE_TTL = 2.0
"""Seconds that a lease lives without being renewed."""

NAMED = 5
"""So many of the other agents are named to whom speaks to one that nobody answers for."""

MEMORY = WriterId("memory")
"""The one holder of leases in memory, where their users do not tell each other apart."""


def unanswered(agent_key: str, workers: Mapping[AgentKey, Collection[WriterId]]) -> str:
    """Return that no worker answers for the agent, and for which others one does; empty if one does for it."""
    if agent_key in workers:
        return ""
    others = sorted(workers)
    named = ", ".join(others[:NAMED]) + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")
    return f"no worker answers for agent {agent_key!r} now{named and f', only for {named}'}"


Key: TypeAlias = tuple[AgentKey, int]
"""Names a partition: of which agent, and which."""


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

    async def holders(self) -> dict[tuple[AgentKey, int], WriterId]:
        """Return who holds which partition of which agent now; what nobody holds is not there."""


class MemoryLeases:
    """Gives leases out within one process; all workers share one instance, or each has its own `of` it.

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
        self.holder = MEMORY
        self._clock = clock
        self._epochs = itertools.count(1)
        self._held: dict[tuple[AgentKey, int], tuple[Lease, WriterId, float]] = {}

    def of(self, holder: WriterId) -> "MemoryLeases":
        """Return another worker's way to the same leases."""
        other = copy.copy(self)
        other.holder = holder
        return other

    async def acquire(self, agent: AgentKey, partition: int) -> Lease | None:
        """Take the lease, or return None if somebody holds it."""
        if self._lease(agent, partition) is not None:
            return None
        lease = Lease(agent, partition, next(self._epochs))
        self._hold(lease)
        return lease

    async def renew(self, lease: Lease) -> bool:
        """Hold it for another `ttl`; False means that it is lost."""
        if self._lease(lease.agent, lease.partition) != lease:
            return False
        self._hold(lease)
        return True

    async def release(self, lease: Lease) -> None:
        """Give it back at once; nothing happens if it is lost already."""
        if self._lease(lease.agent, lease.partition) == lease:
            del self._held[lease.agent, lease.partition]

    async def holders(self) -> dict[tuple[AgentKey, int], WriterId]:
        """Return who holds which partition of which agent now; what nobody holds is not there."""
        return {key: holder for key, (_, holder, _) in self._held.items() if self._lease(*key) is not None}

    def _hold(self, lease: Lease) -> None:
        self._held[lease.agent, lease.partition] = (lease, self.holder, self._clock.monotonic() + self.ttl)

    def _lease(self, agent: AgentKey, partition: int) -> Lease | None:
        lease, _, until = self._held.get((agent, partition), (None, None, 0.0))
        return lease if self._clock.monotonic() < until else None

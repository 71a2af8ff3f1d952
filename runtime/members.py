"""Which workers are there now, and the twin in memory.

A worker is a member for as long as it says so again and again; whoever dies is none any more a little later.  From the
members each worker reckons by itself which partitions are its own, and all come to the same: by rendezvous hashing,
where a worker that comes or goes moves no partition but those that it gains or loses.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from ..events import AgentKey, WriterId
from .clock import Clock
from .leases import LEASE_TTL


class Member(Struct, frozen=True, kw_only=True):
    """Is a worker that is there.

    Attributes:
        worker: its name.
        agents: the keys of those that it answers for.
        host: the name of its machine; empty if it is not known.
        pid: of its process; 0 likewise.
        since: when it came, in Unix milliseconds.
        turns: how many were in progress when it last said so.
        waiting: how many conversations waited for their turn to begin.
        declines: partitions that it leaves to others if they take them, each as `agent.partition`; something in them
            needs a newer release, or another version of its journey.
        versions: of each of those agents the versions of its journeys, by their hashes, the front's first; one of an
            older release does not say.

    """

    worker: WriterId
    agents: tuple[AgentKey, ...]
    host: str = ""
    pid: int = 0
    since: int = 0
    turns: int = 0
    waiting: int = 0
    declines: tuple[str, ...] = ()
    versions: Mapping[AgentKey, tuple[str, ...]] = {}


class Members(Protocol):
    """Knows the workers.

    Every method raises `Unavailable` where the server does not answer; the same call may be made again.
    """

    async def join(self, member: Member) -> None:
        """Be a member for another `LEASE_TTL` seconds, as told here."""

    async def leave(self, worker: WriterId) -> None:
        """Be none any more, at once; nothing happens if it is none.

        A `join` that is under way then may make it one again, until the end of its life there.
        """

    async def members(self) -> tuple[Member, ...]:
        """Return all that are there now, by name."""

    async def notify(self) -> None:
        """Let all members know that something may have changed: who is there, or which lease is free."""

    async def changed(self) -> None:
        """Wait until somebody says so; it may be missed, so nobody waits for it alone."""


class MemoryMembers:
    """Knows the workers of one process.

    >>> import asyncio
    >>> from agent_runtime_framework.events import AgentKey, WriterId
    >>> from agent_runtime_framework.runtime.clock import SystemClock
    >>> from agent_runtime_framework.runtime.members import Member, MemoryMembers
    >>> async def main():
    ...     members = MemoryMembers(SystemClock())
    ...     await members.join(Member(worker=WriterId("w-1"), agents=(AgentKey("a"),)))
    ...     return [member.worker for member in await members.members()]
    >>> asyncio.run(main())
    ['w-1']
    """

    def __init__(self, clock: Clock, *, ttl: float = LEASE_TTL) -> None:
        self._ttl = ttl
        self._clock = clock
        self._there: dict[WriterId, tuple[Member, float]] = {}
        self._change = asyncio.Event()

    async def join(self, member: Member) -> None:
        """Be a member for another `ttl`."""
        self._there[member.worker] = (member, self._clock.monotonic() + self._ttl)

    async def leave(self, worker: WriterId) -> None:
        """Be none any more, at once."""
        self._there.pop(worker, None)

    async def members(self) -> tuple[Member, ...]:
        """Return all that are there now, by name."""
        now = self._clock.monotonic()
        return tuple(member for _, (member, until) in sorted(self._there.items()) if now < until)

    async def notify(self) -> None:
        """Let all members know that something may have changed."""
        self._change.set()
        self._change = asyncio.Event()

    async def changed(self) -> None:
        """Wait until somebody says so."""
        await self._change.wait()


def preferred(agent: AgentKey, partition: int, members: Iterable[Member]) -> WriterId | None:
    """Return which of these workers should own a partition; None if none of them has that agent.

    One that declines it is only chosen where all do.

    >>> from agent_runtime_framework.runtime.members import Member, preferred
    >>> here = [Member(worker=f"w-{number}", agents=("a",)) for number in range(3)]
    >>> [preferred("a", partition, here) for partition in range(4)]
    ['w-0', 'w-1', 'w-1', 'w-0']
    >>> preferred("b", 0, here) is None
    True
    """
    having = [member for member in members if agent in member.agents]
    willing = [member for member in having if partition_name(agent, partition) not in member.declines]
    workers = (member.worker for member in willing or having)
    return max(workers, key=lambda worker: _weight(agent, partition, worker), default=None)


def would_take(agent: AgentKey, partition: int, version: str, members: Iterable[Member]) -> bool:
    """Say whether one of these workers has this version of a journey of the agent, and does not decline the partition.

    >>> from agent_runtime_framework.runtime.members import Member, would_take
    >>> old = Member(worker="w-1", agents=("a",), versions={"a": ("5c1f",)}, declines=("a.3",))
    >>> would_take("a", 2, "5c1f", [old]), would_take("a", 3, "5c1f", [old]), would_take("a", 2, "77d2", [old])
    (True, False, False)
    """
    name = partition_name(agent, partition)
    return any(version in member.versions.get(agent, ()) and name not in member.declines for member in members)


def partition_name(agent: AgentKey, partition: int) -> str:
    """Return what a partition is called where it is declined."""
    return f"{agent}.{partition}"


@lru_cache(maxsize=100_000)  # every worker reckons all of them, again and again
def _weight(agent: AgentKey, partition: int, worker: WriterId) -> bytes:
    return hashlib.blake2b(f"{agent}.{partition}.{worker}".encode(), digest_size=8).digest()

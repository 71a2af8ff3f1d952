"""Who owns which partition of which agent, for how long, and the twin in memory.

A lease ends by itself when it is not renewed.  It only decides who works; that two workers who both believe they own a
conversation cannot harm it is the log's doing.
"""

from typing import Protocol

from msgspec import Struct

from ..events import AgentKey


class Lease(Struct, frozen=True):
    """Is the right to work on one partition of one agent; `epoch` grows with each new owner."""

    agent: AgentKey
    partition: int
    epoch: int


class Leases(Protocol):
    """Gives leases out, one holder a partition."""

    @property
    def ttl(self) -> float:
        """Seconds after which a lease that is not renewed is gone."""

    async def acquire(self, agent: AgentKey, partition: int) -> Lease | None:
        """Take the lease, or return None if somebody holds it."""

    async def renew(self, lease: Lease) -> bool:
        """Hold it for another `ttl`; False means that it is lost."""

    async def release(self, lease: Lease) -> None:
        """Give it back at once; nothing happens if it is lost already."""

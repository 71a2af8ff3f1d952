"""Leases on a key-value bucket whose entries expire by themselves.

An entry's value is the holder, so that an operator sees who owns what.  Taking a lease, renewing it and giving it back
are each one publish at an expected revision, so of all who try one wins.  A lease that expired or was given back leaves
a marker: an entry without a value, whose revision the next owner expects.

The epoch of a lease is the revision that took it.  Each renewal has a revision of its own and repeats the epoch in a
header, so that a holder whose acknowledgement was lost finds its own renewal again.
"""

import asyncio
from collections.abc import Mapping

from msgspec import Struct
from nats.aio.client import Client

from ...events import AgentKey, Unavailable, WriterId
from ..leases import LEASE_TTL, Lease
from .connection import ApiError, publish, request, status
from .entries import entries
from .names import Names

WRONG_REVISION = frozenset({10071, 10164})

EPOCH = "Arf-Epoch"

AT_ONCE = 50
"""So many leases are asked about at once: a worker may have hundreds, and each is to be answered in time."""


class _Entry(Struct, frozen=True):
    """Is the last entry of a key: revision 0 if there is none, epoch 0 if nobody holds it."""

    revision: int
    epoch: int


class NatsLeases:
    """Gives leases out to one worker, for as long as it renews them; used on the event loop of its connection."""

    def __init__(self, client: Client, names: Names, holder: WriterId, *, ttl: float = LEASE_TTL) -> None:
        if ttl < 1:
            raise ValueError(f"a lease of {ttl} seconds cannot be kept: the server takes 1 second or more")
        self.ttl = ttl
        self._client = client
        self._names = names
        self._holder = holder.encode()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._revisions: dict[tuple[AgentKey, int], tuple[Lease, int]] = {}

    async def acquire(self, agent: AgentKey, partition: int) -> Lease | None:
        """Take the lease, or return None if somebody holds it."""
        key = f"{agent}.{partition}"
        last = await self._last(key)
        if last.epoch:
            return None
        revision = await self._put(key, self._holder, {"Nats-TTL": self._lifetime}, last.revision)
        if revision is None:
            return None
        return Lease(agent, partition, revision)

    async def renew(self, lease: Lease) -> bool:
        """Hold it for another `ttl`; False means that it is lost."""
        revision = await self._follow(lease, self._holder, {"Nats-TTL": self._lifetime, EPOCH: str(lease.epoch)})
        if revision is not None:
            self._revisions[lease.agent, lease.partition] = (lease, revision)
        return revision is not None

    async def release(self, lease: Lease) -> None:
        """Give it back at once; nothing happens if it is lost already."""
        await self._follow(lease, b"", {"KV-Operation": "DEL"})

    async def holders(self) -> dict[tuple[AgentKey, int], WriterId]:
        """Return who holds which partition of which agent now; what nobody holds is not there."""
        held: dict[tuple[AgentKey, int], WriterId] = {}
        async for key, entry in entries(self._client, self._names.lease_bucket, "*.*"):
            match key:
                # an entry without a value is a marker
                case [agent, partition] if partition.isdecimal() and entry.data:
                    held[AgentKey(agent), int(partition)] = WriterId(entry.data.decode(errors="replace"))
        return held

    async def _follow(self, lease: Lease, value: bytes, headers: Mapping[str, str]) -> int | None:
        """Put an entry after the lease's last one and return its revision, or None if the lease is lost."""
        key = f"{lease.agent}.{lease.partition}"
        known, revision = self._revisions.get((lease.agent, lease.partition), (lease, lease.epoch))
        put = await self._put(key, value, headers, revision if known == lease else lease.epoch)
        while put is None:  # renewed meanwhile through another connection, or it is lost
            last = await self._last(key)
            if last.epoch != lease.epoch:
                return None
            put = await self._put(key, value, headers, last.revision)
        return put

    async def _put(self, key: str, value: bytes, headers: Mapping[str, str], expected: int) -> int | None:
        """Put an entry if the key's last revision is the expected one; return its revision, or None."""
        guarded = {**headers, "Nats-Expected-Last-Subject-Sequence": str(expected)}
        try:
            async with self._room, asyncio.timeout(self._patience):
                return (await publish(self._client, self._subject(key), value, guarded)).seq
        except TimeoutError as error:
            raise self._unanswered(key) from error
        except ApiError as error:
            if error.code in WRONG_REVISION:
                return None
            raise

    async def _last(self, key: str) -> _Entry:
        subject = f"$JS.API.DIRECT.GET.{self._names.lease_stream}.{self._subject(key)}"
        try:
            async with self._room, asyncio.timeout(self._patience):
                answer = await request(self._client, subject, b"")
        except TimeoutError as error:
            raise self._unanswered(key) from error
        if status(answer) == "404":
            return _Entry(revision=0, epoch=0)
        headers = answer.headers or {}
        revision = int(headers["Nats-Sequence"])
        return _Entry(revision, int(headers.get(EPOCH, revision)) if answer.data else 0)

    @property
    def _lifetime(self) -> str:
        return f"{round(self.ttl * 1000)}ms"

    @property
    def _patience(self) -> float:
        # a holder must hear that the server is silent while there is time left to try again
        return self.ttl / 2

    def _subject(self, key: str) -> str:
        return f"$KV.{self._names.lease_bucket}.{key}"

    def _unanswered(self, key: str) -> Unavailable:
        return Unavailable(f"the NATS server did not answer for lease {key!r} within {self._patience} s; try again")

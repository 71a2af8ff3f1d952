"""Workers that say that they are there: entries of the bucket of leases, which expire by themselves.

A key of one token is a worker, and its value a `Member`; keys of two are leases.  That something changed is told by a
message that no stream keeps.
"""

import asyncio
import logging

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from ...events import Unavailable, WriterId
from ..leases import LEASE_TTL
from ..members import Member
from .connection import ApiError, publish
from .entries import entries
from .names import Names

logger = logging.getLogger("agent_runtime_framework.nats")

MARKER = "60s"
"""How long it stays written that a worker left."""

_member = msgspec.json.Decoder(Member)


class NatsMembers:
    """Knows the workers of a namespace; used on the event loop of its connection."""

    def __init__(self, client: Client, names: Names, *, ttl: float = LEASE_TTL) -> None:
        self._ttl = ttl
        self._client = client
        self._names = names
        self._change = asyncio.Event()
        self._listening = False

    async def join(self, member: Member) -> None:
        """Be a member for another `ttl`."""
        await self._put(member.worker, msgspec.json.encode(member), {"Nats-TTL": f"{round(self._ttl * 1000)}ms"})

    async def leave(self, worker: WriterId) -> None:
        """Be none any more, at once."""
        # the marker ends by itself: no name is ever used again
        await self._put(worker, b"", {"KV-Operation": "DEL", "Nats-TTL": MARKER})

    async def members(self) -> tuple[Member, ...]:
        """Return all that are there now, by name."""
        there: dict[str, Member] = {}
        async for (key, *_), entry in entries(self._client, self._names.lease_bucket, "*"):
            there.pop(key, None)
            try:
                if entry.data:  # one without a value is a marker
                    there[key] = _member.decode(entry.data)
            except msgspec.MsgspecError:
                logger.debug("%s is no member: %.200r", key, entry.data)
        return tuple(member for _, member in sorted(there.items()))

    async def notify(self) -> None:
        """Let all members know that something may have changed; without a server nobody hears it."""
        try:
            await self._client.publish(self._names.change_subject, b"")
        except (nats.errors.Error, OSError) as error:
            logger.debug("members were not told of a change: %s", error)

    async def changed(self) -> None:
        """Wait until somebody says so."""
        change = self._change
        if not self._listening:
            await self._listen()
        await change.wait()

    async def _listen(self) -> None:
        self._listening = True  # from here on: one that is cancelled has subscribed all the same
        try:
            await self._client.subscribe(self._names.change_subject, cb=self._hear)
        except (nats.errors.Error, OSError) as error:
            self._listening = False
            raise Unavailable(f"cannot listen to {self._names.change_subject}: {error}") from error

    async def _hear(self, _message: Msg) -> None:
        self._change.set()
        self._change = asyncio.Event()

    async def _put(self, worker: WriterId, value: bytes, headers: dict[str, str]) -> None:
        try:
            async with asyncio.timeout(self._ttl / 2):
                await publish(self._client, f"$KV.{self._names.lease_bucket}.{worker}", value, headers)
        except TimeoutError as error:
            raise Unavailable(f"the NATS server did not hear in time that {worker!r} is there or leaves") from error
        except ApiError as error:
            raise Unavailable(f"worker {worker!r} cannot say that it is there: {error}") from error

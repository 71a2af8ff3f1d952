"""A store on a JetStream key-value bucket, so that what is kept in it outlives the process.

Every write is one publish at the revision that was read before it.  Where another came first it is read and changed
again, so no change is lost; and a write that reaches the server late, after its connection was lost, overwrites
nothing.

Reads ask the stream's leader, not whichever replica is nearest, so a value that was set is what is got; only a listing
of all values asks the nearest, and may miss what was set a moment ago.

A key is the entry's name in the bucket, with what NATS does not take written as `=` and two hexadecimal digits for each
byte; a very long one is the SHA-256 of it after `==`.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct
from nats.aio.client import Client

from ...actors.journey import StateSerializer
from ...events import Conflict, FrameworkError, TooLarge, Unavailable, check_token
from ..memory import MemoryStore
from .connection import ApiError, api, publish
from .entries import entries
from .keys import overwrite
from .leases import WRONG_REVISION
from .topology import bucket_stream, ensure_memory

ATTEMPTS = 100
"""So often a change is made again because another came first."""

KEY_LIMIT = 512
"""An encoded key above it is replaced by its hash: a server ends a connection that sends it longer lines than 4 KB."""

_SPECIAL = re.compile(rb"[^A-Za-z0-9_/-]|^_")  # names that begin with _kv are the server's own
_ERASE = {"KV-Operation": "PURGE", "Nats-Rollup": "sub"}
_MISSING = frozenset({10037, 10059})  # no such message, no such stream
_HEADER_BYTES = 1_024  # headers count against the server's limit of a message; ours are shorter
_LONGEST_PAUSE = 0.05  # seconds


class _Entry(Struct, frozen=True):
    """Is the last entry of a key: revision 0 if there never was one, no data if there is no value."""

    revision: int = msgspec.field(default=0, name="seq")
    data: bytes = b""


class _Answer(Struct):
    message: _Entry


_decoder = msgspec.json.Decoder(_Answer)


class JetStreamStore(MemoryStore[Any]):
    """Keeps values that JSON can hold in a bucket, which the first write creates; reading creates nothing.

    `client` is a nats-py client that is connected; whoever made it closes it.  `replicas` says on how many servers of a
    cluster a bucket that is created is kept, and `erasable` that what is erased in it can be overwritten on disk.

    >>> import asyncio, nats
    >>> from agent_runtime_framework import JetStreamStore, StateStore
    >>> async def main():
    ...     client = await nats.connect(nats_url)
    ...     states = StateStore(JetStreamStore(client))
    ...     await states.save_state("c-1", "shop", {"step": "cart"})
    ...     state = await states.load_state("c-1", "shop")
    ...     await client.close()
    ...     return state
    >>> asyncio.run(main())
    {'step': 'cart'}
    """

    def __init__(
        self, client: Client, bucket: str = "arf-memory", *, replicas: int = 1, erasable: bool = False
    ) -> None:
        self._client = client
        self._bucket = check_token(bucket, "bucket")
        self._replicas = replicas
        self._erasable = erasable
        self._created = False
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: str) -> Any:
        """Return the value, or None if there is none.

        Raises:
            FrameworkError: what is stored is not JSON.
            Unavailable: the server did not answer.

        """
        return self._decoded(key, (await self._entry(key)).data)

    async def set(self, key: str, value: Any) -> None:
        """Store the value in place of the one that is there.

        Raises:
            TooLarge: it is over what the server takes.
            InvalidInput: it has no JSON form; the message names the path to what has none.
            Unavailable: no acknowledgement came; whether it was stored is not known.

        """
        data = self._encoded(key, value)
        await self._write(key, lambda _: data)

    async def delete(self, key: str) -> None:
        """Remove the value; nothing happens if there is none.

        Raises:
            Unavailable: no acknowledgement came; whether it was removed is not known.

        """
        await self._write(key, lambda _: b"")

    async def erase(self, key: str) -> bool:
        """Remove the value and overwrite its bytes; return False where the bucket does not let these be overwritten.

        What was in place of it before may be on disk in any case.

        Raises:
            Unavailable: no acknowledgement came; the same call may be made again.

        """
        entry = await self._entry(key)
        if entry.revision:
            try:
                await overwrite(self._client, bucket_stream(self._bucket), entry.revision)
            except ApiError:
                await self.delete(key)
                return False
        return True

    async def modify(self, key: str, change: Callable[[Any], Any]) -> None:
        """Store what `change` makes of the value that is there; it is called again when another write came first.

        Raises:
            Conflict: another came first each of many times.
            FrameworkError: what is stored is not JSON.
            TooLarge, InvalidInput, Unavailable: as for `set`.

        """
        await self._write(key, lambda data: self._encoded(key, change(self._decoded(key, data))))

    async def values(self) -> AsyncGenerator[Any, None]:
        """Yield all values, in no order; one that is changed meanwhile may come as it was before and as it is.

        Raises:
            FrameworkError: what is stored is not JSON.
            Unavailable: the server did not answer.

        """
        if not await self._exists():
            return
        async for (key, *_), entry in entries(self._client, self._bucket, "*"):
            if entry.data:  # what was removed leaves an entry without data
                yield self._decoded(key, entry.data)

    async def _exists(self) -> bool:
        try:
            await api(self._client, f"STREAM.INFO.{bucket_stream(self._bucket)}")
        except ApiError as error:
            if error.code in _MISSING:
                return False
            raise
        return True

    async def _write(self, key: str, following: Callable[[bytes], bytes]) -> None:
        """Store what follows the data that are there; no data mean no value, before and after."""
        # whoever writes through this store waits for each other, so that only others can come first
        async with self._turns.setdefault(key, asyncio.Lock()):
            await self._write_in_turn(key, following)

    async def _write_in_turn(self, key: str, following: Callable[[bytes], bytes]) -> None:
        for attempt in range(ATTEMPTS):
            entry = await self._entry(key)
            data = following(entry.data)
            if not data and not entry.data:
                return
            if await self._put(key, data, entry.revision):
                return
            await asyncio.sleep(min(attempt * 0.001, _LONGEST_PAUSE))
        raise Conflict(
            f"key {key!r} of bucket {self._bucket!r} was changed by others {ATTEMPTS} times in a row, each time before "
            "this change was stored; nothing was written, the same call may be made again"
        )

    async def _put(self, key: str, data: bytes, revision: int) -> bool:
        if not self._created:
            await ensure_memory(self._client, self._bucket, replicas=self._replicas, erasable=self._erasable)
            self._created = True
        headers = {"Nats-Expected-Last-Subject-Sequence": str(revision), **({} if data else _ERASE)}
        try:
            await publish(self._client, self._subject(key), data, headers)
        except ApiError as error:
            if error.code in WRONG_REVISION:
                return False
            raise
        except Unavailable:
            self._created = False  # somebody may have removed the bucket: the next write makes it again
            raise
        return True

    async def _entry(self, key: str) -> _Entry:
        query = {"last_by_subj": self._subject(key)}
        try:
            return _decoder.decode(
                await api(self._client, f"STREAM.MSG.GET.{bucket_stream(self._bucket)}", query)
            ).message
        except ApiError as error:
            if error.code in _MISSING:
                return _Entry()
            raise

    def _encoded(self, key: str, value: Any) -> bytes:
        data = msgspec.json.encode(StateSerializer.serialize(value))
        if len(data) > self._client.max_payload - _HEADER_BYTES:
            raise TooLarge(
                f"the value for key {key!r} has {len(data)} bytes, which do not fit: the NATS server takes "
                f"{self._client.max_payload} a message; keep less under one key, or raise the server's max_payload"
            )
        return data

    def _decoded(self, key: str, data: bytes) -> Any:
        try:
            return msgspec.json.decode(data) if data else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise FrameworkError(
                f"key {key!r} of bucket {self._bucket!r} holds what is not JSON ({error}), so no store wrote it; "
                "delete the key, or use another bucket"
            ) from error

    def _subject(self, key: str) -> str:
        return self._subject_of(encoded_key(key))

    def _subject_of(self, entry: str) -> str:
        return f"$KV.{self._bucket}.{entry}"


def encoded_key(key: str) -> str:
    """Return the name of a key's entry in a bucket; no two keys share one."""
    data = key.encode(errors="surrogatepass")
    encoded = _SPECIAL.sub(lambda found: b"=%02X" % found[0][0], data).decode() or "="
    return encoded if len(encoded) <= KEY_LIMIT else f"=={hashlib.sha256(data).hexdigest()}"

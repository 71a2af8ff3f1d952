"""The keys of conversations in a bucket of their own, one message a key.

A key is overwritten by `STREAM.MSG.DELETE`, which writes over the message's bytes on disk; a purge, or a newer message,
would leave them there.  An empty message is the mark that stays.  Reads ask the stream's leader.
"""

import msgspec
from msgspec import Struct
from nats.aio.client import Client

from ...events import Conflict
from .connection import ApiError, api, publish
from .leases import WRONG_REVISION
from .names import Names
from .topology import bucket_stream, ensure_keys, exists

ATTEMPTS = 20

NO_MESSAGE, NO_SEQUENCE, NO_STREAM, DELETE_FAILED = 10037, 10043, 10059, 10057

MARK = b""


class _Entry(Struct, frozen=True):
    seq: int
    data: bytes = MARK


class _Answer(Struct):
    message: _Entry


_decoder = msgspec.json.Decoder(_Answer)


class JetStreamKeys:
    """Keeps wrapped keys in the bucket of a namespace; implements `runtime.vault.Keys`."""

    def __init__(self, client: Client, names: Names, *, replicas: int = 1) -> None:
        self._client = client
        self._names = names
        self._replicas = replicas
        self._stream = bucket_stream(names.key_bucket)

    async def make(self) -> None:
        """Make the bucket; see `Keys.make`."""
        await ensure_keys(self._client, self._names, replicas=self._replicas)

    async def there(self) -> bool:
        """Say whether there is the bucket."""
        return await exists(self._client, self._stream)

    async def get(self, name: str) -> bytes | None:
        """Return what stands under a name; see `Keys.get`."""
        entry = await self._entry(name)
        return None if entry is None else entry.data

    async def add(self, name: str, data: bytes) -> bytes:
        """Store `data` where nothing ever stood; see `Keys.add`."""
        for _ in range(ATTEMPTS):
            if await self._put(name, data):
                return data
            entry = await self._entry(name)
            if entry is not None:
                return entry.data
        raise self._contended(name)

    async def erase(self, name: str) -> bool:
        """Overwrite what stands under a name; see `Keys.erase`."""
        there = False
        for _ in range(ATTEMPTS):
            entry = await self._entry(name)
            if entry is not None and not entry.data:
                return there
            if entry is not None:
                await overwrite(self._client, self._stream, entry.seq)
                there = True
            if await self._put(name, MARK):
                return there
        raise self._contended(name)

    async def _put(self, name: str, data: bytes) -> bool:
        """Store `data` where nothing stands, and say whether that was so."""
        try:
            await publish(self._client, self._subject(name), data, {"Nats-Expected-Last-Subject-Sequence": "0"})
        except ApiError as error:
            if error.code in WRONG_REVISION:
                return False
            raise
        return True

    async def _entry(self, name: str) -> _Entry | None:
        try:
            found = await api(self._client, f"STREAM.MSG.GET.{self._stream}", {"last_by_subj": self._subject(name)})
        except ApiError as error:
            if error.code in (NO_MESSAGE, NO_STREAM):
                return None
            raise
        return _decoder.decode(found).message

    def _subject(self, name: str) -> str:
        return f"$KV.{self._names.key_bucket}.{name}"

    def _contended(self, name: str) -> Conflict:
        return Conflict(f"{self._stream}: {name} was changed by others {ATTEMPTS} times in a row; try again")


async def overwrite(client: Client, stream: str, seq: int) -> bool:
    """Delete one message of a stream and overwrite its bytes on disk; return False if it was gone.

    Raises:
        ApiError: the server refused.
        Unavailable: no answer came; the same call may be made again.

    """
    try:
        await api(client, f"STREAM.MSG.DELETE.{stream}", {"seq": seq})
    except ApiError as error:
        # that it is gone comes under a code that stands for any failure
        if error.code in (NO_MESSAGE, NO_SEQUENCE) or (
            error.code == DELETE_FAILED and "no message found" in error.description
        ):
            return False
        raise
    return True

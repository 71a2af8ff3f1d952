"""Overwriting what is stored of a conversation by `STREAM.MSG.DELETE`; the stream's leader is asked what there is."""

from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct
from nats.aio.client import Client

from ...events import ConversationId
from ..deadletters import DATA_STORE, STORE
from .connection import ApiError, api
from .keys import NO_MESSAGE, NO_STREAM, overwrite
from .names import Names
from .topology import bucket_stream


class _Found(Struct):
    seq: int
    data: bytes = b""


class _Answer(Struct):
    message: _Found


class _Listing(Struct):
    total: int = 0
    streams: list[str] | None = None


_answer = msgspec.json.Decoder(_Answer)
_listing = msgspec.json.Decoder(_Listing)


class JetStreamShredder:
    """Overwrites messages of a namespace; implements `runtime.shredding.Shredder`."""

    def __init__(self, client: Client, names: Names) -> None:
        self._client = client
        self._names = names

    async def frames(self, conversation: ConversationId, before: int) -> AsyncIterator[int]:
        """Overwrite each frame that stands before a position; see `Shredder.frames`."""
        stream = self._names.event_stream(self._names.shard(conversation))
        positions: list[int] = []
        async for found in self._messages(stream, self._names.event_subject(conversation)):
            if found.seq >= before:
                break
            positions.append(found.seq)
        for position in reversed(positions):
            if await overwrite(self._client, stream, position):
                yield position

    async def waiting(self, conversation: ConversationId) -> dict[int, bytes]:
        """Return the commands that wait; see `Shredder.waiting`."""
        subjects = self._names.waiting_filter(conversation)
        return {found.seq: found.data async for found in self._messages(self._names.command_stream, subjects)}

    async def command(self, position: int) -> None:
        """Overwrite a command; see `Shredder.command`."""
        await overwrite(self._client, self._names.command_stream, position)

    async def stores(self) -> tuple[str, ...]:
        """Return the names of the buckets of authors; see `Shredder.stores`."""
        found: list[str] = []
        while True:
            page = _listing.decode(await api(self._client, "STREAM.NAMES", {"offset": len(found)}))
            found += page.streams or []
            if not page.streams or len(found) >= page.total:
                break
        own = {bucket_stream(self._names.memory_bucket(name)) for name in (STORE, DATA_STORE)}
        buckets = (stream.removeprefix("KV_") for stream in found if stream.startswith("KV_") and stream not in own)
        return tuple(sorted(bucket for bucket in buckets if self._names.is_store(bucket)))

    async def _messages(self, stream: str, subject: str) -> AsyncIterator[_Found]:
        after = 0
        while True:
            query = {"seq": after + 1, "next_by_subj": subject}
            try:
                found = _answer.decode(await api(self._client, f"STREAM.MSG.GET.{stream}", query)).message
            except ApiError as error:
                if error.code in (NO_MESSAGE, NO_STREAM):
                    return
                raise
            yield found
            after = found.seq

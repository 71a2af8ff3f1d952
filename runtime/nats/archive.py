"""Every frame of a namespace as the streams have it, with its message id, and what was removed from them.

Whole streams are read through a consumer for the moment.  It has no filter: what was put under
a subject where nobody looks is found, too.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg

from ...events import ConversationId, RawFrame, frame_hash
from ..archive import StreamState
from .client import Connection
from .connection import ApiError, api
from .ephemeral import ephemeral
from .names import Names
from .records import message_id, messages_of, pull

BATCH = 1_000

_NOT_FOUND = 10059


class JetStreamArchive:
    """Gives what is in the event streams of a namespace; `reads` is a connection that no append waits on."""

    def __init__(self, names: Names, reads: Connection) -> None:
        self._names = names
        self._reads = reads

    async def frames(self, conversation: ConversationId) -> AsyncIterator[Sequence[RawFrame]]:
        """Yield the frames of one conversation; see `Archive.frames`."""
        stream = self._names.event_stream(self._names.shard(conversation))
        async for messages in messages_of(self._reads, self._names, conversation, 0):
            yield [
                RawFrame(
                    conversation,
                    int((message.headers or {})["Nats-Sequence"]),
                    message.data,
                    _id(message, conversation),
                    stream,
                )
                for message in messages
            ]

    async def everything(self) -> AsyncGenerator[Sequence[RawFrame], None]:
        """Yield all; see `Archive.everything`."""
        for shard in range(self._names.shards):
            try:
                async with aclosing(self._stream(shard)) as batches:
                    async for messages in batches:
                        yield [self._raw(message, shard) for message in messages]
            except ApiError as error:
                if error.code != _NOT_FOUND:
                    raise

    async def streams(self) -> Sequence[StreamState]:
        """Return the event streams; of one that has all its numbers nothing was removed."""
        names = [self._names.event_stream(shard) for shard in range(self._names.shards)]
        return [StreamState(name, await self._removed(name)) for name in names]

    async def _removed(self, stream: str) -> int | None:
        try:
            state = _info.decode(await api(self._reads, f"STREAM.INFO.{stream}")).state
        except ApiError as error:
            if error.code == _NOT_FOUND:
                return None
            raise
        return state.last_seq - state.messages

    async def _stream(self, shard: int) -> AsyncGenerator[list[Msg], None]:
        stream = self._names.event_stream(shard)
        async with ephemeral(self._reads, stream, "audit", {"deliver_policy": "all"}) as consumer:
            pending = consumer.pending
            while pending > 0:
                found = await pull(self._reads, consumer.subject, min(pending, BATCH))
                yield found
                # none where some were promised: they were removed meanwhile
                pending = pending - len(found) if found else 0

    def _raw(self, message: Msg, shard: int) -> RawFrame:
        conversation = ConversationId(message.subject.rpartition(".")[2])
        tokens = message.reply.split(".")
        # $JS.ACK.<stream>.<consumer>.<delivered>.<sequence>..., or with a domain and an account after ACK
        position = int(tokens[5] if len(tokens) == 9 else tokens[7])
        own = f"{self._names.namespace}.ev.{self._names.shard(conversation)}.{conversation}"
        astray = "" if message.subject == own else message.subject
        stream = self._names.event_stream(shard)
        return RawFrame(conversation, position, message.data, _id(message, conversation), stream, astray)


class _State(Struct):
    messages: int = 0
    last_seq: int = 0


class _Info(Struct):
    state: _State


_info = msgspec.json.Decoder(_Info)


def _id(message: Msg, conversation: ConversationId) -> str | None:
    """Return the hash of the bytes, if the message's id is theirs in this conversation; if not, what that names.

    In older logs the id is `<conversation>.<hash>`.
    """
    id_, hash_ = (message.headers or {}).get("Nats-Msg-Id"), frame_hash(message.data)
    if id_ == message_id(conversation, hash_):
        return hash_
    return None if id_ is None else id_.removeprefix(f"{conversation}.")

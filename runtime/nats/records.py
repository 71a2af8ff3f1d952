"""The records of the event log on JetStream: one message a frame, one subject a conversation, P streams.

A position is the stream's sequence number.  Reads use a connection of their own, since the server answers a batched
Direct Get inline: on the connection of the appends they would wait behind it.
"""

import asyncio
import contextlib
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from ...events import AckLost, ConversationId, PositionMoved, TooLarge, Unavailable
from .client import Connection
from .connection import ApiError, NobodyListens, publish, pulled, request, request_many, status
from .ephemeral import ephemeral
from .in_flight import Forbidden
from .names import Names

BATCH = 1_000
BATCH_BYTES = 8 * 1024 * 1024
"""So much comes in one answer to a read; the next part is asked for when it was taken."""

_ANOTHER_IN_FLIGHT = 10164
_IN_FLIGHT = 0.05  # seconds
_LOOKS, _LOOK = 40, 0.05
"""So often, and after so many seconds each, it is looked whether a consumer that was just made can be asked."""
_POSITION_MOVED = frozenset({10071, _ANOTHER_IN_FLIGHT})
_HEADER_BYTES = 1_024  # headers count against the server's limit of a message; ours are shorter


class JetStreamRecords:
    """Stores bytes in the event streams of a namespace; `appends` and `reads` are two connections to one server."""

    def __init__(self, names: Names, *, appends: Connection, reads: Connection) -> None:
        self._names = names
        self._appends = appends
        self._reads = reads

    async def put(self, conversation: ConversationId, data: bytes, *, id: str, expected: int) -> int:  # noqa: A002
        """Store `data` if the conversation's last position is `expected`; see `Records.put`."""
        if len(data) > self._appends.max_payload - _HEADER_BYTES:
            raise TooLarge(
                f"{len(data)} bytes for {conversation!r} do not fit: the NATS server takes {self._appends.max_payload} "
                "a message; raise its max_payload to at least 1 MB"
            )
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(expected),
            "Nats-Msg-Id": message_id(conversation, id),
        }
        try:
            reply = await publish(self._appends, self._names.event_subject(conversation), data, headers)
        except ApiError as error:
            if error.code == _ANOTHER_IN_FLIGHT:
                # a cluster refuses a second append while it agrees on the first; that takes some milliseconds
                await asyncio.sleep(_IN_FLIGHT)
            if error.code in _POSITION_MOVED:
                raise PositionMoved from error
            raise Unavailable(f"the frame for {conversation!r} was not stored: {error}") from error
        except Forbidden:
            raise
        except Unavailable as error:
            raise AckLost from error
        return reply.seq

    async def get(self, conversation: ConversationId, after: int) -> AsyncIterator[tuple[int, bytes]]:
        """Yield position and bytes of what stands after position `after`, in order."""
        async for messages in messages_of(self._reads, self._names, conversation, after):
            for message in messages:
                yield _position(message), message.data

    async def last(self, conversation: ConversationId) -> tuple[int, bytes] | None:
        """Return position and bytes of what was stored last, or None."""
        subject = self._names.event_subject(conversation)
        stream = self._names.event_stream(self._names.shard(conversation))
        answer = await request(self._reads, f"$JS.API.DIRECT.GET.{stream}.{subject}", b"")
        match status(answer):
            case "":
                return _position(answer), answer.data
            case "404":
                return None
            case other:
                raise Unavailable(f"the last frame of {conversation!r} was not read: {_described(answer, other)}")

    async def lasts(self) -> AsyncGenerator[tuple[ConversationId, int, bytes], None]:
        """Yield the last stored bytes of every conversation, stream by stream.

        A Direct Get of many subjects is refused above 1,024, so this is a consumer for the moment of one listing.
        """
        for shard in range(self._names.shards):
            async with contextlib.aclosing(self._lasts_of(shard)) as messages:
                async for message in messages:
                    tokens = message.reply.split(".")
                    # $JS.ACK.<stream>.<consumer>.<delivered>.<sequence>..., or with a domain and an account after ACK
                    position = int(tokens[5] if len(tokens) == 9 else tokens[7])
                    yield ConversationId(message.subject.rpartition(".")[2]), position, message.data

    async def _lasts_of(self, shard: int) -> AsyncGenerator[Msg, None]:
        stream = self._names.event_stream(shard)
        config = {"deliver_policy": "last_per_subject", "filter_subject": self._names.event_subjects(shard)}
        async with ephemeral(self._reads, stream, "lasts", config) as consumer:
            pending = consumer.pending
            while pending > 0:
                found = await pull(self._reads, consumer.subject, min(pending, BATCH))
                for message in found:
                    yield message
                # none where some were promised: their subjects were purged meanwhile
                pending = pending - len(found) if found else 0


def message_id(conversation: ConversationId, hash_: str) -> str:
    """Return the message id of a conversation's frame whose bytes have this hash: 22 characters for both.

    Ids are one set a stream, and two conversations may have frames of the same bytes.  The server stores an id with its
    message, so it is short: the first 128 bits of a SHA-256, of which no second one is found.
    """
    digest = hashlib.sha256(f"{conversation}.{hash_}".encode()).digest()[:16]
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


async def messages_of(
    client: Client, names: Names, conversation: ConversationId, after: int
) -> AsyncIterator[list[Msg]]:
    """Yield in batches the messages of a conversation's log that stand after position `after`, in order.

    Raises:
        Unavailable: the server did not answer, or refused.

    """
    subject = f"$JS.API.DIRECT.GET.{names.event_stream(names.shard(conversation))}"
    query: dict[str, object] = {
        "next_by_subj": names.event_subject(conversation),
        "batch": BATCH,
        "max_bytes": BATCH_BYTES,
    }
    more = True
    while more:
        payload = msgspec.json.encode({**query, "seq": after + 1})
        *found, end = await request_many(client, subject, payload, ends=_is_status)
        yield found
        after = _position(found[-1]) if found else after
        more = _more(end, conversation)


async def pull(client: Connection, subject: str, batch: int) -> list[Msg]:
    """Return what a consumer gives; in a cluster it takes a moment until every server knows of a new one."""
    payload = msgspec.json.encode({"batch": batch, "max_bytes": BATCH_BYTES, "no_wait": True})
    answers: list[Msg] | None = None
    for _ in range(_LOOKS):
        with contextlib.suppress(NobodyListens):
            answers = await pulled(client, subject, payload, ends=_Counter(batch).ends)
            break
        await asyncio.sleep(_LOOK)
    if answers is None:
        answers = await pulled(client, subject, payload, ends=_Counter(batch).ends)
    return [answer for answer in answers if not _is_status(answer)]


class _Counter:
    """Says when a pull is over: so many messages came, or a status."""

    def __init__(self, wanted: int) -> None:
        self._left = wanted

    def ends(self, answer: Msg) -> bool:
        self._left -= 1
        return self._left == 0 or _is_status(answer)


def _is_status(answer: Msg) -> bool:
    return status(answer) != ""


def _position(message: Msg) -> int:
    return int((message.headers or {})["Nats-Sequence"])


def _more(end: Msg, conversation: str) -> bool:
    match status(end):
        case "204":
            return int((end.headers or {})["Nats-Num-Pending"]) > 0
        case "404":
            return False
        case other:
            raise Unavailable(f"the log of {conversation!r} was not read: {_described(end, other)}")


def _described(answer: Msg, code: str) -> str:
    return f"{code} {(answer.headers or {}).get('Description', '')}".strip()

"""Seals in a stream of their own, which the first one creates; none can be removed from it but by dropping it all."""

from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct
from nats.aio.client import Client

from ...events import PositionMoved, Unavailable, frame_hash
from .connection import ApiError, api, publish, request_many, status
from .leases import WRONG_REVISION
from .names import Names
from .topology import ensure_seals

BATCH, BATCH_BYTES = 1_000, 8 * 1024 * 1024
_NOTHING = frozenset({10037, 10059})
"""No such message, no such stream."""


class NatsSeals:
    """Keeps the seals of a namespace, with so many replicas if it creates their stream."""

    def __init__(self, client: Client, names: Names, *, replicas: int = 1) -> None:
        self._client = client
        self._names = names
        self._replicas = replicas
        self._created = False

    async def all(self) -> AsyncIterator[bytes]:
        """Yield all; see `SealLog.all`."""
        last, _ = await self.last()
        after = 0
        while after < last:
            query = {"next_by_subj": self._names.seal_subject, "batch": BATCH, "max_bytes": BATCH_BYTES}
            payload = msgspec.json.encode({**query, "seq": after + 1})
            subject = f"$JS.API.DIRECT.GET.{self._names.seal_stream}"
            *found, end = await request_many(self._client, subject, payload, ends=lambda answer: status(answer) != "")
            if not found:
                raise Unavailable(f"the seals after position {after} were not read: {status(end)}")
            for message in found:
                after = int((message.headers or {})["Nats-Sequence"])
                yield message.data

    async def last(self) -> tuple[int, bytes]:
        """Return the last one, as the stream's leader has it; see `SealLog.last`."""
        query = {"last_by_subj": self._names.seal_subject}
        try:
            answer = await api(self._client, f"STREAM.MSG.GET.{self._names.seal_stream}", query)
        except ApiError as error:
            if error.code in _NOTHING:
                return 0, b""
            raise
        message = _answer.decode(answer).message
        return message.seq, message.data

    async def append(self, data: bytes, expected: int) -> None:
        """Store a seal; see `SealLog.append`."""
        if not self._created or not expected:  # where there is none, the stream may be gone
            await ensure_seals(self._client, self._names, replicas=self._replicas)
            self._created = True
        headers = {"Nats-Expected-Last-Subject-Sequence": str(expected), "Nats-Msg-Id": frame_hash(data)}
        try:
            await publish(self._client, self._names.seal_subject, data, headers)
        except ApiError as error:
            if error.code in WRONG_REVISION:
                raise PositionMoved from error
            raise
        except Unavailable:
            self._created = False  # somebody may have removed the stream: the next seal makes it again
            raise


class _Message(Struct):
    seq: int
    data: bytes = b""


class _Answer(Struct):
    message: _Message


_answer = msgspec.json.Decoder(_Answer)

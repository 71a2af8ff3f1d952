"""The parts of snapshots in a stream of their own, one subject a conversation, which the first that is stored makes.

They are read by batched Direct Get.  What is taken away is overwritten by `STREAM.MSG.DELETE`; to erase, the stream's
leader is asked what there is, after the mark that lets nothing more in.
"""

import msgspec
from msgspec import Struct
from nats.aio.client import Client

from ...events import ConversationId, PositionMoved, TooLarge, Unavailable
from ..snapshots import MARK
from .connection import ApiError, NobodyListens, api, publish, request_many, status
from .keys import NO_MESSAGE, NO_STREAM, overwrite
from .leases import WRONG_REVISION
from .names import Names
from .records import BATCH, BATCH_BYTES
from .topology import ensure_snapshots

_HEADER_BYTES = 1_024


class _Entry(Struct, frozen=True):
    seq: int
    data: bytes = MARK


class _Answer(Struct):
    message: _Entry


_answer = msgspec.json.Decoder(_Answer)


class JetStreamParts:
    """Stores the parts of a namespace; implements `runtime.snapshots.Parts`.

    `appends` and `reads` are two connections to one server; the stream is made with so many replicas.
    """

    def __init__(self, names: Names, *, appends: Client, reads: Client, replicas: int = 1) -> None:
        self._names = names
        self._stream = names.snapshot_stream
        self._appends = appends
        self._reads = reads
        self._replicas = replicas
        self._made = False

    async def get(self, conversation: ConversationId) -> list[tuple[int, bytes]]:
        """Return what is stored; see `Parts.get`."""
        subject = f"$JS.API.DIRECT.GET.{self._stream}"
        query = {
            "next_by_subj": self._names.snapshot_subject(conversation),
            "batch": BATCH,
            "max_bytes": BATCH_BYTES,
        }
        stored: list[tuple[int, bytes]] = []
        more = True
        while more:
            payload = msgspec.json.encode({**query, "seq": stored[-1][0] + 1 if stored else 1})
            try:
                *found, end = await request_many(self._reads, subject, payload, ends=lambda each: status(each) != "")
            except NobodyListens:
                break  # nothing was ever stored in this namespace
            stored += [(int((each.headers or {})["Nats-Sequence"]), each.data) for each in found]
            if status(end) not in ("204", "404"):
                raise Unavailable(f"the snapshot of {conversation!r} was not read: {status(end)}")
            more = status(end) == "204" and int((end.headers or {})["Nats-Num-Pending"]) > 0
        return stored

    async def put(self, conversation: ConversationId, data: bytes, expected: int) -> int:
        """Store a part; see `Parts.put`."""
        if len(data) > self._appends.max_payload - _HEADER_BYTES:
            raise TooLarge(f"{len(data)} bytes do not fit: the NATS server takes {self._appends.max_payload} a message")
        try:
            return await self._store(conversation, data, {"Nats-Expected-Last-Subject-Sequence": str(expected)})
        except ApiError as error:
            if error.code in WRONG_REVISION:
                raise PositionMoved from error
            raise

    async def remove(self, conversation: ConversationId, position: int) -> None:  # noqa: ARG002  its position says it
        """Overwrite a part."""
        await overwrite(self._appends, self._stream, position)

    async def erase(self, conversation: ConversationId) -> int:
        """Leave the mark, and overwrite what stands before it; see `Parts.erase`."""
        last = await self._found(last_by_subj=self._names.snapshot_subject(conversation))
        if last is None or last.data != MARK:
            mark = await self._store(conversation, MARK, {})
        else:
            mark = last.seq
        removed = after = 0
        while (part := await self._found(next_by_subj=self._names.snapshot_subject(conversation), seq=after + 1)) and (
            part.seq < mark
        ):
            removed += await overwrite(self._appends, self._stream, part.seq) and part.data != MARK
            after = part.seq
        return removed

    async def _store(self, conversation: ConversationId, data: bytes, headers: dict[str, str]) -> int:
        if not self._made:
            await ensure_snapshots(self._appends, self._names, replicas=self._replicas)
            self._made = True
        try:
            return (await publish(self._appends, self._names.snapshot_subject(conversation), data, headers)).seq
        except Unavailable:
            self._made = False  # somebody may have removed the stream: the next part makes it again
            raise

    async def _found(self, **query: object) -> _Entry | None:
        """Return a message as the stream's leader has it, None where there is none."""
        try:
            return _answer.decode(await api(self._appends, f"STREAM.MSG.GET.{self._stream}", query)).message
        except ApiError as error:
            if error.code in (NO_MESSAGE, NO_STREAM):
                return None
            raise

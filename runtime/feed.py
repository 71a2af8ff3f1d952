"""The feed: what is stored of all conversations, stream by stream, for whoever needs all of it and not one of them.

The frames of a namespace stand in some streams, its shards; a conversation is in one of them, in order.  A position
counts what was ever stored in a stream, so it says how far somebody has read, for ever, and where something was taken
out there is a gap.  What a fork has from its ancestors stands in their part of a stream only.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple, Protocol

from ..events import ConversationId, CorruptLog, Keyring, MemoryRecords, Stored, stored_at

BATCH, BATCH_BYTES = 5_000, 8 * 1024 * 1024
"""So many entries, and bytes of them, come at once at most."""


class Entry(NamedTuple):
    """Is what stands at a position of a stream: the bytes of one frame of one conversation, not looked at yet."""

    conversation: ConversationId
    position: int
    data: bytes


class End(NamedTuple):
    """Says where a stream ends now.

    Attributes:
        stream: which one it is; one that was made anew under the same name is another.
        position: of what was stored last, 0 if nothing ever was; what is there may end before it.

    """

    stream: str
    position: int


class Feed(Protocol):
    """Reads whole streams; each generator is closed (`contextlib.aclosing`) by whoever leaves it before its end."""

    @property
    def shards(self) -> int:
        """How many streams there are; they are numbered from 0."""

    async def end(self, shard: int) -> End:
        """Return where a stream ends.

        Raises:
            Unavailable: the server did not answer.

        """

    def read(self, shard: int, after: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield, in batches and in order, what stands after position `after`, up to what was the end at the beginning.

        No batch is empty; the next one comes when the one before was taken.

        Raises:
            CorruptLog: the stream ends before `after`.
            Unavailable: the server did not answer.

        """

    def follow(self, shard: int, after: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield the same, and then what is stored from then on, as it comes, for ever.

        A server that is away is waited for.

        Raises:
            CorruptLog: the stream ends before what was read of it, is gone, or was made anew meanwhile.

        """


async def stored(entry: Entry, keys: Keyring) -> Stored:
    """Return the frame that an entry holds, opened if its key can be had.

    Raises:
        CorruptLog: its bytes are no frame, or its sealed content was changed; the message says whose, and where.

    """
    return await stored_at(*entry, keys)


def check_reaches(end: End, after: int) -> None:
    """Check that a stream has what was read of it up to `after`.

    Raises:
        CorruptLog: it ends before that.

    """
    if end.position < after:
        raise CorruptLog(
            f"{end.stream} ends at position {end.position}, and was read up to {after}: it lost what it had, or was "
            "made anew; what was made of it must be made again"
        )


class MemoryFeed:
    """Reads the records of a log in memory, which are one stream."""

    def __init__(self, records: MemoryRecords, *, batch: int = BATCH) -> None:
        self._records = records
        self._batch = batch

    @property
    def shards(self) -> int:
        """One."""
        return 1

    async def end(self, shard: int) -> End:  # noqa: ARG002
        """Return where the stream ends."""
        return End(f"memory-{id(self._records)}", self._records.position)

    async def read(self, shard: int, after: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what stands after position `after` in batches; see `Feed.read`."""
        check_reaches(await self.end(shard), after)
        entries = [Entry(*one) for one in self._records.stored(after)]
        for start in range(0, len(entries), self._batch):
            yield entries[start : start + self._batch]

    async def follow(self, shard: int, after: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what stands after position `after`, and what is stored from then on; see `Feed.follow`."""
        told = asyncio.Event()
        with self._records.telling(told.set):
            while True:
                told.clear()
                async for batch in self.read(shard, after):
                    yield batch
                    after = batch[-1].position
                await told.wait()

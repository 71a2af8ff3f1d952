"""What is stored as it is: every frame with what is kept beside it, and what only the server knows.

Reading a log gives what fits, and stops where something does not.  An audit wants all of it.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from msgspec import Struct

from ..events import ConversationId, MemoryRecords, RawFrame


class StreamState(Struct, frozen=True):
    """Says of a stream of events how many frames were removed from it; None if it is not there at all."""

    name: str
    removed: int | None


class Archive(Protocol):
    """Gives what is stored."""

    def frames(self, conversation: ConversationId) -> AsyncIterator[Sequence[RawFrame]]:
        """Yield the frames of one conversation's own log, in order, in batches."""

    def everything(self) -> AsyncIterator[Sequence[RawFrame]]:
        """Yield, in batches, all that stood in each stream when it was begun with, in the order of the stream."""

    async def streams(self) -> Sequence[StreamState]:
        """Return the streams that there should be."""


class MemoryArchive:
    """Gives what is in memory, of which nothing was ever removed."""

    def __init__(self, records: MemoryRecords) -> None:
        self._records = records

    async def frames(self, conversation: ConversationId) -> AsyncIterator[Sequence[RawFrame]]:
        """Yield the frames of one conversation; see `Archive.frames`."""
        yield [
            RawFrame(conversation, position, data, self._records.id_at(position), "memory")
            async for position, data in self._records.get(conversation, 0)
        ]

    async def everything(self) -> AsyncIterator[Sequence[RawFrame]]:
        """Yield all; see `Archive.everything`."""
        async for conversation, _, _ in self._records.lasts():
            async for frames in self.frames(conversation):
                yield frames

    async def streams(self) -> Sequence[StreamState]:
        """Return the one that there is."""
        return [StreamState("memory", 0)]

"""Shredding: what is stored of a conversation that is in clear is overwritten, message by message; its twin in memory.

A purge is no erasure: it forgets where messages are, and leaves their bytes on the disk.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from ..events import ConversationId, MemoryRecords
from .bus import MemoryBus


class Shredder(Protocol):
    """Overwrites what is stored of conversations."""

    def frames(self, conversation: ConversationId, before: int) -> AsyncIterator[int]:
        """Overwrite each frame that stands before a position, the last one first, and yield where it stood.

        So what is left where this ends too early is the beginning of a log, and can be read.

        Raises:
            Unavailable: the server did not answer; the same call may be made again.

        """

    async def waiting(self, conversation: ConversationId) -> dict[int, bytes]:
        """Return the commands of a conversation that no worker acknowledged, by where they stand; errors likewise."""

    async def command(self, position: int) -> None:
        """Overwrite a command; errors likewise."""

    async def stores(self) -> tuple[str, ...]:
        """Return the names of the buckets in which authors keep what they want; errors likewise."""


class MemoryShredder:
    """Takes away what is kept in this process."""

    def __init__(self, records: MemoryRecords, bus: MemoryBus) -> None:
        self._records = records
        self._bus = bus

    async def frames(self, conversation: ConversationId, before: int) -> AsyncIterator[int]:
        """Take away each frame that stands before a position; see `Shredder.frames`."""
        positions = [position async for position, _ in self._records.get(conversation, 0) if position < before]
        for position in reversed(positions):
            self._records.remove(conversation, position)
            yield position

    async def waiting(self, conversation: ConversationId) -> dict[int, bytes]:
        """Return the commands that wait; see `Shredder.waiting`."""
        return self._bus.waiting(conversation)

    async def command(self, position: int) -> None:
        """Take away a command."""
        self._bus.remove(position)

    async def stores(self) -> tuple[str, ...]:
        """Return none: they have no buckets."""
        return ()

"""Where the seals of a namespace are kept: one after another, of which each is stored once."""

from collections.abc import AsyncIterator
from typing import Protocol

from ..events import PositionMoved


class SealLog(Protocol):
    """Keeps seals, as bytes."""

    def all(self) -> AsyncIterator[bytes]:
        """Yield all, in order; none where nothing was ever sealed."""

    async def last(self) -> tuple[int, bytes]:
        """Return position and bytes of the last one; 0 and nothing where there is none."""

    async def append(self, data: bytes, expected: int) -> None:
        """Store a seal after the one at position `expected`; 0: as the first.

        Raises:
            PositionMoved: another was stored there; this one was not.
            Unavailable: nobody knows whether it was stored.

        """


class MemorySeals:
    """Keeps seals in memory."""

    def __init__(self) -> None:
        self._seals: list[bytes] = []

    async def all(self) -> AsyncIterator[bytes]:
        """Yield all; see `SealLog.all`."""
        for seal in tuple(self._seals):
            yield seal

    async def last(self) -> tuple[int, bytes]:
        """Return the last one; see `SealLog.last`."""
        return len(self._seals), self._seals[-1] if self._seals else b""

    async def append(self, data: bytes, expected: int) -> None:
        """Store a seal; see `SealLog.append`."""
        if expected != len(self._seals):
            raise PositionMoved
        self._seals.append(data)

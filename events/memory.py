"""The event log in memory: a real backend, for tests, for runs without a server, and as the contract's first client."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from .encryption import Vault
from .ids import ConversationId
from .limits import FRAME_LIMIT
from .log import FrameLog, PositionMoved


class MemoryRecords:
    """Stores bytes in lists; positions count all that was stored, as a stream's do."""

    def __init__(self) -> None:
        self._stored: dict[ConversationId, list[tuple[int, bytes]]] = {}
        self._ids: dict[int, str] = {}
        self._position = 0
        self._told: list[Callable[[], object]] = []

    async def put(self, conversation: ConversationId, data: bytes, *, id: str, expected: int) -> int:  # noqa: A002
        """Store `data` if the conversation's last position is `expected`; see `Records.put`."""
        mine = self._stored.setdefault(conversation, [])
        if (mine[-1][0] if mine else 0) != expected:
            raise PositionMoved
        self._position += 1
        mine.append((self._position, data))
        self._ids[self._position] = id
        for tell in self._told:
            tell()
        return self._position

    async def get(self, conversation: ConversationId, after: int) -> AsyncIterator[tuple[int, bytes]]:
        """Yield position and bytes of what stands after position `after`, in order."""
        mine = self._stored.get(conversation, [])
        for found in mine[bisect_right(mine, after, key=lambda one: one[0]) :]:
            yield found

    async def last(self, conversation: ConversationId) -> tuple[int, bytes] | None:
        """Return position and bytes of what was stored last, or None."""
        mine = self._stored.get(conversation)
        return mine[-1] if mine else None

    def remove(self, conversation: ConversationId, position: int) -> None:
        """Take away what stands at a position."""
        mine = self._stored.get(conversation, [])
        mine[:] = [each for each in mine if each[0] != position]

    async def lasts(self) -> AsyncIterator[tuple[ConversationId, int, bytes]]:
        """Yield the last stored bytes of every conversation."""
        for conversation, mine in tuple(self._stored.items()):
            if mine:
                yield conversation, *mine[-1]

    def id_at(self, position: int) -> str:
        """Return the id under which something was stored."""
        return self._ids[position]

    @property
    def position(self) -> int:
        """The position of what was stored last in any conversation; 0 if there is none."""
        return self._position

    def stored(self, after: int) -> list[tuple[ConversationId, int, bytes]]:
        """Return what stands after position `after` in all conversations, in the order of positions."""
        found = [
            (conversation, position, data)
            for conversation, mine in self._stored.items()
            for position, data in mine[bisect_right(mine, after, key=lambda one: one[0]) :]
        ]
        return sorted(found, key=lambda one: one[1])

    @contextmanager
    def telling(self, tell: Callable[[], object]) -> Iterator[None]:
        """Call `tell` after each that is stored, for as long as the context lasts."""
        self._told.append(tell)
        try:
            yield
        finally:
            self._told.remove(tell)


class MemoryLog(FrameLog):
    """Keeps conversations in memory, in `records`; `limit` bounds a frame's bytes as a server would, None takes any."""

    def __init__(self, *, limit: int | None = FRAME_LIMIT, vault: Vault | None = None) -> None:
        self.records = MemoryRecords()
        super().__init__(self.records, limit=limit, vault=vault)

"""A sink in memory: for tests, and for what is made anew at each start."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from ...events import Conflict
from .protocol import Mark, Row, moved


class MemorySink:
    """Keeps rows in this process; several subscriptions may share it.

    >>> import asyncio
    >>> from agent_runtime_framework import MemorySink
    >>> sink = MemorySink()
    >>> asyncio.run(sink.begin("words"))
    {}
    >>> sink.rows("words")
    {}
    """

    def __init__(self) -> None:
        self._rows: defaultdict[str, dict[str, Row]] = defaultdict(dict)
        self._marks: defaultdict[str, dict[int, Mark]] = defaultdict(dict)

    def rows(self, name: str) -> dict[str, Row]:
        """Return all rows of a projection, by conversation."""
        return dict(self._rows[name])

    async def begin(self, name: str, *, anew: bool = False) -> Mapping[int, Mark]:
        """Return how far each shard was read; see `Sink.begin`."""
        if anew:
            self._rows.pop(name, None)
            self._marks.pop(name, None)
        return dict(self._marks[name])

    async def load(self, name: str, conversations: Collection[str]) -> Mapping[str, Row]:
        """Return the rows of these conversations that are there."""
        rows = self._rows[name]
        return {conversation: rows[conversation] for conversation in conversations if conversation in rows}

    async def write(self, name: str, shard: int, before: Mark | None, after: Mark, rows: Sequence[Row]) -> None:
        """Write rows and mark; see `Sink.write`."""
        marks = self._marks[name]
        found = marks.get(shard)
        if found != before:
            raise Conflict(moved(name, shard, before, found))
        self._rows[name].update((row.conversation, row) for row in rows)
        marks[shard] = after

    async def replace(self, name: str, by: str) -> None:
        """Put what is under `by` in the place of what is under `name`."""
        self._rows[name] = self._rows.pop(by, {})
        self._marks[name] = self._marks.pop(by, {})

    async def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

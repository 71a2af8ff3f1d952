"""Which conversations a page has a row for: each one that is mentioned on it, and the latest beside them."""

import heapq
from collections.abc import Callable, Iterable
from typing import Final

from .report import ConversationLine, Listed

LATEST: Final = 200
"""So many conversations are listed, whatever is mentioned."""


class Mentions:
    """Keeps these rows; `mentioned` says which conversations are mentioned so far, as lists change while they fill."""

    def __init__(self, mentioned: Callable[[], Iterable[str]]) -> None:
        self._mentioned = mentioned
        self._lines: dict[str, ConversationLine] = {}
        self._total = 0
        self._room = 4 * LATEST

    def add(self, line: ConversationLine) -> None:
        """Take the row of one more conversation."""
        self._total += 1
        self._lines[line.conversation] = line
        if len(self._lines) > self._room:
            self._cleared()
            self._room = 2 * len(self._lines) + 4 * LATEST  # so that clearing stays cheap

    def listed(self) -> Listed[ConversationLine]:
        """Return the rows, those active last first."""
        self._cleared()
        newest = sorted(self._lines.values(), key=lambda line: (-line.last, line.conversation))
        return Listed(tuple(newest), self._total)

    def _cleared(self) -> None:
        wanted = set(self._mentioned())
        wanted |= {
            line.conversation for line in heapq.nlargest(LATEST, self._lines.values(), key=lambda line: line.last)
        }
        self._lines = {id_: line for id_, line in self._lines.items() if id_ in wanted}

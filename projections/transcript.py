"""What was said, turn by turn: the persistent structure that a model's messages are rendered from.

Turns are kept in a persistent map, so that the thousandth turn is added as fast as the tenth and an older transcript
stays what it was.  Turn 0 is what was said before the conversation began.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from immutables import Map
from msgspec import Struct

from .calls import Call


class UserMessage(Struct, frozen=True, gc=False):
    """Is what the user said, at its version."""

    version: int
    text: str


class AssistantMessage(Struct, frozen=True, gc=False):
    """Is what the model answered, at its version, with its calls already read."""

    version: int
    text: str
    calls: tuple[Call, ...] = ()


class ToolMessage(Struct, frozen=True, gc=False):
    """Is what the model was told of one call: `index` of the answer at version `answer`."""

    version: int
    answer: int
    index: int
    text: str
    failed: bool = False


class EarlierMessage(Struct, frozen=True, gc=False):
    """Is a message from before the conversation, as it was handed over."""

    message: dict[str, Any]


Entry: TypeAlias = UserMessage | AssistantMessage | ToolMessage | EarlierMessage


class Transcript(Struct, frozen=True, gc=False):
    """Holds the entries of each turn; `latest` is the last turn that there are any of.

    The entries of a turn are an object that is this transcript's and that of those which go on from it, as long as
    nothing before the turn changes.  So where two transcripts have the very same object, all turns before it are the
    same, too.
    """

    turns: Map[int, tuple[Entry, ...]] = Map()
    latest: int = 0

    def add(self, turn: int, *entries: Entry) -> "Transcript":
        """Return this transcript with entries added to a turn."""
        if not entries:
            return self
        turns = self.turns.set(turn, (*self.turns.get(turn, ()), *entries))
        if turn < self.latest:  # only in a log that was made up
            later = {number: (*entries,) for number, entries in turns.items() if number > turn}
            return Transcript(turns.update(later), self.latest)
        return Transcript(turns, turn)

    def window(self, first: int, last: int) -> tuple[Entry, ...]:
        """Return the entries of the turns `first` to `last`, both included, in order."""
        if first == last:
            return self.turns.get(last, ())
        turns: Sequence[int] = range(first, last + 1)
        if last - first > len(self.turns):  # a log that was made up may count to anywhere
            turns = sorted(turn for turn in self.turns if first <= turn <= last)
        return tuple(entry for turn in turns for entry in self.turns.get(turn, ()))

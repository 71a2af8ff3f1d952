"""The tokens of secrets in the turns of a transcript that are over; each such turn is looked at once."""

from collections.abc import Iterable, Iterator

from ...actors.journey import tokens_among
from ...projections import AssistantMessage, Entry, Transcript


class TokensOver:
    """Knows the tokens in the calls of all turns but the last; a transcript that does not go on is looked at anew."""

    def __init__(self) -> None:
        self._tokens = frozenset[str]()
        self._newest: tuple[int, tuple[Entry, ...]] | None = None

    def of(self, transcript: Transcript) -> frozenset[str]:
        """Return the tokens; the very same object, as long as there are no more."""
        if self._newest is not None:
            newest, entries = self._newest
            # the same entries stand after the same turns; see `Transcript`
            if newest >= transcript.latest or transcript.turns.get(newest) is not entries:
                self._tokens, self._newest = frozenset(), None
        for turn in self._new(transcript):
            entries = transcript.turns[turn]
            found = frozenset(tokens_in_calls(entries))
            if not found <= self._tokens:
                self._tokens |= found
            self._newest = turn, entries
        return self._tokens

    def _new(self, transcript: Transcript) -> list[int]:
        """Return the turns that are over and were not looked at, in order."""
        turns, latest = transcript.turns, transcript.latest
        if self._newest is None:
            return sorted(turn for turn in turns if turn < latest)
        after = self._newest[0] + 1
        if latest - after <= len(turns):
            return [turn for turn in range(after, latest) if turn in turns]
        return sorted(turn for turn in turns if after <= turn < latest)  # a log that was made up may count to anywhere


def tokens_in_calls(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the tokens in the arguments of the calls that a model made."""
    for entry in entries:
        for call in entry.calls if isinstance(entry, AssistantMessage) else ():
            yield from tokens_among(call.arguments)

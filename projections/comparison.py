"""What differs between two moments of one conversation."""

from collections.abc import Mapping

from msgspec import Struct

from .account import Change
from .conversation import Conversation
from .outstanding import Owed, outstanding
from .transcript import EarlierMessage, Entry

_NO_STATE: Mapping[str, bytes] = {}


class Comparison(Struct, frozen=True, kw_only=True):
    """Is what differs between a conversation as it is in `before` and in `after`, whichever is the later one.

    Attributes:
        state: the fields that differ, by journey.
        step, journey, status: of each, whether they differ or not.
        owed: what is owed in each.
        said: what was said in between, each with its turn, in the order in which it was said.

    """

    before: int
    after: int
    state: dict[str, tuple[Change, ...]]
    step: tuple[str, str]
    journey: tuple[str, str]
    status: tuple[str, str]
    owed: tuple[Owed | None, Owed | None]
    said: tuple[tuple[int, Entry], ...]

    @property
    def backwards(self) -> bool:
        """Whether `after` is the earlier one."""
        return self.after < self.before

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        pairs = (self.step, self.journey, self.status, self.owed)
        return not (self.state or self.said) and all(one == other for one, other in pairs)


def compared(before: Conversation, after: Conversation) -> Comparison:
    """Return what differs between two moments of a conversation."""
    earlier, later = (before, after) if before.version <= after.version else (after, before)
    return Comparison(
        before=before.version,
        after=after.version,
        state=_states(before, after),
        step=(before.step, after.step),
        journey=(before.journey, after.journey),
        status=(before.status, after.status),
        owed=(outstanding(before), outstanding(after)),
        said=tuple(
            (turn, entry)
            for turn in sorted(turn for turn in later.transcript.turns if earlier.turns <= turn <= later.turns)
            for entry in later.transcript.window(turn, turn)
            if not isinstance(entry, EarlierMessage) and entry.version > earlier.version
        ),
    )


def _states(before: Conversation, after: Conversation) -> dict[str, tuple[Change, ...]]:
    """Return what differs in the state of each journey, those that were left included."""
    one, other = _by_journey(before), _by_journey(after)
    found = {
        journey: field_changes(one.get(journey, _NO_STATE), other.get(journey, _NO_STATE))
        for journey in [*one, *(journey for journey in other if journey not in one)]
    }
    return {journey: changes for journey, changes in found.items() if changes}


def _by_journey(conversation: Conversation) -> dict[str, Mapping[str, bytes]]:
    left = {name: conversation.left[name].state for name in sorted(conversation.left)}
    return {conversation.journey: conversation.state} | left


def field_changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[Change, ...]:
    """Return the fields in which two states differ, those of the first one first."""
    names = [*before, *(name for name in after if name not in before)]
    return tuple(
        Change(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    )

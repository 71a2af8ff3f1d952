"""What becomes of a conversation whose journey has another version now: it goes on, or it is pinned to the one it had.

A version is the journey's hash: that of its steps, prompts and tools.
"""

from msgspec import Struct

from ..events import STATE_LIMIT, JourneyRevised, KnownEvent, StateChanged, StepEntered, TooLarge
from ..projections import Conversation
from .commands import ReviseJourney
from .journey.difference import difference
from .sizes import size_of
from .tool_decisions import raw

VERSION_SHOWN = 12
"""So much of a hash tells two versions of a journey apart."""


class Pinned(Struct, frozen=True, kw_only=True):
    """Says that a conversation stays with the version of its journey that it has, which is not the one here."""

    journey: str
    version: str
    here: str

    @property
    def reason(self) -> str:
        """Why nothing is decided here, and what to do."""
        wanted, here = self.version[:VERSION_SHOWN], self.here[:VERSION_SHOWN]
        return (
            f"the conversation is pinned to version {wanted} of {self.journey!r}, and this worker has {here}: "
            "start a worker of that version, or send the message again once one runs"
        )

    @property
    def waits(self) -> str:
        """What a message waits for that is not refused."""
        return f"waits for a worker with version {self.version[:VERSION_SHOWN]} of {self.journey!r}"


def revised(conversation: Conversation, command: ReviseJourney) -> tuple[KnownEvent, ...]:
    """Return that another version goes on, and what it made of the state; nothing where it does already.

    Raises:
        TooLarge: what it made of the state is more than a frame can hold.

    """
    if conversation.journey_hash != command.previous or command.previous == command.journey_hash:
        return ()
    turn, version = conversation.turn, conversation.version + 1
    revision = JourneyRevised(
        cause=None if turn is None else turn.began, previous=command.previous, journey_hash=command.journey_hash
    )
    if command.state is None:
        return (revision,)
    changed, unset = difference(conversation.state, command.state)
    if size_of(changed) > STATE_LIMIT:
        raise TooLarge(f"the migrated state of {conversation.journey!r} has more than {STATE_LIMIT} bytes of changes")
    events: list[KnownEvent] = [revision]
    if changed or unset:
        events.append(StateChanged(cause=version, set=raw(changed), unset=unset))
    if command.step != conversation.step:
        events.append(StepEntered(cause=version, previous=conversation.step, step=command.step))
    return tuple(events)

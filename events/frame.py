"""A frame: the events of one decision, stored together or not at all.

Frames of a conversation form a chain: `first` continues the count of events where the frame before ended, and `prev` is
the SHA-256 of that frame's stored bytes.  `Head` is the place where the next frame goes.

The chain of a fork begins in another log: its first frame continues the frame of its parent at which it was cut.
"""

from collections.abc import Iterator
from typing import Literal, TypeAlias

from msgspec import Struct

from .ids import ConversationId, Version
from .vocabulary import AnyEvent, ConversationErased

Status: TypeAlias = Literal["idle", "running", "erased"]


class Head(Struct, frozen=True, gc=False):
    """Says where a conversation's log ends.

    Attributes:
        version: the last event's version; 0 if there is none.
        position: the log's own number of the last frame, opaque to all but the log; 0 if there is none, and for a
            frame that a fork has from its parent: nothing stands in the fork's own log there.
        hash: SHA-256, in hex, of the last frame's stored bytes; empty if there is none.

    """

    version: int = 0
    position: int = 0
    hash: str = ""


START = Head()
"""The head of a conversation of which nothing is recorded."""


class Frame(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Holds the events of one decision, and what a listing wants to know without folding.

    Attributes:
        first: version of the first event.
        time: when it was decided, in Unix milliseconds.
        writer: the life of the worker that decided it, so that no two writers' frames are ever the same bytes.
        agent, turn, step, status: the conversation as it is after this frame.
        command: the id of the command that this frame answers; empty for what follows from an effect.
        prev: SHA-256 of the stored bytes of the frame before; empty for the first.
        parent: for a fork, the conversation that it was cut from.
        sealed: the content of the events, where it is sealed.  A frame that was read has it opened again, and this
            empty; where it could not be, the events have only their structure, and this is what stands in place of
            the rest: `[sealed]` or `[erased]`.
        events: at least one.

    """

    first: int
    time: int
    writer: str
    agent: str
    turn: int = 0
    step: str = ""
    status: Status = "idle"
    command: str = ""
    prev: str = ""
    parent: str = ""
    sealed: str = ""
    events: tuple[AnyEvent, ...] = ()

    @property
    def last(self) -> int:
        """The version of the last event."""
        return self.first + len(self.events) - 1

    @property
    def erases(self) -> bool:
        """Whether it ends with the erasure of its conversation, so that nothing need stand before it."""
        return bool(self.events) and isinstance(self.events[-1], ConversationErased)

    @property
    def before(self) -> Head:
        """The head that it continues, as far as it says so itself: not where that stands."""
        return Head(self.first - 1, 0, self.prev)

    def numbered(self) -> Iterator[tuple[Version, AnyEvent]]:
        """Yield each event with its version."""
        for offset, event in enumerate(self.events):
            yield Version(self.first + offset), event


class Unreadable(Struct, frozen=True, gc=False):
    """Stands for a frame whose stored bytes are no frame: where they are, and why."""

    conversation: ConversationId
    position: int
    error: str


class Stored(Struct, frozen=True, gc=False):
    """Is a frame as a log gives it back: with the head that it makes, and the very bytes that were stored.

    `holder` is the conversation whose log has it, for a frame that is inherited; empty for one of its own.
    """

    conversation: ConversationId
    frame: Frame
    head: Head
    data: bytes
    holder: ConversationId = ConversationId("")

    @property
    def inherited(self) -> bool:
        """Whether the frame stands in the log of another conversation, from which this one was forked after it."""
        return self.head.position == 0

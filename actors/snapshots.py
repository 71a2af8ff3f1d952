"""What an actor needs of snapshots: to open its conversation by one, and to have it kept between two turns."""

from typing import Protocol

from msgspec import Struct

from ..events import ConversationId, Head
from ..projections import Conversation, Snapshot, nothing_kept


class Kept(Struct, frozen=True):
    """Says what is kept of a conversation, as far as it is known here.

    Attributes:
        snapshot: the conversation at a head of its log; at its beginning where nothing can be used.
        position: of what was stored last of it; 0 if there is nothing.
        parts: where its parts stand.
        stale: where parts of older chains stand, which whoever keeps it next takes away.
        ends: whether the log ended at that head when this was loaded, so that nothing is to be read on.
        closed: whether nothing more is kept from here: it is erased, another writer keeps it, or it cannot be kept.

    """

    snapshot: Snapshot
    position: int = 0
    parts: tuple[int, ...] = ()
    stale: tuple[int, ...] = ()
    ends: bool = False
    closed: bool = False

    @property
    def thrown_away(self) -> "Kept":
        """The same, where the snapshot does not fit: whoever keeps the conversation next begins anew."""
        nothing = nothing_kept(self.snapshot.conversation.id)
        return Kept(nothing, self.position, stale=(*self.stale, *self.parts), closed=self.closed)


class Snapshots(Protocol):
    """Keeps snapshots of conversations; no failure of it is ever a conversation's."""

    async def load(self, conversation: ConversationId) -> Kept:
        """Return what is kept; the log as it ends now may have its head, and what follows says whether it has.

        Whoever reads on from that head, and meets `CorruptLog`, folds the log from its beginning.
        """

    def due(self, kept: Kept, head: Head, recorded: int) -> bool:
        """Say whether to keep a conversation anew, which gained so many recorded bytes since."""

    async def keep(self, kept: Kept, conversation: Conversation, head: Head) -> Kept:
        """Keep a conversation that is between two turns, and return what is kept then."""


class NoSnapshots:
    """Keeps none: for conversations that are folded once, or live only as long as this process."""

    async def load(self, conversation: ConversationId) -> Kept:
        """Return that nothing is kept."""
        return Kept(nothing_kept(conversation), closed=True)

    def due(self, kept: Kept, head: Head, recorded: int) -> bool:  # noqa: ARG002
        """Return that it is not."""
        return False

    async def keep(self, kept: Kept, conversation: Conversation, head: Head) -> Kept:  # noqa: ARG002
        """Keep nothing."""
        return kept

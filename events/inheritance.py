"""What a fork has from its ancestors: frames that stand in their logs, read by reference.

A fork's log begins at the cut: its first frame is the one after the parent's frame that ends there, by version and by
hash, and its first event names all three, parent, version and hash.  A parent may be a fork itself.

A cut lies in the parent's own log, never in what that one inherits.  So from a fork to its ancestors the cuts come ever
earlier: a lineage that leads in a circle does not fit, and generations need no limit.  They cost two reads each.

What an ancestor has was stored before the fork was.  All the same a server that answers reads may know of the fork and
not yet of that, where each log has its own servers; so it is looked for again before it is said to be missing.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeAlias

from msgspec import Struct

from .codec import frame_hash, open_frame, plain_frame
from .encryption import Keyring, Vault
from .errors import CorruptLog, NewerRelease
from .frame import START, Frame, Head, Stored
from .ids import TOKEN, ConversationId
from .vocabulary import ConversationErased, ConversationStarted, Lineage, ToolFailed, TurnCancelled, UnknownEvent

ENDING = (ToolFailed, TurnCancelled, ConversationErased)
"""What an erasure records: the end of what was in progress, and itself."""


class Source(Protocol):
    """Gives back what is stored; `Records` are one."""

    def get(self, conversation: ConversationId, after: int) -> AsyncIterator[tuple[int, bytes]]:
        """Yield position and bytes of what stands after position `after`, in order."""


LookAgain: TypeAlias = Callable[[int], Awaitable[bool]]
"""Says, when some time has passed, whether to look again after so many looks."""


async def once(_looks: int) -> bool:
    """Look once: what is stored is known at once."""
    return False


def lineage_of(frame: Frame) -> Lineage | None:
    """Return what the first frame of a log says of its parent, None where that log has the conversation's beginning."""
    event = frame.events[0] if frame.events and frame.first > 1 else None
    return event.lineage if isinstance(event, ConversationStarted) else None


def erased_before(frame: Frame, head: Head) -> Head | None:
    """Return the head that a log had when it was erased, where what stood between `head` and this frame was taken away.

    That is so only before the frame that says it was erased, which then has nothing else in it but the end of what was
    in progress; None where nothing is missing, or this is no such frame.
    """
    if not frame.erases or frame.first <= head.version + 1:
        return None
    return frame.before if frame.status == "erased" and all(isinstance(one, ENDING) for one in frame.events) else None


class Ancestry:
    """Reads what conversations have from their ancestors; what an ancestor lacks is looked for as often as is said."""

    def __init__(self, source: Source, again: LookAgain, vault: Vault | None = None) -> None:
        self._source = source
        self._again = again
        self._vault = vault

    async def before(self, first: Stored, after: Head) -> AsyncIterator[Stored]:
        """Yield what stands after the head `after`, and before a conversation's own first frame.

        Raises:
            CorruptLog: an ancestor is not there, or does not have the frame after which it was cut.

        """
        head = after
        for lineage in reversed(await self._generations(first, after)):
            async for stored in self._up_to_the_cut(first.conversation, lineage):
                if stored.head.version > after.version:
                    check_continues(stored, head)
                    head = stored.head
                    yield stored

    async def _generations(self, first: Stored, after: Head) -> list[Lineage]:
        """Return the cuts on the way to the first ancestor, the latest first, as far as they are after `after`."""
        cuts: list[Lineage] = []
        lineage = checked_lineage(first)
        while lineage is not None and lineage.version > after.version:
            cuts.append(lineage)
            parent = await self._first_of(lineage, first.conversation)
            if parent.frame.first > lineage.version:
                if erased_before(parent.frame, START) is not None:
                    raise CorruptLog(
                        f"{first.conversation!r} descends from {lineage.parent!r} at version {lineage.version}, which "
                        f"was erased at version {parent.head.version}: nothing before the cut can be read"
                    )
                raise CorruptLog(
                    f"{first.conversation!r} descends from {lineage.parent!r} at version {lineage.version}, whose own "
                    f"log begins at {parent.frame.first}: its lineage leads nowhere"
                )
            lineage = checked_lineage(parent)
        return cuts

    async def _first_of(self, lineage: Lineage, child: str) -> Stored:
        """Return the first frame of a parent's own log."""
        async for stored in self._read(ConversationId(lineage.parent)):
            return stored
        raise CorruptLog(
            f"{child!r} descends from {lineage.parent!r} at version {lineage.version}, and there is no conversation "
            f"{lineage.parent!r}: without it nothing before that version can be read"
        )

    async def _up_to_the_cut(self, child: ConversationId, lineage: Lineage) -> AsyncIterator[Stored]:
        """Yield the frames of an ancestor's own log up to the cut, as the child's."""
        cut, ended = (lineage.version, lineage.frame), 0
        async for found in self._read(ConversationId(lineage.parent)):
            ended = found.head.version
            if ended >= lineage.version and (ended, found.head.hash) != cut:
                break
            yield Stored(child, found.frame, Head(ended, 0, found.head.hash), found.data, found.conversation)
            if ended == lineage.version:
                return
        raise CorruptLog(
            f"{child!r} descends from {lineage.parent!r} at version {lineage.version}, where no frame of "
            f"{lineage.parent!r} with the hash {lineage.frame[:12] or 'none'} ends (one ends at {ended}): "
            "one of the two logs was changed"
        )

    async def _read(self, conversation: ConversationId) -> AsyncIterator[Stored]:
        """Yield a log's own frames, and look again whether there are more, for whoever goes on asking."""
        last, looks, keys = 0, 0, Keyring(self._vault)
        while looks == 0 or await self._again(looks):
            looks += 1
            async for position, data in self._source.get(conversation, last):
                last = position
                yield await stored_at(conversation, position, data, keys)


def checked_lineage(first: Stored) -> Lineage | None:
    """Return what a log's first frame says of its parent, None where it has the conversation's beginning.

    Raises:
        CorruptLog: the frame contradicts itself.
        NewerRelease: what begins there is not known to this release.

    """
    lineage = lineage_of(first.frame)
    if lineage is None:
        if first.frame.first > 1 and first.frame.events and isinstance(first.frame.events[0], UnknownEvent):
            raise NewerRelease(
                f"{first.conversation!r} begins at version {first.frame.first} with an event of a newer release "
                f"({first.frame.events[0].tag}): read it with that one"
            )
        return None
    if (lineage.version, lineage.frame) != (first.frame.first - 1, first.frame.prev):
        raise CorruptLog(
            f"{first.conversation!r} says that it was cut from {lineage.parent!r} at version {lineage.version}, and "
            f"continues version {first.frame.first - 1}: the log was changed"
        )
    if not TOKEN.fullmatch(lineage.parent):
        raise CorruptLog(f"{first.conversation!r} names a parent that cannot be one: {lineage.parent[:80]!r}")
    return lineage


class Misfit(Struct, frozen=True):
    """Says what should be where a frame stands, and what is."""

    expected: str
    found: str


def misfit(stored: Stored, head: Head) -> Misfit | None:
    """Return in what a frame does not continue the head before it, None where it does."""
    frame = stored.frame
    if (frame.first, frame.prev) != (head.version + 1, head.hash):
        return Misfit(
            f"a frame that continues version {head.version} ({head.hash[:12] or 'no hash'})",
            f"one that continues version {frame.first - 1} ({frame.prev[:12] or 'no hash'})",
        )
    return None if frame.events else Misfit("a frame with events", "one without any")


def check_continues(stored: Stored, head: Head) -> None:
    """Raise CorruptLog if a frame does not continue what is before it."""
    if misfit(stored, head) is None:
        return
    frame = stored.frame
    where = "that it inherits" if stored.inherited else f"at position {stored.head.position}"
    if not frame.events and frame.first == head.version + 1:
        raise CorruptLog(f"the frame of {stored.conversation!r} {where} has no events: the log was changed")
    raise CorruptLog(
        f"the frame of {stored.conversation!r} {where} continues version {frame.first - 1} "
        f"({frame.prev[:12] or 'no hash'}), not {head.version} ({head.hash[:12] or 'no hash'}): "
        "the log was changed or frames are missing"
    )


async def stored_at(conversation: ConversationId, position: int, data: bytes, keys: Keyring) -> Stored:
    """Return the frame that is stored at a position, opened if its key can be had.

    Raises:
        CorruptLog: it is no frame, or its sealed content was changed; the message says where.

    """
    frame = plain_frame(data)
    if frame is None:
        try:
            frame = open_frame(data, conversation=conversation, cipher=await keys.cipher(conversation, data))
        except CorruptLog as error:
            raise CorruptLog(f"conversation {conversation!r}, position {position}: {error}") from error
    return Stored(conversation, frame, Head(frame.last, position, frame_hash(data)), data)

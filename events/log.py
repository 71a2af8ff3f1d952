"""The event log: appending frames at an expected head, and reading them back checked.

A log is made of dumb `Records`, which store bytes at an expected position, and of this module, which knows what they
mean: the chain of versions and hashes, and what to do when an acknowledgement is lost.  A backend writes only records.

A fork's own log begins at the cut.  Whoever reads it gets what it has from its ancestors first, out of their logs
(`events.inheritance`), and need not know where a frame stands.

Where a vault is given, the content of a conversation that has a key is sealed before it is stored, and opened when it
is read (`events.encryption`).  One that was erased in clear begins with the frame that says so: what was before it is
gone, and its `first` and `prev` say where that ended.

One whose frames are sealed is never gone on with in clear, whether its key is missing or not; and into an encrypted
namespace nothing is restored in clear but the rest of a conversation that is there in clear.

An append is encoded once.  Its bytes' hash is its id for every retry, so that after a conflict or a lost
acknowledgement the tail of the log says whether the append was mine.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from .codec import check_size, decode_frame, encode_frame, frame_hash, in_clear, is_sealed, seal_frame
from .course import Course
from .encryption import SEALED, Cipher, Keyring, Vault, not_to_be_had
from .errors import Conflict, CorruptLog, InvalidInput, NotFound, Refused, Unavailable, Withheld
from .frame import START, Frame, Head, Stored, Unreadable
from .ids import ConversationId
from .inheritance import Ancestry, LookAgain, erased_before, once, stored_at
from .limits import FRAME_LIMIT
from .vocabulary import UnknownEvent

ATTEMPTS = 5

UNACKNOWLEDGED = 1_000
"""So many sealed frames are kept for the next try of their append, where nobody knows whether they are stored."""

REMEMBERED = 10_000
"""Of so many conversations at most it is remembered whether they are sealed."""


class PositionMoved(Exception):
    """Raised by records when the conversation's last position is not the expected one."""


class AckLost(Exception):
    """Raised by records when they cannot tell whether the bytes were stored."""


class Records(Protocol):
    """Stores bytes: the part of a log that differs from backend to backend."""

    async def put(self, conversation: ConversationId, data: bytes, *, id: str, expected: int) -> int:  # noqa: A002
        """Store `data` if the conversation's last position is `expected` (0: none); return its position.

        Raises:
            PositionMoved: it is another; nothing was stored.
            AckLost: nobody knows whether it was stored.
            Unavailable: nothing was stored.

        """

    def get(self, conversation: ConversationId, after: int) -> AsyncIterator[tuple[int, bytes]]:
        """Yield position and bytes of what stands after position `after`, in order."""

    async def last(self, conversation: ConversationId) -> tuple[int, bytes] | None:
        """Return position and bytes of what was stored last, or None."""

    def lasts(self) -> AsyncIterator[tuple[ConversationId, int, bytes]]:
        """Yield the last stored bytes of every conversation, in no order."""


class EventLog(Protocol):
    """Is what the rest of the framework knows of a log."""

    async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
        """Store `frame` right after `expected`; all of its events or none.

        Raises:
            Conflict: something else stands there; nothing was stored.
            TooLarge, InvalidInput: the frame cannot be stored.
            Withheld: its content is to be sealed, and the key is not here.
            Unavailable: nothing is known to be stored; the same call may be made again.

        """

    async def restore(self, conversation: ConversationId, data: bytes, expected: Head) -> Stored:
        """Store these very bytes, a frame that another log gave, right after `expected`.

        Raises:
            CorruptLog: the bytes are no frame, or not the one that continues `expected`; nothing was stored.
            Refused: it is in clear, and the namespace is encrypted; nothing was stored.
            Conflict, TooLarge, Unavailable: as `append`.

        """

    def read(self, conversation: ConversationId, after: Head = START) -> AsyncIterator[Stored]:
        """Yield what stands after the head `after`, in order, checked against it and each other.

        Of a fork that is first what it has from its ancestors.  Of what was erased, frames may be missing
        right before the one that says so, and only refusals stand after it.

        Raises:
            CorruptLog: bytes that are no frame, a gap in the versions, a hash that is not the one before; a fork whose
                parent is not there, or does not have the frame that it was cut after.

        """

    async def last(self, conversation: ConversationId) -> Stored | None:
        """Return the last frame, or None where nothing is recorded; what is sealed in it stays so."""

    def lasts(self) -> AsyncIterator[Stored | Unreadable]:
        """Yield the last frame of every conversation, in no order; one that is damaged hides no other.

        What is sealed in them stays so.
        """


class FrameLog:
    """Is the event log over any records.

    Where these may answer a read with less than is stored, `again` says how often a fork's ancestor is looked at that
    lacks what the fork has from it.  With a `vault`, the content of conversations that have a key is sealed.

    >>> import asyncio
    >>> from agent_runtime_framework.events import AgentSpoke, ConversationId, Frame, MemoryLog, START
    >>> async def main() -> int:
    ...     frame = Frame(first=1, time=0, writer="w", agent="a", events=(AgentSpoke(),))
    ...     return (await MemoryLog().append(ConversationId("c-1"), frame, START)).head.version
    >>> asyncio.run(main())
    1
    """

    def __init__(
        self,
        records: Records,
        *,
        limit: int | None = FRAME_LIMIT,
        again: LookAgain = once,
        vault: Vault | None = None,
    ) -> None:
        self._records = records
        self._again = again
        self._ancestry = Ancestry(records, again, vault)
        self._limit = limit
        self._vault = vault
        self._unacknowledged: OrderedDict[str, bytes] = OrderedDict()
        self._sealed: OrderedDict[ConversationId, bool] = OrderedDict()

    async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
        """Store `frame` right after `expected`; see `EventLog.append`."""
        if not continues(frame, expected):
            raise ValueError(f"frame {frame.first} of {conversation!r} does not continue {expected}")
        if frame.sealed:
            raise ValueError(f"frame {frame.first} of {conversation!r} is only the structure of one")
        data = encode_frame(frame, limit=self._limit)
        _check_readable(frame, data)
        cipher = await self._cipher(conversation, frame, expected)
        if cipher is None:
            return await self._put(conversation, frame, data, expected)
        # sealed again, the same frame would have other bytes, and the log could not say that they are mine
        key = f"{conversation}.{frame_hash(data)}"
        try:
            sealed = self._unacknowledged.pop(key, None) or seal_frame(frame, data, conversation, cipher)
        except Withheld as error:
            if not error.erased or not await self._tail(conversation, expected):
                raise  # nobody recorded it, and yet its key was erased
            raise Conflict(f"{conversation!r} was erased by another writer: fold its frames") from error
        check_size(frame, sealed, self._limit)
        try:
            return await self._put(conversation, frame, sealed, expected)
        except (Unavailable, asyncio.CancelledError):
            self._unacknowledged[key] = sealed
            while len(self._unacknowledged) > UNACKNOWLEDGED:
                self._unacknowledged.popitem(last=False)
            raise

    async def _cipher(self, conversation: ConversationId, frame: Frame, expected: Head) -> Cipher | None:
        """Return what seals a frame, None where it stays in clear."""
        if self._vault is None or frame.status == "erased":  # what is recorded then has nobody's words
            return None
        if not expected.position:
            return await self._vault.created(conversation)
        cipher = await self._vault.cipher(conversation)  # asked first: a frame in clear may be anybody's
        if cipher is None and await self._sealed_before(conversation):
            cipher = await self._vault.cipher(conversation, anew=True)
            if cipher is None:
                raise Withheld(
                    f"the content of {conversation!r} is sealed, and its key is missing: restore that from a backup",
                    erased=False,
                )
        return cipher

    async def _sealed_before(self, conversation: ConversationId) -> bool | None:
        """Say whether what a conversation has of its own is sealed, None where no frame has content."""
        if conversation not in self._sealed and not (self._vault is not None and await self._vault.encrypted()):
            last = await self._records.last(conversation)  # which tells it mostly, where nobody has to be kept from it
            if last is not None:
                self._note(conversation, decode_frame(last[1]), last[1])
        if conversation not in self._sealed:
            async for _, data in self._records.get(conversation, 0):
                self._note(conversation, decode_frame(data), data)
                if conversation in self._sealed:
                    break
        return self._sealed.get(conversation)

    def _note(self, conversation: ConversationId, frame: Frame, data: bytes) -> None:
        """Remember whether a conversation is sealed, as one of its own frames tells."""
        if self._vault is None:
            return
        if b'"sealed":"' in data and is_sealed(data):
            self._sealed[conversation] = True
        elif conversation not in self._sealed and in_clear(frame, data):
            self._sealed[conversation] = False
        if len(self._sealed) > REMEMBERED:
            self._sealed.popitem(last=False)

    async def restore(self, conversation: ConversationId, data: bytes, expected: Head) -> Stored:
        """Store these very bytes right after `expected`; see `EventLog.restore`."""
        frame = decode_frame(data)
        if not (continues(frame, expected) or begins_erased(frame, expected)):
            raise CorruptLog(f"frame {frame.first} for {conversation!r} does not continue {expected}")
        check_size(frame, data, self._limit)
        if self._vault is not None and in_clear(frame, data) and await self._vault.encrypted():
            await self._check_clear(conversation, expected)
        return await self._put(conversation, frame, data, expected)

    async def _check_clear(self, conversation: ConversationId, expected: Head) -> None:
        """Raise Refused unless what is there up to `expected` is in clear."""
        if not expected.position or await self._sealed_before(conversation) is not False:
            raise not_taken(conversation)

    async def _put(self, conversation: ConversationId, frame: Frame, data: bytes, expected: Head) -> Stored:
        """Store a frame's bytes; raises as `append`."""
        key = frame_hash(data)
        for _ in range(ATTEMPTS):
            try:
                position = await self._records.put(conversation, data, id=key, expected=expected.position)
            except (PositionMoved, AckLost):
                tail = await self._tail(conversation, expected)
                mine = next((stored for stored in tail if stored.head.hash == key), None)
                if mine is not None:
                    return mine
                if tail:
                    raise _conflict(conversation, expected, tail) from None
                await self._check_not_lost(conversation, expected)
            else:
                self._note(conversation, frame, data)
                self._forget_erased(conversation, frame)
                return Stored(conversation, frame, Head(frame.last, position, key), data)
        raise Unavailable(
            f"append to {conversation!r} after version {expected.version} was not acknowledged in {ATTEMPTS} attempts; "
            "the same call may be made again"
        )

    async def _tail(self, conversation: ConversationId, expected: Head) -> list[Stored]:
        """Return what stands after `expected`; all of a log that was thought empty, whatever it continues."""
        if expected.position:
            return [stored async for stored in self.read(conversation, expected)]
        keys = Keyring(self._vault)
        return [await stored_at(conversation, *found, keys) async for found in self._records.get(conversation, 0)]

    def _forget_erased(self, conversation: ConversationId, frame: Frame) -> None:
        if self._vault is not None and frame.erases:
            self._vault.forget(conversation)

    async def _check_not_lost(self, conversation: ConversationId, expected: Head) -> None:
        last = await self._records.last(conversation)
        position = 0 if last is None else last[0]
        if position < expected.position:
            raise CorruptLog(
                f"{conversation!r} ends at position {position}, but version {expected.version} was stored at "
                f"{expected.position}: the server lost what it had acknowledged; restore it from a backup"
            )

    async def read(self, conversation: ConversationId, after: Head = START) -> AsyncIterator[Stored]:
        """Yield what stands after the head `after`; see `EventLog.read`."""
        course, first, keys = Course(after), True, Keyring(self._vault)
        async for position, data in self._records.get(conversation, after.position):
            stored = await stored_at(conversation, position, data, keys)
            if keys.asked or conversation not in self._sealed:  # else nothing new
                self._note(conversation, stored.frame, data)
            self._forget_erased(conversation, stored.frame)
            if first and not after.position and erased_before(stored.frame, after) is None:
                async for before in self._ancestry.before(stored, after):
                    course.check(before)
                    yield before
            first = False
            course.check(stored)
            yield stored

    async def last(self, conversation: ConversationId) -> Stored | None:
        """Return the last frame, or None where nothing is recorded."""
        found = await self._records.last(conversation)
        return None if found is None else await stored_at(conversation, *found, Keyring(None))

    async def lasts(self) -> AsyncIterator[Stored | Unreadable]:
        """Yield the last frame of every conversation, in no order; see `EventLog.lasts`."""
        async for conversation, position, data in self._records.lasts():
            try:
                found: Stored | Unreadable = await stored_at(conversation, position, data, Keyring(None))
            except CorruptLog as error:
                found = Unreadable(conversation, position, str(error))
            yield found

    def structure(self) -> "FrameLog":
        """Return this log without its vault; see `without_keys`."""
        return FrameLog(self._records, limit=self._limit, again=self._again)


def without_keys(log: EventLog) -> EventLog:
    """Return a log as somebody has it who asks for no key: what is sealed stays so.

    Only what has nobody's words is appended there.
    """
    return log.structure() if isinstance(log, FrameLog) else log


def continues(frame: Frame, head: Head) -> bool:
    """Say whether this is a frame that may stand right after `head`."""
    return (frame.first, frame.prev) == (head.version + 1, head.hash) and bool(frame.events)


def begins_erased(frame: Frame, head: Head) -> bool:
    """Say whether a log may begin with this frame, because what was before it is erased."""
    return head == START and erased_before(frame, head) is not None


def check_content(stored: Stored, *, first: bool) -> None:
    """Check that a frame has the content that it was recorded with; and, of the first of a log, what was before it.

    Raises:
        Withheld: it is sealed, or was erased.

    """
    if stored.frame.sealed or (first and begins_erased(stored.frame, START)):
        erased = stored.frame.sealed != SEALED
        raise not_to_be_had(f"the content of {stored.conversation!r}", erased=erased)


def _check_readable(frame: Frame, data: bytes) -> None:
    """Raise InvalidInput if an event of this release could not be read back: types are only checked on reading."""
    events = decode_frame(data).events
    if UnknownEvent not in map(type, events):
        return
    for written, read in zip(frame.events, events, strict=True):
        if isinstance(read, UnknownEvent) and not isinstance(written, UnknownEvent):
            raise InvalidInput(f"an event {read.tag!r} has a field of a type that it cannot have: {read.raw[:200]!r}")


def no_version(conversation: str, last: int, version: int) -> NotFound:
    """Return the error for a version that a conversation does not have."""
    return NotFound(f"conversation {conversation!r} has versions 1 to {last}, not {version}")


def not_taken(conversation: str) -> Refused:
    """Return the error for a conversation in clear that is to be restored where all is sealed."""
    return Refused(
        f"conversation {conversation!r} is in clear, and this namespace is encrypted: import it into one that is not"
    )


def not_found(conversation: str, where: str = "") -> NotFound:
    """Return the error for a conversation of which nothing is recorded."""
    return NotFound(f"no conversation {conversation!r}{where}")


def _conflict(conversation: ConversationId, expected: Head, tail: Sequence[Stored]) -> Conflict:
    return Conflict(
        f"{conversation!r} is at version {tail[-1].head.version}, not at {expected.version}: another writer appended; "
        "fold its frames and decide again"
    )

"""Keeping snapshots of conversations beside their logs, opening conversations by them, and a place for them in memory.

Parts of a conversation are stored one after another, each at the expected position, so two writers never mix chains.
An empty one is the mark of an erasure: it is the last for ever, because whoever knows it writes nothing, and whoever
does not expects another position.

A chain that does not fit is thrown away: by whoever begins the next one, once that is stored.  Until then its parts
stay where they are, and nobody uses them.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from ..actors import Kept
from ..events import (
    Cipher,
    ConversationId,
    EventLog,
    FrameworkError,
    Head,
    InvalidInput,
    PositionMoved,
    Stored,
    Vault,
    Withheld,
)
from ..projections import Conversation, Snapshot, StoredPart, Unfit, nothing_kept, parts_of, read_part, with_part

logger = logging.getLogger("agent_runtime_framework.snapshots")

VERSIONS = 800
"""A conversation is kept anew after so many events, which are some seventy turns."""

RECORDED = 512 * 1024
"""Or after so many recorded bytes, of which about half is what was said."""

MARK = b""
"""Stands last where a conversation was erased."""


class Parts(Protocol):
    """Stores the parts of conversations."""

    async def get(self, conversation: ConversationId) -> list[tuple[int, bytes]]:
        """Return position and bytes of what is stored, in order.

        Raises:
            Unavailable: the server did not answer; so do all.

        """

    async def put(self, conversation: ConversationId, data: bytes, expected: int) -> int:
        """Store a part if the last position is `expected` (0: none), and return its own.

        Raises:
            PositionMoved: it is another; nothing was stored.

        """

    async def remove(self, conversation: ConversationId, position: int) -> None:
        """Overwrite a part."""

    async def erase(self, conversation: ConversationId) -> int:
        """Leave the mark, so that nothing is ever stored after it, overwrite all parts, and return how many."""


class MemoryParts:
    """Stores parts in this process."""

    def __init__(self) -> None:
        self._stored: defaultdict[ConversationId, list[tuple[int, bytes]]] = defaultdict(list)
        self._position = 0

    async def get(self, conversation: ConversationId) -> list[tuple[int, bytes]]:
        """Return what is stored; see `Parts.get`."""
        return list(self._stored.get(conversation, ()))

    async def put(self, conversation: ConversationId, data: bytes, expected: int) -> int:
        """Store a part; see `Parts.put`."""
        mine = self._stored[conversation]
        if (mine[-1][0] if mine else 0) != expected:
            raise PositionMoved
        self._position += 1
        mine.append((self._position, data))
        return self._position

    async def remove(self, conversation: ConversationId, position: int) -> None:
        """Take a part away; see `Parts.remove`."""
        mine = self._stored[conversation]
        mine[:] = [each for each in mine if each[0] != position]

    async def erase(self, conversation: ConversationId) -> int:
        """Leave the mark; see `Parts.erase`."""
        mine = self._stored[conversation]
        parts = [each for each in mine if each[1] != MARK]
        if not mine or mine[-1][1] != MARK:
            await self.put(conversation, MARK, mine[-1][0] if mine else 0)
        mine[:] = mine[-1:]
        return len(parts)


class ConversationSnapshots:
    """Keeps the snapshots of a log's conversations in `parts`; implements `actors.Snapshots`.

    A conversation is kept anew after `versions` events or `recorded` bytes.  Where a vault is given, the parts of those
    that have a key are sealed with it.
    """

    def __init__(
        self,
        parts: Parts,
        log: EventLog,
        vault: Vault | None = None,
        *,
        versions: int = VERSIONS,
        recorded: int = RECORDED,
    ) -> None:
        self.parts = parts
        self._log = log
        self._vault = vault
        self._versions = versions
        self._recorded = recorded

    async def load(self, conversation: ConversationId) -> Kept:
        """Return what is kept; see `actors.Snapshots.load`."""
        nothing = Kept(nothing_kept(conversation), closed=True)
        try:
            found, last = await asyncio.gather(self.parts.get(conversation), self._log.last(conversation))
            if (found and found[-1][1] == MARK) or (last is not None and last.frame.status == "erased"):
                return nothing
            stale, chain = _parted([(position, _read(conversation, data)) for position, data in found])
            kept = Kept(nothing.snapshot, found[-1][0] if found else 0, tuple(chain), stale)
            try:
                snapshot = await self._joined(kept.snapshot, tuple(chain.values()), last)
                return replace(kept, snapshot=snapshot, ends=last is None or last.head == snapshot.head)
            except Unfit as unfit:
                logger.info("the snapshot of %s is thrown away: %s", conversation, unfit)
                return kept.thrown_away
        except FrameworkError as error:
            logger.debug("no snapshot of %s is used: %s", conversation, error)
            return nothing

    async def _joined(self, snapshot: Snapshot, chain: Sequence[StoredPart | None], last: Stored | None) -> Snapshot:
        """Return the conversation as a chain has it, whose head a log that ends with `last` may have.

        Raises:
            Unfit: it does not fit.
            Withheld: it is sealed, and the key is not here.

        """
        cipher = await self._cipher(snapshot.conversation.id) if chain else None
        for read in chain:
            if read is None:
                raise Unfit("one of its parts is damaged, or of another revision")
            snapshot = with_part(snapshot, read, cipher)
            await asyncio.sleep(0)  # other conversations go on meanwhile
        if chain and not (snapshot.whole and _may_have(last, snapshot.head)):
            raise Unfit("its last part is missing, or its log does not have it")
        return snapshot

    def is_long(self, last: Stored) -> bool:
        """Say whether a conversation that ends with this frame has so many events that it may be kept; no fork is."""
        return not last.frame.parent and last.head.version >= self._versions

    def due(self, kept: Kept, head: Head, recorded: int) -> bool:
        """Say whether to keep a conversation anew; see `actors.Snapshots.due`."""
        gained = head.version - kept.snapshot.head.version
        return not kept.closed and (gained >= self._versions or recorded >= self._recorded)

    async def keep(self, kept: Kept, conversation: Conversation, head: Head) -> Kept:
        """Keep a conversation; see `actors.Snapshots.keep`."""
        id_, parts, positions = conversation.id, list[bytes](), list[int]()
        try:
            for part in parts_of(kept.snapshot, conversation, head, await self._cipher(id_)):
                parts.append(part)
                await asyncio.sleep(0)  # other conversations go on meanwhile
            for part in parts:
                positions.append(await self.parts.put(id_, part, positions[-1] if positions else kept.position))
        except (Unfit, PositionMoved, Withheld, InvalidInput) as reason:
            logger.debug("%s is not kept any more: %s", id_, str(reason) or "another writer keeps it")
            return Kept(nothing_kept(id_), closed=True)
        except FrameworkError as error:
            logger.info("%s is not kept yet: %s", id_, error)
            return Kept(nothing_kept(id_), closed=True) if positions else kept
        last = read_part(parts[-1])
        snapshot = Snapshot(conversation, head, last.part.number, last.digest, whole=True)
        return Kept(snapshot, positions[-1], (*kept.parts, *positions), await self._without(id_, kept.stale))

    async def _cipher(self, conversation: ConversationId) -> Cipher | None:
        """Return what seals a conversation's parts, None where they are in clear.

        Raises:
            Unfit: conversations are sealed here, and this one has no key: none of it is kept in clear.

        """
        if self._vault is None or not await self._vault.encrypted():
            return None
        cipher = await self._vault.cipher(conversation, anew=True)
        if cipher is None:
            raise Unfit("it has no key, where conversations are sealed")
        return cipher

    async def _without(self, conversation: ConversationId, stale: tuple[int, ...]) -> tuple[int, ...]:
        """Take away what another chain took the place of, and return what is still there."""
        for done, position in enumerate(stale):
            try:
                await self.parts.remove(conversation, position)
            except FrameworkError as error:
                logger.info("old parts of %s are still there: %s", conversation, error)
                return stale[done:]
        return ()

    async def erase(self, conversation: ConversationId) -> int:
        """Overwrite what is kept of a conversation, let nothing be kept any more, and return how many parts there were.

        Raises:
            Unavailable: it is not known to be done; the same call may be made again.

        """
        return await self.parts.erase(conversation)


def _read(conversation: ConversationId, data: bytes) -> StoredPart | None:
    try:
        return read_part(data)
    except Unfit as unfit:
        logger.debug("a part of %s is of no use: %s", conversation, unfit)
        return None


def _parted(found: list[tuple[int, StoredPart | None]]) -> tuple[tuple[int, ...], dict[int, StoredPart | None]]:
    """Return where parts of older chains stand, and the last chain: whoever begins one anew counts from one."""
    begins = max((at for at, (_, read) in enumerate(found) if read is not None and read.part.number == 1), default=0)
    return tuple(position for position, _ in found[:begins]), dict(found[begins:])


def _may_have(last: Stored | None, head: Head) -> bool:
    """Say whether a log that ends with this frame may have a head; whether it has, what follows the head says."""
    if last is None:
        return False
    return last.head == head or (last.head.version > head.version and last.head.position > head.position)

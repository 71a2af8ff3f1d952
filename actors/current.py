"""A conversation as its log has it now: opened by a snapshot or from the beginning, gone on with, and kept again."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ..events import (
    ConversationId,
    CorruptLog,
    EventLog,
    Frame,
    Head,
    NewerRelease,
    Stored,
    Unavailable,
    WriterId,
    not_to_be_had,
)
from ..projections import Conversation, can_be_kept, fold, forget_requests, nothing_kept
from .commands import Command
from .settle import Settled
from .snapshots import Kept, Snapshots

logger = logging.getLogger("agent_runtime_framework.actors")

Pause: TypeAlias = Callable[[Unavailable, int], Awaitable[None]]
"""Waits a moment before the log is tried again, or raises."""


class Current:
    """Is what is known here of a conversation.

    Attributes:
        conversation, head: the fold of its log, and where that ends.
        keeping: what keeps it at this moment, or None.

    A `pause` is awaited before each further try to reach the log, with how many there were.  It is given to what may
    need it and not held, since it is the actor's, which holds this.

    """

    __slots__ = ("_kept", "_loaded", "_log", "_recorded", "_snapshots", "conversation", "head", "keeping")

    def __init__(self, conversation: ConversationId, *, log: EventLog, snapshots: Snapshots) -> None:
        self._log = log
        self._snapshots = snapshots
        self._kept = Kept(nothing_kept(conversation), closed=True)
        self._loaded = False
        self._recorded = 0
        self.conversation, self.head = self._kept.snapshot.conversation, self._kept.snapshot.head
        self.keeping: asyncio.Task[None] | None = None

    @property
    def lost(self) -> bool:
        """Whether what the conversation goes on from was erased, so that nobody ever decides on it."""
        return self.conversation.withheld and self.conversation.lost

    async def load(self, pause: Pause) -> None:
        """Fold the log, once; raises as `catch_up`."""
        if self._loaded:
            return
        self._open(await self._snapshots.load(self.conversation.id))
        try:
            if not self._kept.ends:
                await self._read_on(pause)
        except CorruptLog as error:
            if not self._kept.snapshot.number:
                raise
            logger.info("the snapshot of %s is thrown away: %s", self.conversation.id, error)
            self._open(self._kept.thrown_away)
            await self._read_on(pause)
        self._check(lost_before=True)
        self._loaded = True

    async def catch_up(self, pause: Pause) -> None:
        """Fold what another writer appended.

        Raises:
            NewerRelease: it holds events that this release does not know.
            Withheld: some of it is sealed, and the key is not here.
            CorruptLog: the log is damaged.

        """
        lost_before = self.lost
        await self._read_on(pause)
        self._check(lost_before=lost_before)

    def adopt(self, conversation: Conversation, stored: Stored) -> None:
        """Take over what a frame that was stored made of the conversation."""
        self.conversation, self.head = conversation, stored.head
        self._recorded += len(stored.data)

    def let_go(self) -> None:
        """Leave the memory, with whatever is kept there to go on faster."""
        forget_requests(self.conversation.transcript)

    def frame(self, settled: Settled, command: Command, *, time: int, writer: WriterId) -> Frame:
        """Return the frame of what was decided, as it goes on from here."""
        conversation = settled.conversation
        return Frame(
            first=self.head.version + 1,
            time=time,
            writer=writer,
            agent=conversation.agent,
            turn=conversation.turns,
            step=conversation.step,
            status=conversation.status,
            command=getattr(command, "id", ""),
            prev=self.head.hash,
            parent="" if conversation.lineage is None else conversation.lineage.parent,
            events=settled.events,
        )

    def keep(self) -> asyncio.Task[None] | None:
        """Begin to keep the conversation, if that is due and it can be now, and return what does so."""
        due = self.keeping is None and self._snapshots.due(self._kept, self.head, self._recorded)
        if not (due and can_be_kept(self.conversation)):
            return None
        self.keeping = asyncio.get_running_loop().create_task(self._keep(self.conversation, self.head, self._recorded))
        return self.keeping

    async def _keep(self, conversation: Conversation, head: Head, recorded: int) -> None:
        before = self._kept
        try:
            self._kept = await self._snapshots.keep(before, conversation, head)
            if self._kept is not before:
                self._recorded -= recorded
        except Exception:
            logger.exception("%s is not kept any more", self.conversation.id)
            self._kept = Kept(nothing_kept(self.conversation.id), closed=True)
        finally:
            self.keeping = None

    def _open(self, kept: Kept) -> None:
        self._kept, self._recorded = kept, 0
        self.conversation, self.head = kept.snapshot.conversation, kept.snapshot.head

    async def _read_on(self, pause: Pause) -> None:
        for tries in itertools.count():
            try:
                async for stored in self._log.read(self.conversation.id, self.head):
                    self.adopt(fold(self.conversation, [stored.frame]), stored)
                break
            except Unavailable as error:
                await pause(error, tries)

    def _check(self, *, lost_before: bool) -> None:
        now = self.conversation
        if now.unknown:
            tags = ", ".join(sorted(set(now.unknown)))
            raise NewerRelease(
                f"{now.id!r} holds events of a newer release ({tags}); a worker of that release is needed"
            )
        if now.withheld and not (self.lost and lost_before):
            raise not_to_be_had(f"the content of {now.id!r}", erased=self.lost)

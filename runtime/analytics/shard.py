"""Exporting one stream: what stands in it after a position, as rows.

A stream has the frames of all its conversations in turn.  So it is sorted by conversation first, in files (`spill.py`
of the room); then each conversation is folded once, from its own log up to where the new frames begin, and on with
these.  No more of the stream is in memory than one part in 128, and one conversation.

A conversation that is damaged is left out, all of what is new of it, and remembered: the next export tries it again.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ...events import (
    SEALED,
    START,
    ConversationErased,
    ConversationId,
    CorruptLog,
    Course,
    FrameworkError,
    Head,
    Keyring,
    Stored,
    Unavailable,
    Withheld,
    check_content,
)
from ...projections import initial
from ...projections.ledger import Ledger
from ...projections.rows import event_rows
from ...projections.tables import Row, without_content
from ..feed import Entry, Feed, stored
from ..spill import Spill, spill_stream
from ..substrate import Substrate
from .writer import Files, Writer

EVENTS: Final = frozenset({"events"})
"""The tables that need no fold."""


class ShardState(Struct, frozen=True):
    """Says how far a stream is exported.

    Attributes:
        stream: which one it is.
        position: what stands after it is new.
        left_out: the conversations that could not be read.

    """

    stream: str = ""
    position: int = 0
    left_out: tuple[str, ...] = ()


class Job(Struct, frozen=True):
    """Is the export of one stream: what is to be written where.

    Attributes:
        shard: which stream.
        tables: which tables.
        state: how far it is.
        run: the number of this export.
        new, old: the directories of this export and of the one before it, if there was one.
        structure: whether what is sealed and cannot be opened is exported without its content, not refused.

    """

    shard: int
    tables: tuple[str, ...]
    state: ShardState
    run: int
    new: str
    old: str | None = None
    structure: bool = False


class Exported(Struct, frozen=True):
    """Is what came of a job.

    Attributes:
        state: how far the stream is now.
        events: how many were new.
        faults: what could not be read, and why.
        withheld: of how many conversations the content is sealed, and so not in it.

    """

    state: ShardState
    events: int = 0
    faults: tuple[str, ...] = ()
    withheld: int = 0


Told = Callable[[int, int], object]
"""Hears how many frames and how many events more are done."""


async def export_shard(substrate: Substrate, job: Job, told: Told) -> Exported:
    """Export what is new in one stream.

    Raises:
        CorruptLog: it is not the stream that was exported before, or ends before that.
        Unavailable: the server did not answer.
        Withheld: what is sealed cannot be opened for want of the master key.

    """
    new, old = Files(Path(job.new), job.shard), None if job.old is None else Files(Path(job.old), job.shard)
    with tempfile.TemporaryDirectory(dir=job.new, prefix=".work-") as directory:
        work = Path(directory)
        with closing(Spill(work)) as spill, closing(Writer(job.tables, new, old, job.run, work)) as writer:
            position, stream = await _spilled(substrate.feed, job, spill)
            export = _Export(substrate, job, writer, told)
            for conversation, entries in spill.conversations():
                await export.of_entries(conversation, entries)
            await export.again(position)
            writer.finish()
    state = ShardState(stream, position, tuple(export.left_out))
    return Exported(state, export.events, tuple(export.faults), export.withheld)


async def _spilled(feed: Feed, job: Job, spill: Spill) -> tuple[int, str]:
    """Sort what is new, and return the position and the name of the stream."""
    stream = (await feed.end(job.shard)).stream
    check_same_stream(job.state, stream)
    return await spill_stream(feed, job.shard, spill, after=job.state.position), stream


def check_same_stream(state: ShardState, stream: str) -> None:
    """Raise CorruptLog if this is not the stream of which something was exported."""
    if state.stream not in ("", stream):
        raise CorruptLog(f"{stream} is not the stream that was exported before ({state.stream}): export to another DIR")


class _Export:
    """Makes rows of conversations."""

    def __init__(self, substrate: Substrate, job: Job, writer: Writer, told: Told) -> None:
        self._log = substrate.log
        self._vault = substrate.vault
        self._folds = not EVENTS.issuperset(job.tables)
        self._events = not EVENTS.isdisjoint(job.tables)
        self._writer = writer
        self._told = told
        self._before = frozenset(job.state.left_out)
        self._structure = job.structure
        self.withheld = 0
        self.left_out: list[str] = []
        self.faults: list[str] = []
        self.events = 0

    async def of_entries(self, conversation: ConversationId, entries: Sequence[Entry]) -> None:
        """Export what is new of a conversation."""
        if conversation not in self._before:  # one that was left out is read again from its log, after all others
            await self._try(conversation, entries)
        self._told(len(entries), 0)
        await asyncio.sleep(0)  # a signal is heard, and progress shown

    async def again(self, position: int) -> None:
        """Try once more what was left out before, up to where the stream was read."""
        for conversation in sorted(self._before):
            await self._try(ConversationId(conversation), position)

    async def _try(self, conversation: ConversationId, what: Sequence[Entry] | int) -> None:
        try:
            if isinstance(what, int):
                frames = await self._left_out(conversation, what)
            else:
                frames = await self._opened(what)
            await self._export(conversation, frames)
        except (Unavailable, Withheld):
            raise
        except FrameworkError as error:
            self.left_out.append(conversation)
            self.faults.append(str(error))

    async def _opened(self, entries: Sequence[Entry]) -> list[Stored]:
        keys = Keyring(self._vault)
        return [await stored(entry, keys) for entry in entries]

    async def _left_out(self, conversation: ConversationId, position: int) -> list[Stored]:
        """Return what is not exported of a conversation that was left out; what is stored after that comes later."""
        exported = self._writer.exported(conversation)
        return [
            found
            async for found in self._log.read(conversation)
            if not found.inherited and found.head.version > exported and found.head.position <= position
        ]

    async def _export(self, conversation: ConversationId, frames: Sequence[Stored]) -> None:
        if not frames:
            return
        withheld = self._withheld(frames)
        ends = any(isinstance(event, ConversationErased) for found in frames for event in found.frame.events)
        ledger = await self._ledger(conversation, frames, erased=ends) if self._folds else None
        rows: list[Row] = []
        for found in frames:
            if self._events:
                rows += event_rows(found)
            if ledger is not None:
                rows += ledger.enter(found)
        unfinished = [] if ledger is None else ledger.open_rows()
        if withheld or ends or (ledger is not None and ledger.erased):
            rows, unfinished = [without_content(row) for row in rows], [without_content(row) for row in unfinished]
        if ends:
            self._writer.empty(conversation)
        if ledger is None or ledger.whole:
            self._writer.replace(conversation)
        self._writer.add(rows, unfinished)
        events = sum(len(found.frame.events) for found in frames)
        self.events += events
        self._told(0, events)

    def _withheld(self, frames: Sequence[Stored]) -> bool:
        """Say whether some content is sealed and cannot be opened; raise Withheld where that is not to be."""
        sealed = next((found for found in frames if found.frame.sealed == SEALED), None)
        if sealed is None:
            return False
        if not self._structure:
            check_content(sealed, first=False)
        self.withheld += 1
        return True

    async def _ledger(self, conversation: ConversationId, frames: Sequence[Stored], *, erased: bool) -> Ledger:
        """Return the ledger of a conversation as it was before these frames, and check that they continue it."""
        first = frames[0]
        ledger, head = Ledger(initial(conversation)), START
        if first.frame.first > 1:
            try:
                async for found in self._earlier(conversation, first):
                    ledger.enter(found)
                    head = found.head
            except CorruptLog:
                if not erased:
                    raise
                head = START
            if head == START and erased:  # what was before was taken away
                ledger = Ledger(replace(initial(conversation), version=first.frame.first - 1))
                head = Head(first.frame.first - 1, 0, first.frame.prev)
        course = Course(head)
        for found in frames:
            course.check(found)
        return ledger

    async def _earlier(self, conversation: ConversationId, first: Stored) -> AsyncIterator[Stored]:
        """Yield what is before a frame, in the log and in those of its ancestors."""
        async for found in self._log.read(conversation):
            if found.head.version >= first.head.version:
                return
            yield found

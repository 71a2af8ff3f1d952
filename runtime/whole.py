"""Every conversation of a namespace, each once and whole, for whoever audits all of them.

Reading one conversation after another from its own log costs a question to the server for each.  So whole streams are
read, sorted by conversation (`spill.py`), and each conversation is checked as a log checks it.  One that does not fit
there, because it goes on from its parent's log, is damaged, or was erased while the stream was read, is read from its
own log after all others of its stream: what is said of it is what that says.

Where few conversations are wanted of many, as a listing tells, these are read from their own logs alone.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, closing
from typing import Final, TypeAlias

from msgspec import Struct

from ..events import (
    START,
    ConversationId,
    CorruptLog,
    Course,
    FrameworkError,
    Keyring,
    Stored,
    Unreadable,
    not_found,
)
from .feed import Entry, stored
from .spill import Spill, spill_stream
from .substrate import Substrate
from .summary import Summary, summary_of

ALONE: Final = 100
"""A conversation is read from its own log in the time in which so many frames of a stream are."""

Wants: TypeAlias = Callable[[Summary], bool]
"""Says by its last frame whether a conversation is wanted."""


class Whole(Struct, frozen=True):
    """Is one conversation.

    Attributes:
        summary: what a listing says of it.
        frames: its frames in order; those of a fork begin with what it inherits.
        damage: why it cannot be read, or not to its end; then `frames` are what stands before that.

    """

    summary: Summary
    frames: Sequence[Stored]
    damage: FrameworkError | None = None

    @property
    def conversation(self) -> ConversationId:
        """Which one it is."""
        return ConversationId(self.summary.conversation)


async def whole_conversations(substrate: Substrate, wants: Wants | None = None) -> AsyncGenerator[Whole, None]:
    """Yield every conversation that is wanted, as it was at the beginning or later, in no order.

    What one cannot be read for hides no other.  No more is in memory than a part of a stream, and one conversation.

    Raises:
        CorruptLog: a stream is gone.
        Unavailable: the server did not answer.
        FrameworkError: there is no room for what is sorted.

    """
    ends = [(await substrate.feed.end(shard)).position for shard in range(substrate.feed.shards)]
    few = None if wants is None else await _few(substrate, wants, sum(ends) // ALONE)
    if few is not None:
        for summary in few:
            yield await _alone(substrate, summary)
        return
    for shard, end in enumerate(ends):
        async with aclosing(_of_stream(substrate, shard, end, wants)) as found:
            async for whole in found:
                yield whole


async def _few(substrate: Substrate, wants: Wants, most: int) -> list[Summary] | None:
    """Return the conversations that are wanted, None where they are more than so many."""
    found: list[Summary] = []
    if not most:
        return None
    async for last in substrate.log.lasts():
        summary = summary_of(last)
        if wants(summary):
            found.append(summary)
        if len(found) > most:
            return None
    return found


async def _of_stream(substrate: Substrate, shard: int, end: int, wants: Wants | None) -> AsyncGenerator[Whole, None]:
    """Yield what is wanted of a stream; of what has to be read from its own log in the order of a listing."""
    later: list[tuple[int, Summary]] = []
    with closing(Spill()) as spill:
        await spill_stream(substrate.feed, shard, spill, to=end)
        for _, entries in spill.conversations():
            await asyncio.sleep(0)  # a signal is heard, and progress shown
            summary = summary_of(await _last(entries[-1]))
            if wants is not None and not wants(summary):
                continue
            frames = await _fitting(substrate, entries)
            if frames is None:
                later.append((entries[-1].position, summary))
            else:
                yield Whole(summary, frames)
    for _, summary in sorted(later, key=lambda one: one[0]):
        yield await _alone(substrate, summary)


async def _last(entry: Entry) -> Stored | Unreadable:
    """Return the last frame of a conversation as a listing gives it."""
    try:
        return await stored(entry, Keyring(None))
    except CorruptLog as error:
        return Unreadable(entry.conversation, entry.position, str(error))


async def _fitting(substrate: Substrate, entries: Sequence[Entry]) -> list[Stored] | None:
    """Return the frames of a conversation, None where they do not fit or are not all that it has."""
    course, frames, keys = Course(START), list[Stored](), Keyring(substrate.vault)
    try:
        for entry in entries:
            found = await stored(entry, keys)
            course.check(found)
            frames.append(found)
    except FrameworkError:
        return None
    return frames


async def _alone(substrate: Substrate, summary: Summary) -> Whole:
    """Return a conversation as its own log has it now; `summary` says what it was when it was found."""
    conversation, frames = ConversationId(summary.conversation), list[Stored]()
    try:
        async for found in substrate.log.read(conversation):
            frames.append(found)
    except FrameworkError as error:
        return Whole(summary, frames, error)
    if not frames:
        return Whole(summary, frames, not_found(conversation))
    return Whole(summary_of(frames[-1]), frames)

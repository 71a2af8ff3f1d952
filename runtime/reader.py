"""The reader: sees any conversation as it is, as it was and as it goes on; never writes.

Whoever needs a conversation only to look at it takes a `Reader`, so that looking cannot change anything.
"""

import contextlib
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from ..events import START, ConversationId, CorruptLog, EventLog, Frame, NotFound, Stored, Unreadable, not_found
from ..projections import Conversation, Recorded, fold, initial, state_of, timeline
from .checking import as_id
from .follower import Follower
from .substrate import Substrate
from .summary import Summary, summary_of
from .wire import Delta, Queued


class Reader:
    """Reads and follows the conversations of a place."""

    def __init__(self, substrate: Substrate) -> None:
        self._substrate = substrate

    @property
    def substrate(self) -> Substrate:
        """The ports that this client talks through."""
        return self._substrate

    @property
    def _log(self) -> EventLog:
        return self.substrate.log

    @property
    def _follower(self) -> Follower:
        return Follower(self.substrate.log, self.substrate.live)

    async def events(self, conversation_id: str | UUID) -> AsyncGenerator[Recorded, None]:
        """Yield what is recorded of a conversation.

        Raises:
            NotFound: nothing is.
            CorruptLog: what is stored does not fit.

        """
        async for stored in self.frames(conversation_id):
            for recorded in timeline(stored):
                yield recorded

    async def follow(
        self, conversation_id: str | UUID, from_version: int = 0
    ) -> AsyncGenerator[Recorded | Delta | Queued, None]:
        """Yield the events after `from_version`, for ever, and what is heard meanwhile.

        That is pieces of answers, and which messages wait for their turn.
        """
        async for heard in self._follower.follow(as_id(conversation_id), START):
            if not isinstance(heard, Stored):
                yield heard
            else:
                for recorded in timeline(heard):
                    if recorded.version > from_version:
                        yield recorded

    async def conversation(self, conversation_id: str | UUID, at: int | None = None) -> Conversation:
        """Return the fold of a conversation, after version `at` or after all that is recorded.

        Raises:
            NotFound: nothing is recorded, or not as many events as `at`.

        """
        id_ = as_id(conversation_id)
        now = initial(id_)
        last = at if at is None or at >= 1 else None  # for what is no version all is read, to say which there are
        async for stored in self.frames(id_):
            now = fold(now, [_up_to(stored.frame, last)])
            if last is not None and now.version >= last:
                break
        if at is not None and not 1 <= at <= now.version:
            raise NotFound(f"conversation {id_!r} has versions 1 to {now.version}, not {at}")
        return now

    async def state(self, conversation_id: str | UUID, at: int | None = None) -> dict[str, Any]:
        """Return the journey's state, after version `at` or after all that is recorded; errors as `conversation`."""
        return state_of(await self.conversation(conversation_id, at))

    async def conversations(self) -> AsyncGenerator[Summary, None]:
        """Yield every conversation of the namespace, in no order."""
        async for stored in self._log.lasts():
            yield summary_of(stored)

    async def forks(self, conversation_id: str | UUID) -> tuple[ConversationId, ...]:
        """Return which conversations were forked from this one, in the order of their names.

        These are the ones that cannot be read without its log; a fork of one of them is that one's.

        Raises:
            Unavailable: the server did not answer.

        """
        parent = as_id(conversation_id)
        found = [last.conversation async for last in self._log.lasts() if await self._parent_of(last) == parent]
        return tuple(sorted(found))

    async def _parent_of(self, last: Stored | Unreadable) -> str:
        if isinstance(last, Stored):
            return last.frame.parent
        with contextlib.suppress(CorruptLog):  # what is damaged at its end was forked from somewhere all the same
            async for stored in self._log.read(last.conversation):
                if not stored.inherited:
                    return stored.frame.parent
        return ""

    async def frames(self, conversation_id: str | UUID) -> AsyncGenerator[Stored, None]:
        """Yield the stored frames of a conversation; errors as `events`."""
        conversation = as_id(conversation_id)
        found = False
        async for stored in self._log.read(conversation):
            found = True
            yield stored
        if not found:
            raise not_found(conversation)


def _up_to(frame: Frame, at: int | None) -> Frame:
    return frame if at is None else replace(frame, events=frame.events[: max(at - frame.first + 1, 0)])

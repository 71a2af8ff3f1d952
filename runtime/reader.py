"""The reader: sees any conversation as it is, as it was and as it goes on; never writes.

Whoever needs a conversation only to look at it takes a `Reader`, so that looking cannot change anything.
"""

import contextlib
from bisect import bisect_left
from collections.abc import AsyncGenerator
from typing import Any, TypeVar
from uuid import UUID

from msgspec.structs import replace

from ..events import (
    START,
    ConversationId,
    CorruptLog,
    EventLog,
    Frame,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    NewerRelease,
    NotFound,
    Stored,
    Unreadable,
    Withheld,
    check_content,
    no_version,
    not_found,
    not_to_be_had,
    without_keys,
)
from ..projections import (
    Account,
    Accounting,
    Conversation,
    Projection,
    Rebuilt,
    Recorded,
    ToolDecision,
    TurnAccount,
    account,
    decisions_of,
    fold,
    initial,
    rebuilt,
    state_of,
    timeline,
    unfinished,
)
from .checking import as_id
from .follower import Follower
from .logfiles import Recording
from .sinks import Sink
from .subscription import Subscription
from .substrate import Substrate
from .summary import Summary, summary_of
from .vault import Shut
from .verifying import Verdict, Verification
from .wire import Delta, Queued

S = TypeVar("S")

_Asking = ModelRequested | ModelAnswered | ModelFailed


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
        return Follower(self.substrate.log, self.substrate.live, vault=self.substrate.vault)

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
            Withheld: what was at that version is erased; of what is sealed there is the structure, and `withheld`.

        """
        id_ = as_id(conversation_id)
        now = initial(id_)
        last = at if at is None or at >= 1 else None  # for what is no version all is read, to say which there are
        async for stored in self.frames(id_):
            _check_kept(stored, at)
            now = fold(now, [_up_to(stored.frame, last)])
            if last is not None and now.version >= last:
                break
        if at is not None and not 1 <= at <= now.version:
            raise no_version(id_, now.version, at)
        return now

    async def state(self, conversation_id: str | UUID, at: int | None = None) -> dict[str, Any]:
        """Return the journey's state, after version `at` or after all that is recorded; errors as `conversation`.

        Raises:
            Withheld: it is sealed and the key not here, or was erased.

        """
        now = await self.conversation(conversation_id, at)
        if now.withheld:
            raise await self.withheld(now.id) or not_to_be_had(f"the state of {now.id!r}")
        return state_of(now)

    async def withheld(self, conversation_id: str | UUID) -> Withheld | None:
        """Return why nobody can read here what was said in a conversation, None if one can.

        Raises:
            NotFound: nothing is recorded.
            Unavailable: the server did not answer.

        """
        last = await self.last(conversation_id)
        if last.frame.status == "erased":
            return not_to_be_had(f"conversation {last.conversation!r}", erased=True)
        vault = self.substrate.vault
        cipher = None if vault is None else await vault.cipher(last.conversation, anew=True)
        if isinstance(cipher, Shut):
            return Withheld(cipher.message, erased=cipher.erased)
        if cipher is None and last.frame.sealed:
            lost = f"the content of {last.conversation!r} is sealed, and its key is not in this namespace"
            return Withheld(lost, erased=False)
        return None

    async def accounts(self, conversation_id: str | UUID, at: int | None = None) -> AsyncGenerator[Account, None]:
        """Yield the account of each turn as it ends, and in between what is part of none; a turn in progress last.

        Errors as `conversation`, but what stands before a damage is yielded first.
        """
        async for each, _ in self._accounts(as_id(conversation_id), at):
            yield each

    async def decisions(self, conversation_id: str | UUID) -> AsyncGenerator[ToolDecision, None]:
        """Yield the decision of each tool call, those of a turn as it ends; those of a turn in progress last.

        Those of a fork begin with what it has from before its cut, each under the conversation whose log has it.
        Errors as `accounts`.
        """
        async for each, holder in self._accounts(as_id(conversation_id), None):
            if isinstance(each, TurnAccount):
                for decision in decisions_of(each, holder):
                    yield decision

    async def _accounts(
        self, conversation: ConversationId, at: int | None
    ) -> AsyncGenerator[tuple[Account, ConversationId], None]:
        """Yield each account as it is over, with the conversation whose log has its end."""
        await self._check_version(conversation, at)
        now, holder = Accounting(initial(conversation)), conversation
        try:
            async for stored in self.frames(conversation):
                _check_kept(stored, at)
                now, over = account(now, _up_to(stored.frame, at))
                holder = stored.holder or conversation
                for each in over:
                    yield each, holder
                if at is not None and now.conversation.version >= at:
                    break
        except CorruptLog:
            for each in unfinished(now):
                yield each, holder
            raise
        for each in unfinished(now):
            yield each, holder

    async def request(self, conversation_id: str | UUID, version: int) -> Rebuilt | None:
        """Return the request to the model at `version`, or the one that the answer or failure there came of.

        It is rebuilt from the log.  A request that stands where none can be is None.

        Raises:
            NotFound: there is none; the message names the nearest.
            Withheld: what was sent is sealed and the key not here, or was erased.
            CorruptLog: what is stored does not fit.

        """
        id_ = as_id(conversation_id)
        requests: dict[int, ModelRequested] = {}
        asked: int | None = None
        first = True
        async for stored in self.frames(id_):
            check_content(stored, first=first)
            first = False
            for recorded in timeline(stored):
                if isinstance(recorded.event, ModelRequested):
                    requests[recorded.version] = recorded.event
                if recorded.version == version and isinstance(recorded.event, _Asking):
                    asked = version if isinstance(recorded.event, ModelRequested) else recorded.event.cause
            if asked is not None:
                break  # what comes after it, perhaps damaged, is not needed
        request = requests.get(asked or 0)
        if asked is None or request is None:
            raise _no_request(id_, version, sorted(requests))
        return rebuilt(await self.conversation(id_, asked), request.renderer)

    def subscribe(self, projection: Projection[S], name: str, *, sink: Sink) -> Subscription[S]:
        """Return what folds a projection over all conversations into a sink, under that name.

        It goes on from where the sink stands: `catch_up` up to now, `run` until it is cancelled, `rebuild` from the
        start.

        Raises:
            InvalidInput: the name is no token, or the projection is not plain functions.

        """
        return Subscription(self.substrate, projection, name, sink)

    async def conversations(self) -> AsyncGenerator[Summary, None]:
        """Yield every conversation of the namespace, in no order."""
        async for stored in self._log.lasts():
            yield summary_of(stored)

    async def last(self, conversation_id: str | UUID) -> Stored:
        """Return the last frame of a conversation.

        Raises:
            NotFound: nothing is recorded.

        """
        conversation = as_id(conversation_id)
        last = await self._log.last(conversation)
        if last is None:
            raise not_found(conversation)
        return last

    async def _check_version(self, conversation: ConversationId, at: int | None) -> None:
        """Raise NotFound for a version that is not there, without reading all that is."""
        with contextlib.suppress(CorruptLog):  # what stands before the damage can be read
            last = None if at is None else await self._log.last(conversation)
            if last is not None and at is not None and not 1 <= at <= last.head.version:
                raise no_version(conversation, last.head.version, at)

    async def forks(self, conversation_id: str | UUID) -> tuple[ConversationId, ...]:
        """Return which conversations were forked from this one, in the order of their names.

        These are the ones that cannot be read without its log; a fork of one of them is that one's.

        Raises:
            Unavailable: the server did not answer.

        """
        parent = as_id(conversation_id)
        found = [last.conversation async for last in self._log.lasts() if await self._parent_of(last) == parent]
        return tuple(sorted([fork for fork in found if await self._inherits(fork)]))

    async def _inherits(self, fork: ConversationId) -> bool:
        """Say whether a fork needs its parent's log; one that came here with an import has all of it in its own."""
        with contextlib.suppress(CorruptLog, NewerRelease):
            async for stored in without_keys(self._log).read(fork):
                return stored.inherited
        return True

    async def _parent_of(self, last: Stored | Unreadable) -> str:
        if isinstance(last, Stored):
            return last.frame.parent
        # what is damaged at its end was forked from somewhere all the same
        with contextlib.suppress(CorruptLog, NewerRelease):
            async for stored in without_keys(self._log).read(last.conversation):
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

    async def verify(self, conversation_id: str | UUID) -> Verdict:
        """Check all that is stored of a conversation, and return what came of it; `arf audit verify` does all of them.

        Raises:
            NotFound: nothing is.
            Unavailable: the server did not answer.

        """
        return await Verification(self.substrate).one(as_id(conversation_id))

    async def recording(self, conversation_id: str | UUID) -> Recording:
        """Return a conversation as it was recorded, for `write_logs` or another place; errors as `events`."""
        conversation = as_id(conversation_id)
        return Recording(conversation, tuple([stored async for stored in self.frames(conversation)]))


def _no_request(conversation: ConversationId, version: int, requests: list[int]) -> NotFound:
    """Return the error that names the requests around a version."""
    place = bisect_left(requests, version)
    near = " and ".join(str(each) for each in requests[max(place - 1, 0) : place + 1])
    nearest = f"; the nearest are at {near}" if " " in near else f"; the nearest is at {near}"
    return NotFound(f"version {version} of {conversation!r} is no request to a model{nearest if near else ''}")


def _check_kept(stored: Stored, at: int | None) -> None:
    """Check that a conversation as it was after version `at` can be told, if this frame is the next of it."""
    if at is not None and stored.frame.erases and at < stored.frame.first:
        raise Withheld(
            f"conversation {stored.conversation!r} was erased at version {stored.head.version}, and nothing before "
            "that is kept",
            erased=True,
        )


def _up_to(frame: Frame, at: int | None) -> Frame:
    return frame if at is None else replace(frame, events=frame.events[: max(at - frame.first + 1, 0)])

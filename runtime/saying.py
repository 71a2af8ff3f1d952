"""Saying something in a conversation, and hearing the reply: one command out, and the frames of its turn in.

Whoever says something listens before the command is sent.  So nothing is read where the conversation is known from
before: the frames that are heard go on from where it was left.  A long one that is not is opened by its snapshot.  What
does not go on from there was erased, or brought here anew, and is folded from its start.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ..actors import BusCommand, SayToAgent
from ..events import (
    START,
    AgentKey,
    AnyEvent,
    Cipher,
    CommandRefused,
    ConversationId,
    CorruptLog,
    Head,
    Refused,
    Stored,
    Unavailable,
)
from ..events.codec import in_clear, is_sealed
from ..projections import Conversation, evolve, initial, state_of
from ..projections.evolution import begun
from .agents.run import no_reply
from .command_keys import key_for
from .follower import Follower
from .live import Listener
from .raised import raised_in
from .snapshots import RECORDED
from .substrate import Substrate
from .wire import Queued, seal_command

logger = logging.getLogger("agent_runtime_framework.saying")

REMEMBERED: Final = 1_000
REMEMBERED_BYTES: Final = 64 * 1024 * 1024
"""So many conversations are remembered as they were last heard, and so many bytes of their frames."""


class Reply(Struct, frozen=True):
    """Is what an agent replied.

    Attributes:
        text: its words; empty where it had nothing to say.
        turn: the number of the turn.
        version: of the event that ended the turn.
        state: the journey's state after it.

    >>> import asyncio
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(ScriptedLLM("Hello!"))) as rt:
    ...         return await rt.send("onboarding", "c-1", "hi")
    >>> reply = asyncio.run(main())
    >>> reply.text, reply.turn, reply.state["step"]
    ('Hello!', 1, 'welcome')

    """

    text: str
    turn: int
    version: int
    state: dict[str, Any]


class Known(Struct, frozen=True):
    """Is a conversation as it is known here, up to the head `head`.

    Attributes:
        conversation: its fold.
        head: what that is the fold of.
        parent: what its own frames say that it was cut from; None while it has none, so that all are its own.
        agent: whose it is; empty while nobody has said anything in it.
        unsealed: whether the last thing said here went in clear, as the place wants it.
        clear: whether it is known to be in clear, or sealed; None where no frame told yet.
        size: how many bytes of frames were folded.
        last: its last frame, where only that was read.

    """

    conversation: Conversation
    head: Head = START
    parent: str | None = None
    agent: str = ""
    unsealed: bool = False
    clear: bool | None = None
    size: int = 0
    last: Stored | None = None

    def after(self, stored: Stored, conversation: Conversation) -> "Known":
        """Return this with one more frame, after which the conversation is this."""
        clear = self.clear
        # where words are sealed no frame changes that: what is only heard may be anybody's
        if clear is None and self.unsealed and not stored.inherited:
            clear = False if is_sealed(stored.data) else in_clear(stored.frame, stored.data) or None
        return Known(
            conversation=conversation,
            head=stored.head,
            parent=None if stored.inherited else stored.frame.parent,
            agent=conversation.agent,
            unsealed=self.unsealed,
            clear=clear,
            size=self.size + len(stored.data),
        )


class Saying:
    """Says things in the conversations of a place, and remembers these as they were then."""

    def __init__(self, substrate: Substrate, follower: Follower) -> None:
        self.substrate = substrate
        self._follower = follower
        self._known: OrderedDict[ConversationId, Known] = OrderedDict()
        self._bytes = 0

    async def known(self, conversation: ConversationId, say: SayToAgent) -> Known:
        """Return a conversation as it is known before something is said in it.

        Raises:
            Refused: it belongs to another agent.
            Unavailable: the server did not answer.

        """
        known = self._known.get(conversation)
        if known is None or known.agent not in ("", say.agent):
            known = await self._looked_up(conversation)
        if known.agent not in ("", say.agent):
            raise Refused(f"conversation {conversation!r} belongs to agent {known.agent!r}, not to {say.agent!r}")
        return known

    async def _looked_up(self, conversation: ConversationId) -> Known:
        """Return a conversation as the end of its log tells of it, and forget what was known."""
        self._forget(conversation)
        last = await self.substrate.log.last(conversation)
        if last is None:
            return Known(initial(conversation))
        return Known(initial(conversation), parent=last.frame.parent, agent=last.frame.agent, last=last)

    async def reply(self, known: Known, say: SayToAgent, waits: Callable[[Queued], None]) -> Reply:
        """Send a message and return the reply to it; `waits` hears that it waits.

        Raises:
            Refused: the conversation did not take the message.
            NoReply: the turn ended without a reply.
            Unavailable: the server did not answer.

        """
        conversation = known.conversation.id
        async with self.substrate.live.listen(conversation) as listener:
            key = await self._key(conversation, known)
            known = replace(known, unsealed=key is None)
            again = await self._sent(conversation, say, key)
            opened = await self._opened(known) if known.head == START else known
            if opened.head != START and say.id not in opened.conversation.handled:
                try:
                    return await self._heard(listener, opened, say, waits, read=again or opened is not known)
                except (CorruptLog, _Elsewhere):
                    logger.debug("%s is not as it was known", conversation)
            if known.head != START:
                known = replace(await self._looked_up(conversation), unsealed=known.unsealed)
            return await self._heard(listener, self._from_start(known), say, waits, read=True)

    async def publish(self, conversation: ConversationId, say: SayToAgent) -> bool:
        """Send a message, and return whether its id was known; raises as `publish`."""
        known = self._known.get(conversation) or await self._looked_up(conversation)
        return await self._sent(conversation, say, await self._key(conversation, known))

    async def _key(self, conversation: ConversationId, known: Known) -> Cipher | None:
        """Return what seals words for a conversation, None where they go in clear; raises as `key_for`."""
        if known.clear and not known.conversation.erased:
            return None
        last = known.last if known.head == START else await self.substrate.log.last(conversation)
        return await key_for(self.substrate, conversation, last)

    async def _sent(self, conversation: ConversationId, say: SayToAgent, key: Cipher | None) -> bool:
        data = seal_command(say, conversation, key)
        return await self.substrate.bus.publish(AgentKey(say.agent), conversation, data, id=say.id)

    async def _opened(self, known: Known) -> Known:
        """Return a conversation as its snapshot has it, where it is long enough to have one."""
        last, snapshots = known.last, self.substrate.snapshots
        if snapshots is None or last is None or not snapshots.is_long(last):
            return known
        snapshot = (await snapshots.load(known.conversation.id)).snapshot
        opened = replace(self._from_start(known), conversation=snapshot.conversation, head=snapshot.head)
        return replace(opened, agent=snapshot.conversation.agent, size=snapshot.number * RECORDED)

    @staticmethod
    def _from_start(known: Known) -> Known:
        """Return a conversation of which nothing was folded yet."""
        return Known(initial(known.conversation.id), parent=known.parent, unsealed=known.unsealed)

    async def _heard(
        self, listener: Listener, known: Known, say: SayToAgent, waits: Callable[[Queued], None], *, read: bool
    ) -> Reply:
        """Return the reply as soon as it is heard, after what is known; without `read`, the log is not read first."""
        conversation, awaited = known.conversation.id, _Awaited(known, say)
        if read:
            async for stored in self.substrate.log.read(conversation, known.head):
                if awaited.ends_with(stored):
                    return self._ended(awaited)
        async with aclosing(self._follower.goes_on(conversation, listener, awaited.known.head)) as going:
            async for heard in going:
                if isinstance(heard, Stored):
                    if awaited.ends_with(heard):
                        return self._ended(awaited)
                elif isinstance(heard, Queued):
                    if heard.message_id == say.id:
                        waits(heard)
                elif heard is None and known.head != START and awaited.known is known:
                    await self._check_goes_on(known)
        raise Unavailable(f"following {conversation!r} ended before the reply came")

    async def _check_goes_on(self, known: Known) -> None:
        """Raise _Elsewhere where the log does not have what is known; so far nothing went on from there."""
        with suppress(Unavailable):
            last = await self.substrate.log.last(known.conversation.id)
            if last is None or (last.head.position <= known.head.position and last.head != known.head):
                raise _Elsewhere

    def _ended(self, awaited: "_Awaited") -> Reply:
        self._remember(awaited.known)
        if isinstance(awaited.outcome, Reply):
            return awaited.outcome
        raise awaited.outcome

    def _remember(self, known: Known) -> None:
        id_ = known.conversation.id
        before = self._known.get(id_)
        if before is not None and before.head.version > known.head.version:
            return  # what was found is the reply to something that was said long before
        self._forget(id_)
        self._known[id_] = known
        self._bytes += known.size
        while len(self._known) > REMEMBERED or (self._bytes > REMEMBERED_BYTES and len(self._known) > 1):
            self._forget(next(iter(self._known)))

    def _forget(self, conversation: ConversationId) -> None:
        known = self._known.pop(conversation, None)
        if known is not None:
            self._bytes -= known.size


class _Elsewhere(Exception):
    """Raised when a log is not the one that is remembered."""


class _Awaited:
    """Folds frames until the turn is over that a message began."""

    def __init__(self, known: Known, say: SayToAgent) -> None:
        self.known = known
        self.outcome: Reply | Exception = Unavailable("there is no reply yet")
        self._id = say.id
        self._parent = known.parent

    def ends_with(self, stored: Stored) -> bool:
        """Take one more frame, and say whether there is an outcome with it."""
        now, found = begun(self.known.conversation, stored.frame), False
        for event in stored.frame.events:
            now = evolve(now, event)
            # a parent may have heard of a message under the same id; an import has its frames in the fork's own log
            if found or stored.inherited or self._parent not in (None, stored.frame.parent):
                continue
            outcome = self._outcome(stored, now, event)
            if outcome is not None:
                self.outcome, found = outcome, True
        self.known = self.known.after(stored, now)
        return found

    def _outcome(self, stored: Stored, now: Conversation, event: AnyEvent) -> Reply | Exception | None:
        if isinstance(event, CommandRefused) and event.command_id == self._id:
            return Refused(f"message {self._id} was refused in {now.id!r}: {event.because}")
        ended = now.ended
        if ended is None or ended.message_id != self._id or ended.version != now.version:
            return None
        if ended.outcome != "completed":
            return no_reply(now.id, ended, raised_in(stored.head.hash))
        return Reply(ended.text, ended.turn, ended.version, state_of(now))


async def publish(substrate: Substrate, conversation: ConversationId, command: BusCommand, last: Stored | None) -> bool:
    """Hand a command to the workers of its agent, and return whether its id was known; `last` is the last frame.

    Raises:
        Refused: it is to be sealed, and the conversation was erased.
        Withheld: it is to be sealed, and there is no master key here.
        Unavailable: it is not known to be stored; publishing the same id again is safe.

    """
    data = seal_command(command, conversation, await key_for(substrate, conversation, last))
    return await substrate.bus.publish(AgentKey(command.agent), conversation, data, id=command.id)

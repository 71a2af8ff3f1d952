"""The conversations that live in this process: where a command finds its actor.

Actors are started at their first message, folded from the log, and dropped when they have been idle for a while, when
their conversation is no longer owned, or when an error stopped them; the next message starts them anew.
"""

import asyncio
from collections.abc import Awaitable, Callable

from ..events import ConversationId, WriterId
from .conversation_actor import ConversationActor, Delivered, Life

Create = Callable[[str, ConversationId, Life], ConversationActor]
Owns = Callable[[str, ConversationId], bool]
Sleep = Callable[[float], Awaitable[None]]

PAUSE = 0.25
"""Seconds between two tries to reach the log."""


class Directory:
    """Keeps the live actors of one process, and is the life that they live in."""

    def __init__(self, writer: WriterId, *, now: Callable[[], int], sleep: Sleep, owns: Owns, create: Create) -> None:
        self._writer = writer
        self._now = now
        self._sleep = sleep
        self._owns = owns
        self._create = create
        self._actors: dict[tuple[str, ConversationId], ConversationActor] = {}
        self._used: dict[tuple[str, ConversationId], int] = {}
        self._busy: set[ConversationActor] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._actors)

    @property
    def writer(self) -> WriterId:
        """The name of this life."""
        return self._writer

    @property
    def draining(self) -> bool:
        """Whether no new turn is to begin here."""
        return self._draining

    @property
    def turns(self) -> int:
        """How many turns are in progress."""
        return len(self._busy)

    def now(self) -> int:
        """Return Unix milliseconds."""
        return self._now()

    async def pause(self) -> None:
        """Wait a moment before the log is tried again."""
        await self._sleep(PAUSE)

    def owns(self, agent: str, conversation: ConversationId) -> bool:
        """Say whether this life still owns that conversation."""
        return self._owns(agent, conversation)

    def deliver(self, agent: str, conversation: ConversationId, delivered: Delivered) -> None:
        """Hand a command to its actor; while draining, to none: it comes again to the next owner."""
        if self._draining:
            return
        key = (agent, conversation)
        actor = self._actors.get(key)
        if actor is None:
            actor = self._actors[key] = self._create(agent, conversation, self)
            actor.begin()
        self._used.pop(key, None)
        self._used[key] = self._now()
        self.busy(actor, busy=True)
        actor.actor_ref.tell(delivered)

    def busy(self, actor: ConversationActor, *, busy: bool) -> None:
        """Hear whether anything is in progress in an actor."""
        (self._busy.add if busy else self._busy.discard)(actor)
        if self._busy:
            self._quiet.clear()
        else:
            self._quiet.set()

    def gone(self, actor: ConversationActor) -> None:
        """Hear that an actor stopped by an error."""
        key = (actor.agent, actor.id)
        if self._actors.get(key) is actor:
            del self._actors[key]
            self._used.pop(key, None)

    def abandon(self, lost: Owns) -> int:
        """Let go at once of the conversations for which `lost` is true; return how many these were."""
        keys = [key for key in self._actors if lost(*key)]
        for key in keys:
            self._actors.pop(key).abandon()
            self._used.pop(key, None)
        return len(keys)

    async def end(self, timeout: float) -> None:
        """Let go of all conversations at once, and return when nothing of theirs runs any more.

        What does not let itself be cancelled is waited for so many seconds.
        """
        running = [task for actor in self._actors.values() for task in actor.running]
        self.abandon(lambda _agent, _conversation: True)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=timeout)

    def passivate(self, idle_ms: int) -> int:
        """Drop the actors that nobody has spoken to for `idle_ms` and that owe nothing; return how many these were."""
        before = self._now() - idle_ms
        old: list[tuple[str, ConversationId]] = []
        for key, used in self._used.items():
            if used > before:
                break
            if self._actors[key].idle:
                old.append(key)
        for key in old:
            del self._actors[key], self._used[key]
        return len(old)

    async def drain(self) -> None:
        """Begin no new turn, and wait until those in progress are over."""
        self._draining = True
        await self._quiet.wait()

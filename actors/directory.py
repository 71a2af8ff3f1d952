"""The conversations that live in this process: where a command finds its actor.

Actors are started at their first message, folded from the log, and dropped when they have been idle for a while, when
their conversation is no longer owned, or when an error stopped them; the next message starts them anew.
"""

import asyncio
from collections.abc import Awaitable, Callable

from ..events import ConversationId, WriterId
from .admission import Admission
from .conversation_actor import ConversationActor
from .life import Admitted, Delivered, Everything, Life, Ownership

Create = Callable[[str, ConversationId, Life], ConversationActor]
Some = Callable[[str, ConversationId], bool]
Sleep = Callable[[float], Awaitable[None]]

PAUSE = 0.25
"""Seconds between two tries to reach the log."""


class Directory:
    """Keeps the live actors of one process, and is the life that they live in."""

    def __init__(
        self,
        writer: WriterId,
        *,
        now: Callable[[], int],
        sleep: Sleep,
        create: Create,
        ownership: Ownership | None = None,
        limit: int = 1,
    ) -> None:
        self._writer = writer
        self._now = now
        self._sleep = sleep
        self._ownership = Everything() if ownership is None else ownership
        self._create = create
        self._admission = Admission[ConversationActor](limit)
        self._actors: dict[tuple[str, ConversationId], ConversationActor] = {}
        self._used: dict[tuple[str, ConversationId], int] = {}
        self._busy: set[ConversationActor] = set()
        self._quieter = asyncio.Event()

    def __len__(self) -> int:
        return len(self._actors)

    @property
    def writer(self) -> WriterId:
        """The name of this life."""
        return self._writer

    @property
    def ownership(self) -> Ownership:
        """What is this life's own."""
        return self._ownership

    @property
    def turns(self) -> int:
        """How many turns are in progress."""
        return self._admission.within

    @property
    def waiting(self) -> int:
        """How many conversations wait for a turn to be admitted."""
        return self._admission.waiting

    def now(self) -> int:
        """Return Unix milliseconds."""
        return self._now()

    async def pause(self) -> None:
        """Wait a moment before the log is tried again."""
        await self._sleep(PAUSE)

    def enter(self, actor: ConversationActor, *, suspect: bool) -> bool:
        """Say whether a turn may run in the actor; otherwise it waits, and is told `Admitted` when one may."""
        return self._admission.enter(actor, suspect=suspect)

    def ahead(self, actor: ConversationActor) -> int:
        """Return how many are admitted before an actor that waits."""
        return self._admission.ahead(actor)

    def leave(self, actor: ConversationActor) -> None:
        """Hear that no turn runs in the actor, and none waits to; another one may begin."""
        following = self._admission.leave(actor)
        if following is not None:
            self.busy(following, busy=True)
            following.actor_ref.tell(Admitted())

    def deliver(self, agent: str, conversation: ConversationId, delivered: Delivered) -> None:
        """Hand a command to its actor."""
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
        if busy:
            self._busy.add(actor)
        else:
            self._busy.discard(actor)
            self._quieter.set()

    def gone(self, actor: ConversationActor) -> None:
        """Hear that an actor stopped by an error."""
        key = (actor.agent, actor.id)
        if self._actors.get(key) is actor:
            del self._actors[key]
            self._used.pop(key, None)

    def abandon(self, lost: Some) -> int:
        """Let go at once of the conversations for which `lost` is true; return how many these were."""
        keys = [key for key in self._actors if lost(*key)]
        for key in keys:
            self._actors.pop(key).abandon()
            self._used.pop(key, None)
        return len(keys)

    async def end(self, timeout: float, some: Some = lambda _agent, _conversation: True) -> int:
        """Let go of conversations at once, all or some, and return how many, when nothing of theirs runs any more.

        What does not let itself be cancelled is waited for so many seconds.
        """
        running = [task for key, actor in self._actors.items() if some(*key) for task in actor.running]
        ended = self.abandon(some)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=timeout)
        return ended

    def in_progress(self, some: Some) -> int:
        """Return in how many of some conversations anything is in progress."""
        return sum(some(actor.agent, actor.id) for actor in self._busy)

    async def quiet(self, some: Some = lambda _agent, _conversation: True) -> None:
        """Wait until nothing is in progress in any conversation, or in any of some."""
        while self.in_progress(some):
            self._quieter.clear()
            await self._quieter.wait()

    async def remind(self, most: int) -> None:
        """Tell again of messages that wait: behind the turns in progress, and for `most` turns to be admitted."""
        for actor in (*self._busy, *self._admission.queue()[:most]):
            await actor.remind()

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

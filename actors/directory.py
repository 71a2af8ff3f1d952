"""The conversations that live in this process: where a command finds its actor.

Actors are started at their first message, folded from the log, and dropped when they have been idle for a while, when
their conversation is no longer owned, or when an error stopped them; the next message starts them anew.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from itertools import islice, takewhile

from ..events import ConversationId, WriterId
from .admission import Admission
from .conversation_actor import ConversationActor
from .life import Admitted, Delivered, Everything, Life, Ownership

Create = Callable[[str, ConversationId, Life], ConversationActor]
Key = tuple[str, ConversationId]
Sleep = Callable[[float], Awaitable[None]]

PAUSE = 0.25
"""Seconds between two tries to reach the log."""

DROPPED = 100
"""So many idle actors are dropped at a time, which takes some milliseconds: meanwhile the loop does nothing else."""


class _Part:
    """Keeps the actors of one part of the conversations, and knows when nothing is in progress in any of them."""

    def __init__(self) -> None:
        self.actors: dict[Key, ConversationActor] = {}
        self.busy: set[ConversationActor] = set()
        self.quiet = asyncio.Event()
        self.quiet.set()


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
        self._parts: defaultdict[Hashable, _Part] = defaultdict(_Part)
        self._used: dict[Key, int] = {}

    def __len__(self) -> int:
        return sum(len(part.actors) for part in self._parts.values())

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
        actors = self._part_of(*key).actors
        actor = actors.get(key)
        if actor is None:
            actor = actors[key] = self._create(agent, conversation, self)
            actor.begin()
        self._used.pop(key, None)
        self._used[key] = self._now()
        self.busy(actor, busy=True)
        actor.actor_ref.tell(delivered)

    def busy(self, actor: ConversationActor, *, busy: bool) -> None:
        """Hear whether anything is in progress in an actor."""
        part = self._part_of(actor.agent, actor.id)
        if busy:
            part.busy.add(actor)
            part.quiet.clear()
        else:
            part.busy.discard(actor)
            if not part.busy:
                part.quiet.set()

    def gone(self, actor: ConversationActor) -> None:
        """Hear that an actor stopped by an error."""
        key = (actor.agent, actor.id)
        if self._part_of(*key).actors.get(key) is actor:
            self._drop(key)

    def abandon(self, part: Hashable = None) -> int:
        """Let go at once of the conversations of a part, or of all; return how many these were."""
        keys = [key for each in self._chosen(part) for key in each.actors]
        for key in keys:
            self._drop(key).abandon()
        return len(keys)

    async def end(self, timeout: float, part: Hashable = None) -> int:
        """Let go of the conversations of a part, or of all, and return how many, when nothing of theirs runs any more.

        What does not let itself be cancelled is waited for so many seconds.
        """
        running = [task for each in self._chosen(part) for actor in each.actors.values() for task in actor.running]
        ended = self.abandon(part)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=timeout)
        return ended

    def in_progress(self, part: Hashable = None) -> int:
        """Return in how many conversations of a part, or of all, anything is in progress."""
        return sum(len(each.busy) for each in self._chosen(part))

    async def quiet(self, part: Hashable = None) -> None:
        """Wait until nothing is in progress in any conversation of a part, or of all."""
        while busy := next((each for each in self._chosen(part) if each.busy), None):
            await busy.quiet.wait()

    def keeping(self, part: Hashable = None) -> list[asyncio.Task[None]]:
        """Return what keeps conversations of a part, or of all, at this moment."""
        actors = [actor for each in self._chosen(part) for actor in each.actors.values()]
        return [actor.keeping for actor in actors if actor.keeping is not None]

    async def remind(self, most: int) -> None:
        """Tell again of messages that wait: behind the turns in progress, and for `most` turns to be admitted."""
        busy = [actor for part in self._parts.values() for actor in part.busy]
        for actor in (*busy, *self._admission.queue()[:most]):
            await actor.remind()

    def _part_of(self, agent: str, conversation: ConversationId) -> _Part:
        return self._parts[self._ownership.part(agent, conversation)]

    def _chosen(self, part: Hashable) -> list[_Part]:
        return list(self._parts.values()) if part is None else [self._parts[part]]

    async def passivate(self, idle_ms: int) -> int:
        """Drop the actors that nobody has spoken to for `idle_ms` and that owe nothing; return how many these were.

        It looks only at those that are old enough, and the loop goes on after each `DROPPED` of them.
        """
        before, dropped = self._now() - idle_ms, 0
        while True:
            old = takewhile(lambda key: self._used[key] <= before, self._used)
            some = list(islice(filter(self._is_idle, old), DROPPED))
            for key in some:
                self._drop(key)
            dropped += len(some)
            if len(some) < DROPPED:
                return dropped
            await self._sleep(0)

    def _is_idle(self, key: Key) -> bool:
        part = self._part_of(*key)
        # one that handles a message may have nothing that anybody waits for, and yet be about to begin something
        return part.actors[key].idle and part.actors[key] not in part.busy

    def _drop(self, key: Key) -> ConversationActor:
        self._used.pop(key, None)
        actor = self._part_of(*key).actors.pop(key)
        actor.end()
        return actor

"""Running a projection over all conversations, from where it stood to the end, or for ever.

Each shard is read in order, batch by batch; a batch's rows and how far it was read are written together, under the
condition that nobody else wrote meanwhile.  So a subscription may be killed at any moment and started again.  Of two
that run by mistake under one name the later one goes on: it has put its name to every mark when it began, and the other
ends with a Conflict at its next write.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Generic, TypeAlias, TypeVar
from uuid import UUID

from ..events import Conflict, CorruptLog, InvalidInput, Unavailable, check_token, not_found
from ..projections import Projection
from .checking import as_id
from .clock import new_id
from .feed import End, Entry, Feed
from .projecting import BatchFold, Projecting
from .sinks import Mark, Sink
from .substrate import Substrate

S = TypeVar("S")

logger = logging.getLogger("agent_runtime_framework.subscription")

PAUSE = 1.0
"""Seconds before what is away is asked again."""

ATTEMPTS = 100
"""So often a mark is taken from another that writes it at the same time."""

OnProgress: TypeAlias = Callable[[int, int], object]
"""Hears how many positions were read, of how many."""


class Subscription(Generic[S]):
    """Folds a projection over all conversations of a place into a sink; `Reader.subscribe` makes one.

    >>> import asyncio
    >>> from agent_runtime_framework import MemorySink, Subscription
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM
    >>> class Turns:
    ...     def initial(self, conversation_id):
    ...         return 0
    ...     def evolve(self, state, recorded):
    ...         return state + (recorded.type == "turn.completed")
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(ScriptedLLM("Hello!"))) as rt:
    ...         await rt.send("onboarding", "c-1", "hi")
    ...         turns: Subscription[int] = rt.subscribe(Turns(), "turns", sink=MemorySink())
    ...         frames = await turns.catch_up()
    ...         return frames > 0, await turns.state("c-1")
    >>> asyncio.run(main())
    (True, 1)
    """

    def __init__(self, substrate: Substrate, projection: Projection[S], name: str, sink: Sink) -> None:
        self.name = check_token(name, "name of a projection")
        self._substrate = substrate
        self._feed = substrate.feed
        self._projecting = Projecting(projection, name)
        self._sink = sink
        self._users = 0

    async def catch_up(self, on_progress: OnProgress | None = None) -> int:
        """Fold what is recorded since the last time, up to now; return how many frames that was.

        `on_progress` hears how many positions were read, of how many there are.

        Raises:
            CorruptLog: a frame is damaged, or the stream ends before what was read of it; the sink is as it was before
                the batch that has it.
            ProjectionFailed: the projection's own code failed; likewise.
            Conflict: another subscription has begun under the same name, and goes on.
            InvalidInput: the sink was filled from another place.
            Unavailable: the server did not answer, or the sink cannot be used.

        """
        async with self._used():
            return await (await self._begun(self.name)).catch_up(on_progress)

    async def run(self) -> None:
        """Fold what is recorded, and what comes from then on, until this is cancelled; raises as `catch_up`.

        Once something was folded, a server that is away, or a sink that cannot be used for a while, is waited for.
        """
        async with self._used():
            filling = await self._begun(self.name)
            await _patiently(self.name, filling.catch_up, may_wait=lambda: filling.began)
            try:
                async with asyncio.TaskGroup() as group:
                    for shard in range(self._feed.shards):
                        group.create_task(filling.follow(shard))
            except BaseExceptionGroup as several:
                raise several.exceptions[0]  # noqa: B904  its cause is what the author's code raised

    async def rebuild(self, on_progress: OnProgress | None = None) -> int:
        """Fold all that is recorded anew, and put it in the place of what was there, at once; raises as `catch_up`.

        Until then the old rows stand as they are.  Return how many frames were folded.
        """
        async with self._used():
            filling = await self._begun(f"{self.name}~rebuild", anew=True)
            frames = await filling.catch_up(on_progress)
            await filling.check_mine()  # another rebuild throws away what is there when it begins
            await self._sink.replace(self.name, filling.name)
            return frames

    async def state(self, conversation_id: str | UUID) -> S:
        """Return what is kept of a conversation now.

        Raises:
            NotFound: nothing is.

        """
        conversation = as_id(conversation_id)
        async with self._used():
            rows = await self._sink.load(self.name, [conversation])
        if conversation not in rows:
            raise not_found(conversation, f" in the projection {self.name!r}")
        return self._projecting.read(rows[conversation])

    async def _begun(self, name: str, *, anew: bool = False) -> "_Filling[S]":
        """Return what fills the rows of that name, from where they stand; from now on nobody else does.

        The marks are taken in the order of shards, so of many that begin at once one has them all in the end.
        """
        marks = dict(await self._sink.begin(name, anew=anew))
        ends = [await self._feed.end(shard) for shard in range(self._feed.shards)]
        _check_same(self.name, marks, ends)
        run = new_id("run")
        for shard, end in enumerate(ends):
            marks[shard] = await self._taken(name, shard, marks.get(shard), Mark(end.stream, 0, run))
        return _Filling(name, self._substrate, self._projecting, self._sink, marks, ends)

    async def _taken(self, name: str, shard: int, before: Mark | None, mine: Mark) -> Mark:
        """Return a shard's mark, which says from now on that it is ours."""
        left = ATTEMPTS
        while True:
            mark = mine if before is None else before._replace(run=mine.run)
            try:
                await self._sink.write(name, shard, before, mark, [])
            except Conflict:
                # another one wrote meanwhile; if it has not taken the first shard from us, we are the later one
                marks = await self._sink.begin(name)
                left -= 1
                if not left or (shard and (0 not in marks or marks[0].run != mine.run)):
                    raise
                before = marks.get(shard)
            else:
                return mark

    @asynccontextmanager
    async def _used(self) -> AsyncIterator[None]:
        """Let go of the sink at the end."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                await self._sink.close()


class _Filling(Generic[S]):
    """Fills the rows of one name, shard by shard, each from its mark on."""

    def __init__(
        self,
        name: str,
        substrate: Substrate,
        projecting: Projecting[S],
        sink: Sink,
        marks: dict[int, Mark],
        ends: Sequence[End],
    ) -> None:
        self.name = name
        self._feed: Feed = substrate.feed
        self._log = substrate.log
        self._vault = substrate.vault
        self._projecting = projecting
        self._sink = sink
        self._marks = marks
        self.began = False
        self._ends = ends

    async def catch_up(self, on_progress: OnProgress | None = None) -> int:
        """Fold what is there, and return how many frames that was."""
        frames, done = 0, 0
        total = sum(max(end.position - self._marks[shard].position, 0) for shard, end in enumerate(self._ends))
        for shard, end in enumerate(self._ends):
            before = self._marks[shard].position
            async with aclosing(self._feed.read(shard, before)) as batches:
                async for batch in batches:
                    await self._fill(shard, batch)
                    frames += len(batch)
                    if on_progress is not None:
                        on_progress(done + min(batch[-1].position, end.position) - before, total)
            done += max(end.position - before, 0)
        if on_progress is not None:
            on_progress(total, total)
        return frames

    async def check_mine(self) -> None:
        """Raise Conflict if another has begun to fill these rows since."""
        found = dict(await self._sink.begin(self.name))
        if found != self._marks:
            raise Conflict(f"{self.name!r} was begun again by another: let one rebuild at a time")

    async def follow(self, shard: int) -> None:
        """Fold what comes, for ever."""
        async with aclosing(self._feed.follow(shard, self._marks[shard].position)) as batches:
            async for batch in batches:
                await _patiently(self.name, partial(self._fill, shard, batch))

    async def _fill(self, shard: int, batch: Sequence[Entry]) -> None:
        """Fold a batch, and write what it came to together with how far it was read."""
        rows = await self._sink.load(self.name, {entry.conversation for entry in batch})
        changed = await BatchFold(self._projecting, self._log, rows, self._vault).fold(batch)
        before = self._marks[shard]
        after = before._replace(position=batch[-1].position)
        await self._sink.write(self.name, shard, before, after, changed)
        self._marks[shard] = after
        self.began = True


async def _patiently(
    name: str, step: Callable[[], Awaitable[object]], *, may_wait: Callable[[], bool] = lambda: True
) -> None:
    """Do a step that may be done again, as often as it takes until nothing that it needs is away.

    Where it never worked it may be that it never will: `may_wait` says so.
    """
    while True:
        try:
            await step()
        except Unavailable as error:
            if not may_wait():
                raise
            logger.warning("the projection %r waits: %s", name, error)
            await asyncio.sleep(PAUSE)
        else:
            return


def _check_same(name: str, marks: Mapping[int, Mark], ends: Sequence[End]) -> None:
    """Check that a sink was filled from here, and that what it was filled from is still there.

    Raises:
        InvalidInput: it was filled from another place.
        CorruptLog: a stream ends before what was read of it.

    """
    for shard, mark in marks.items():
        here = ends[shard] if shard < len(ends) else End("no such stream", 0)
        if mark.stream != here.stream:
            raise InvalidInput(
                f"the sink has {name!r} of {mark.stream}, and here is {here.stream}: use another sink or name, or "
                "rebuild it if the namespace was made anew"
            )
        if mark.position > here.position:
            raise CorruptLog(
                f"{here.stream} ends at position {here.position}, and {name!r} was folded up to {mark.position}: the "
                "server lost what it had; restore it, or rebuild the projection"
            )

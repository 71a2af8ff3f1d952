"""Which conversations are a worker's own: it joins, takes the partitions that are its share, and hands others on.

Every worker reckons from the members alone which partitions are its share.  It takes those of them that are free, and
hands on what became another's when that one joined: begins no new turn there, lets those in progress finish, since an
effect cannot be handed on, and gives the lease back.  Meanwhile commands still come, so a cancel is heard, and messages
wait for the next owner.  Leaving is handing on everything.

A lease is certain only by a clock that this process reads itself: for as long as it lives, reckoned from before it was
asked for.  What comes later may be another's by now.  It is not taken, and comes again, to that one or to us.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from ..events import AgentKey, ConversationId, FrameworkError
from .bus import Consumption, Deliver, partition_of
from .clock import Clock
from .heartbeat import Held, LoopHeart
from .leases import Key, Lease
from .members import Member, partition_name, preferred, would_take
from .reports import Reports
from .substrate import Substrate

SETTLING = 0.25
"""Part of a lease's life in which workers that are there hand on what became ours, if nothing runs there."""


AT_ONCE = 50
"""So many partitions are taken at once: there may be hundreds, and each request is to be answered in time."""


class Conversations(Protocol):
    """Is what runs here in the conversations that are owned."""

    async def finish(self, key: Key, seconds: float) -> int:
        """Wait until no turn is in progress in a partition; return how many still are after so many seconds."""

    async def let_go(self, key: Key) -> int:
        """End at once all that runs in a partition; return how many conversations these were, once it has ended."""


class _Holding:
    """Is a lease that is held until a time by our clock, and the flow of its commands."""

    def __init__(self, lease: Lease, until: float) -> None:
        self.lease = lease
        self.until = until
        self.missed = False
        self.leaving = False
        self.asking = asyncio.Lock()
        self._consumption: Consumption | None = None
        self._end: asyncio.Task[bool] | None = None

    @property
    def key(self) -> Key:
        return self.lease.agent, self.lease.partition

    @property
    def taken(self) -> bool:
        """Whether a newer owner consumes."""
        return self._end is not None and self._end.done() and self._end.result()

    def take(self, consumption: Consumption) -> None:
        """Keep the flow, and hear of its end."""
        self._consumption = consumption
        self._end = asyncio.ensure_future(consumption.lost())

    async def stop(self) -> None:
        """Take no more; where commands are asked for now, once that is answered."""
        async with self.asking:
            if self._consumption is not None:
                await self._consumption.stop()
            if self._end is not None:
                await self._end


class Shares:
    """Keeps a worker's share of the partitions of its agents; implements `actors.Ownership`.

    Attributes:
        settled: set once the share is taken, or was waited for long enough.

    """

    def __init__(
        self,
        agents: Sequence[AgentKey],
        substrate: Substrate,
        *,
        clock: Clock,
        deliver: Deliver,
        conversations: Conversations,
        member: Callable[[], Member],
        grace: float,
    ) -> None:
        self._agents = agents
        self._substrate = substrate
        self._clock = clock
        self._deliver = deliver
        self._conversations = conversations
        self._member = member
        self._grace = grace
        self._held: dict[Key, _Holding] = {}
        self._leases: tuple[Lease, ...] = ()
        self._mending: dict[Key, asyncio.Task[None]] = {}
        self._handing: dict[Key, asyncio.Task[None]] = {}
        self._later: dict[Key, float] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._since = clock.monotonic()
        self._reports = Reports(clock)
        self._declined: dict[str, float] = {}
        self._others: tuple[Member, ...] = ()
        self._leaving = False
        self.settled = asyncio.Event()

    # --- what is ours

    @property
    def partitions(self) -> int:
        """How many partitions are held, over all agents."""
        return len(self._held)

    def part(self, agent: str, conversation: ConversationId) -> Key:
        """Return the partition of a conversation."""
        return AgentKey(agent), partition_of(conversation, self._substrate.bus.partitions)

    def owns(self, agent: str, conversation: ConversationId) -> bool:
        """Say whether the conversation is ours, as far as is known."""
        return self.part(agent, conversation) in self._held

    def holds(self, agent: str, conversation: ConversationId) -> bool:
        """Say whether it certainly is ours now; what is not taken because it is not comes again."""
        holding = self._held.get(self.part(agent, conversation))
        if holding is None:
            return False
        if self._clock.monotonic() < holding.until:
            return True
        holding.missed = True
        return False

    def leaving(self, agent: str, conversation: ConversationId) -> bool:
        """Say whether it is to be handed on, so that no new turn is to begin here."""
        holding = self._held.get(self.part(agent, conversation))
        return holding is None or holding.leaving

    def elsewhere(self, agent: str, conversation: ConversationId, version: str) -> bool:
        """Say whether another worker has this version of the journey, and would take the conversation.

        Who declines does not take it for a while, so a partition goes from hand to hand once, and not back and forth.
        """
        return would_take(*self.part(agent, conversation), version, self._others)

    @property
    def declined(self) -> tuple[str, ...]:
        """The partitions that are left to others now, if they take them."""
        now = self._clock.monotonic()
        return tuple(sorted(name for name, until in self._declined.items() if now < until))

    def decline(self, agent: str, conversation: ConversationId, seconds: float = math.inf) -> None:
        """Leave the partition of a conversation to others who can decide on it, for so many seconds of our life."""
        name, now = partition_name(*self.part(agent, conversation)), self._clock.monotonic()
        self._declined = {**self._declined, name: max(now + seconds, self._declined.get(name, now))}

    def taken_over(self, conversation: ConversationId) -> None:
        """Hear that another worker wrote in a conversation, so that it was let go of."""
        self._reports.let_go(conversation)

    # --- holding

    async def keep(self) -> None:
        """Be there, and hold what is held, until this is cancelled."""
        substrate = self._substrate
        heart = substrate.heart or LoopHeart(substrate.leases, substrate.members, self._clock)
        async with heart.beats(self._beating) as beats:
            async for beat in beats:
                self._reports.cannot("hold all partitions now", beat.errors)
                for lease in beat.kept:
                    holding = self._held.get((lease.agent, lease.partition))
                    if holding is not None and holding.lease == lease:
                        holding.until = max(holding.until, beat.asked + self._substrate.leases.ttl)
                for holding in tuple(self._held.values()):
                    self._look_after(holding, lost=holding.taken or holding.lease in beat.lost)

    def _beating(self) -> Held:
        # perhaps in another thread: it reads what is replaced as a whole
        return Held(None if self._leaving else self._member(), self._leases)

    def _hold(self, holding: _Holding) -> None:
        self._held[holding.key] = holding
        self._leases = tuple(each.lease for each in self._held.values())

    def _drop(self, holding: _Holding) -> bool:
        """Hold it no more; say whether it was held."""
        if self._held.get(holding.key) is not holding:
            return False
        del self._held[holding.key]
        self._leases = tuple(each.lease for each in self._held.values())
        return True

    def _look_after(self, holding: _Holding, *, lost: bool) -> None:
        """Begin what a partition needs after a beat, unless that is under way."""
        missed = holding.missed and not holding.leaving and self._clock.monotonic() < holding.until
        if (lost or missed) and holding.key not in self._mending:
            mending = self._take_again(holding) if lost else self._consume(holding)
            task = self._mending[holding.key] = asyncio.ensure_future(
                self._as_far_as_possible("hold all partitions now", [mending])
            )
            task.add_done_callback(lambda _, key=holding.key: self._mending.pop(key, None))  # type: ignore[misc]

    async def _consume(self, holding: _Holding) -> None:
        """Let all come that is not acknowledged, also what came before and was not taken."""
        async with holding.asking:
            holding.missed = False  # from here on: commands come before the answer
            try:
                holding.take(await self._substrate.bus.consume(holding.lease, self._deliver))
            except FrameworkError:
                holding.missed = True  # the next beat sees to it
                raise

    async def _take_again(self, holding: _Holding) -> None:
        """Take a lease again that lapsed, perhaps because this process was held up.

        If nobody took it meanwhile, its conversations stay.
        """
        asked = self._clock.monotonic()
        lease = None if holding.taken else await self._substrate.leases.acquire(*holding.key)
        if self._held.get(holding.key) is not holding:  # it was given back meanwhile
            if lease is not None:
                await self._give_back(lease)
            return
        if lease is None:
            await self._lose(holding)
            return
        if holding.taken:  # another worker had it in between: what is here knows nothing of that
            await self._conversations.let_go(holding.key)
        if holding.leaving:
            holding.lease, holding.until = lease, asked + self._substrate.leases.ttl
            self._hold(holding)
        else:
            self._reports.taken_again(holding.key)
            await holding.stop()
            await self._begin(_Holding(lease, asked + self._substrate.leases.ttl))

    async def _lose(self, holding: _Holding) -> None:
        self._drop(holding)
        self._reports.lost(holding.key, await self._conversations.let_go(holding.key))
        await holding.stop()

    async def _begin(self, holding: _Holding) -> None:
        """Take the commands of a lease; it counts as held from before the first one comes."""
        holding.leaving = self._leaving
        self._hold(holding)
        try:
            await self._consume(holding)
        except FrameworkError:
            # the server may have heard it, so that something has begun already
            if self._drop(holding):
                await self._conversations.let_go(holding.key)
            # nobody is told, because whoever took it now would fail alike
            self._later[holding.key] = self._clock.monotonic() + self._substrate.leases.ttl
            await self._substrate.leases.release(holding.lease)
            raise
        if self._held.get(holding.key) is not holding:
            await holding.stop()

    async def _give_back(self, lease: Lease) -> None:
        await self._substrate.leases.release(lease)
        await self._substrate.members.notify()

    # --- sharing

    async def join(self) -> None:
        """Be there, and let the other workers know."""
        self._since = self._clock.monotonic()
        await self._as_far_as_possible("join the other workers", [self._substrate.members.join(self._member())])
        await self._substrate.members.notify()

    async def share(self) -> None:
        """Take what is free of this worker's share, and begin to hand on what is another's."""
        await self._as_far_as_possible("see which partitions are free", [self._share()])

    async def _share(self) -> None:
        me = self._member()
        members = {member.worker: member for member in await self._substrate.members.members()} | {me.worker: me}
        self._others = tuple(member for member in members.values() if member.worker != me.worker)
        holders = await self._substrate.leases.holders()
        every = [(agent, partition) for agent in self._agents for partition in range(self._substrate.bus.partitions)]
        ours = {key for key in every if preferred(*key, members.values()) == me.worker}
        for key in self._held:
            if key not in ours and key not in self._handing and self._is_due(key):
                task = self._handing[key] = asyncio.ensure_future(self._hand_on(self._held[key]))
                task.add_done_callback(lambda _, key=key: self._handing.pop(key, None))  # type: ignore[misc]
        free = [key for key in every if key in ours - self._held.keys() - holders.keys() and self._is_due(key)]
        await self._as_far_as_possible("take all partitions now", map(self._acquire, free))
        # what an idle worker holds is handed on soon; what a busy or a dead one does is ours later
        awaited = any(key not in self._held and holders.get(key) in members for key in ours)
        if not awaited or self._clock.monotonic() - self._since > SETTLING * self._substrate.leases.ttl:
            self.settled.set()

    def _is_due(self, key: Key) -> bool:
        """Say whether nothing was tried in vain with a partition a short while ago."""
        return self._later.get(key, 0) <= self._clock.monotonic()

    async def _acquire(self, key: Key) -> None:
        async with self._room:
            asked = self._clock.monotonic()
            lease = await self._substrate.leases.acquire(*key)
            if lease is not None:
                await self._begin(_Holding(lease, asked + self._substrate.leases.ttl))

    async def _hand_on(self, holding: _Holding) -> None:
        """Give a partition back once its turns are over; where one is not within the grace, keep it for now."""
        holding.leaving = True
        left = await self._conversations.finish(holding.key, self._grace)
        if not left:
            await self._as_far_as_possible("give all partitions back", [self._let_go_of(holding)])
        elif not self._leaving and self._held.get(holding.key) is holding:
            self._later[holding.key] = self._clock.monotonic() + self._grace
            holding.leaving = False
            await self._as_far_as_possible("go on with a partition", [self._consume(holding)])

    async def _let_go_of(self, holding: _Holding) -> None:
        """Let go of a partition's conversations, then of its lease: nothing runs here once it is another's."""
        await holding.stop()
        await self._conversations.let_go(holding.key)
        if self._drop(holding):
            await self._give_back(holding.lease)

    # --- leaving

    async def leave(self) -> int:
        """Hand everything on, each partition as soon as its turns are over; return how many were not in time."""
        self._leaving = True
        by, worker = self._clock.monotonic() + self._grace, self._member().worker
        await self._as_far_as_possible("leave the other workers", [self._substrate.members.leave(worker)])
        left = [0]
        leaving = (self._leave(key, by, left) for key in tuple(self._held))
        await self._as_far_as_possible("give all partitions back", leaving)
        # once more, because a beat may have been under way
        await self._as_far_as_possible("leave the other workers", [self._substrate.members.leave(worker)])
        self._reports.flush()
        return sum(left)

    async def _leave(self, key: Key, by: float, left: list[int]) -> None:
        for under_way in (self._mending.get(key), self._handing.get(key)):
            if under_way is not None:
                await asyncio.wait([under_way])
        holding = self._held.get(key)
        if holding is not None:
            holding.leaving = True
            left.append(await self._conversations.finish(key, max(by - self._clock.monotonic(), 0)))
            await self._let_go_of(holding)

    async def _as_far_as_possible(self, what: str, works: Iterable[Awaitable[None]]) -> None:
        """Do all of it, and warn of what cannot be done now."""
        results = await asyncio.gather(*works, return_exceptions=True)
        self._reports.cannot(what, sorted({str(result) for result in results if isinstance(result, FrameworkError)}))
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, FrameworkError):
                raise result

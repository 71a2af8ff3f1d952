"""The worker: owns partitions of its agents, takes their commands, and lets the actors answer them.

Order of leaving, and why: first no more commands are taken, so that nothing new begins; then the turns in progress
finish, because their effects cannot be handed on; then the leases are released, so that the next owner starts at once,
and gets every command that was not acknowledged.
"""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import Raw

from ..actors import ConversationActor, Delivered, Directory, Life
from ..events import (
    AgentKey,
    ConversationId,
    FrameworkError,
    InvalidInput,
    Stored,
    WriterId,
    check_token,
)
from ..projections import Conversation, Request
from .agents import JourneyAgent, Journeys, agent_effects
from .agents.effects import CLEANING_UP
from .bus import PARTITIONS, Consumption, Delivery, partition_of
from .clock import Clock
from .leases import Lease
from .retry import RetryPolicy
from .substrate import Substrate
from .wire import Delta, LiveFrame, decode_command, encode

logger = logging.getLogger("agent_runtime_framework.worker")

IDLE_MS = 60_000
"""A conversation that nobody has spoken to for so long leaves the memory; its next message folds it anew."""

RETRY_AFTER = 5.0
"""Seconds after which a command comes again that could not be taken."""


class _Holding:
    """Is a lease that is held, and the flow of its commands."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._consumption: Consumption | None = None
        self._end: asyncio.Task[bool] | None = None

    @property
    def taken(self) -> bool:
        """Whether a newer owner consumes."""
        return self._end is not None and self._end.done() and self._end.result()

    def take(self, consumption: Consumption) -> None:
        """Keep the flow, and hear of its end."""
        self._consumption = consumption
        self._end = asyncio.ensure_future(consumption.lost())

    async def stop(self) -> None:
        """Take no more."""
        if self._consumption is not None:
            await self._consumption.stop()
        if self._end is not None:
            await self._end


class Worker:
    """Answers for its agents until it is stopped."""

    def __init__(
        self,
        agents: Sequence[JourneyAgent[Any, Any, Any]],
        substrate: Substrate,
        *,
        clock: Clock,
        writer: WriterId,
        concurrency: int = 200,
        grace: float = 30.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._substrate = substrate
        self._clock = clock
        self._grace = grace
        self._threads = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="arf-author")
        self._journeys = bound(agents)
        self._effects = {
            key: agent_effects(
                journeys,
                clock=clock,
                retry=retry or RetryPolicy(),
                threads=self._threads,
                announce=self._announce,
                told=self._told,
            )
            for key, journeys in self._journeys.items()
        }
        self._directory = Directory(writer, now=clock.now, sleep=clock.sleep, owns=self._owns, create=self._create)
        self._held: dict[tuple[AgentKey, int], _Holding] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self.owning = asyncio.Event()

    def stop(self) -> None:
        """Take no more commands, finish what runs, and leave."""
        self._stopping.set()

    @property
    def partitions(self) -> int:
        """How many partitions are owned, over all agents."""
        return len(self._held)

    async def owned(self, *ends: "asyncio.Future[None]") -> bool:
        """Wait until all free partitions are taken or one of `ends` is done, and return whether they are taken."""
        owning = asyncio.ensure_future(self.owning.wait())
        waited: set[asyncio.Future[Any]] = {owning, *ends}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        owning.cancel()
        return self.owning.is_set()

    async def run(self) -> None:
        """Work until `stop` is called or the task is cancelled; `owning` is set once all free partitions are taken."""
        await asyncio.to_thread(self._find_clients)
        renewing = asyncio.ensure_future(self._renew())
        try:
            while not self._stopping.is_set():
                await self._acquire()
                self.owning.set()
                self._directory.passivate(IDLE_MS)
                await self._pause(self._substrate.leases.ttl / 4)
                if renewing.done():
                    renewing.result()  # it never ends by itself: raise what ended it
        finally:
            try:
                await self._leave()
            finally:
                renewing.cancel()
                await asyncio.wait([renewing])

    def _find_clients(self) -> None:
        """Find every journey's model client now, apart from the loop: it may load a large library.

        Where there is none a turn says so when it asks the model; those that ask none go on.
        """
        for journeys in self._journeys.values():
            for journey in journeys:
                try:
                    _ = journey.client
                except InvalidInput as error:
                    logger.warning("agent %s cannot ask a model: %s", journey.name, error)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    # --- owning

    async def _acquire(self) -> None:
        """Take what is free."""
        wanted = [(AgentKey(key), partition) for key in self._journeys for partition in range(PARTITIONS)]
        await self._all("take", (self._acquire_one(key) for key in wanted if key not in self._held))

    async def _renew(self) -> None:
        """Hold what is held, until this is cancelled: apart from taking, which may be slow, and also while leaving."""
        while True:
            await self._all("hold", (self._renew_one(key) for key in tuple(self._held)))
            await self._clock.sleep(self._substrate.leases.ttl / 4)

    async def _all(self, what: str, works: Iterable[Awaitable[None]]) -> None:
        results = await asyncio.gather(*works, return_exceptions=True)
        for error in sorted({str(result) for result in results if isinstance(result, FrameworkError)}):
            logger.warning("cannot %s all partitions now: %s", what, error)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, FrameworkError):
                raise result

    async def _acquire_one(self, key: tuple[AgentKey, int]) -> None:
        lease = await self._substrate.leases.acquire(*key)
        if lease is not None:
            await self._begin(_Holding(lease))

    async def _renew_one(self, key: tuple[AgentKey, int]) -> None:
        holding = self._held[key]
        if not holding.taken and await self._substrate.leases.renew(holding.lease):
            return
        # it lapsed, perhaps because this process was held up; if nobody took it meanwhile, its conversations stay
        lease = None if holding.taken else await self._substrate.leases.acquire(*key)
        if lease is None:
            await self._lose(key)
        elif not self._stopping.is_set():
            logger.warning("the lease of partition %d of %s had lapsed; it was taken again", key[1], key[0])
            await holding.stop()
            await self._begin(_Holding(lease))

    async def _begin(self, holding: "_Holding") -> None:
        """Take the commands of a lease; it counts as held from before the first one comes."""
        key = (holding.lease.agent, holding.lease.partition)
        self._held[key] = holding
        try:
            holding.take(await self._substrate.bus.consume(holding.lease, self._deliver))
        except FrameworkError:
            del self._held[key]
            await self._substrate.leases.release(holding.lease)
            raise

    async def _lose(self, key: tuple[AgentKey, int]) -> None:
        holding = self._held.pop(key)
        dropped = self._directory.abandon(lambda agent, conversation: (agent, partition_of(conversation)) == key)
        logger.warning("lost partition %d of %s to another worker; let go of %d conversations", key[1], key[0], dropped)
        await holding.stop()

    def _owns(self, agent: str, conversation: ConversationId) -> bool:
        return (AgentKey(agent), partition_of(conversation)) in self._held

    async def _leave(self) -> None:
        leave = self._clock.monotonic() + self._grace  # the same grace for all that is waited for
        await asyncio.gather(*(holding.stop() for holding in self._held.values()))
        try:
            async with asyncio.timeout(self._grace):
                await self._directory.drain()
        except TimeoutError:
            left = self._directory.turns
            logger.warning("%d turns did not finish within %g s; the next owner goes on", left, self._grace)
        # nothing of a conversation may run here once the next owner has it
        await self._directory.end(max(leave - self._clock.monotonic(), CLEANING_UP))
        rest = max(leave - self._clock.monotonic(), 0)
        await asyncio.gather(*(effects.told(rest) for effects in self._effects.values()))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=max(leave - self._clock.monotonic(), CLEANING_UP))
        await asyncio.gather(
            *(self._substrate.leases.release(holding.lease) for holding in self._held.values()), return_exceptions=True
        )
        self._held.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # --- taking commands

    def _deliver(self, delivery: Delivery) -> None:
        try:
            command = decode_command(delivery.data)
            check_token(command.id, "command id")
            check_token(delivery.conversation, "conversation id")
        except InvalidInput as error:
            logger.error("dropped a command for %.200s that nobody can take: %s", delivery.conversation, error)  # noqa: TRY400
            self._spawn(delivery.ack())
            return

        def failed(error: Exception) -> None:
            logger.info("command %s comes again in %g s (%s)", command.id, RETRY_AFTER, error)
            self._spawn(delivery.retry(RETRY_AFTER))

        delivered = Delivered(command, lambda: self._spawn(delivery.ack()), failed)
        self._directory.deliver(delivery.agent, delivery.conversation, delivered)

    def _create(self, agent: str, conversation: ConversationId, life: Life) -> ConversationActor:
        return ConversationActor(
            agent,
            conversation,
            journey=self._journeys[agent],
            log=self._substrate.log,
            effects=self._effects[agent],
            life=life,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_reported(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- telling followers

    async def _announce(self, stored: Stored, conversation: Conversation) -> None:  # noqa: ARG002  a follower folds it
        message = encode(LiveFrame(stored.head.position, Raw(stored.data)))
        await _reported(self._substrate.live.publish(stored.conversation, message))

    def _told(self, conversation: ConversationId, request: Request, number: int, text: str) -> None:
        sendable = text.encode(errors="replace").decode()
        delta = Delta(request.last_turn, request.version, request.attempt, number, sendable)
        self._spawn(self._substrate.live.publish(conversation, encode(delta)))


async def _reported(work: Coroutine[Any, Any, None]) -> None:
    """Await work whose failure harms nothing that is recorded: what is not acknowledged, or not heard, comes again."""
    try:
        await work
    except FrameworkError as error:
        logger.warning("%s", error)


def bound(agents: Sequence[JourneyAgent[Any, Any, Any]]) -> dict[str, Journeys]:
    """Return the agents' journeys by key.

    Raises:
        InvalidInput: none is given, a key is no token, two agents have one key, or a router leads nowhere.

    """
    journeys: dict[str, Journeys] = {}
    for agent in agents:
        if not isinstance(agent, JourneyAgent):
            raise InvalidInput(f"{agent!r} is no journey agent: give an instance, such as MyAgent()")
        key = check_token(agent.key, "agent key")
        if key in journeys:
            raise InvalidInput(f"two agents have the key {key!r}: give each its own")
        journeys[key] = Journeys(agent)
    if not journeys:
        raise InvalidInput("a worker needs at least one agent")
    return journeys

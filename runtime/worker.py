"""The worker: owns partitions of its agents, takes their commands, and lets the actors answer them.

Order of leaving, and why: first no new turn begins; then, partition by partition, the turns in progress finish, because
their effects cannot be handed on, and meanwhile a cancel is still heard; then no more commands are taken, and the lease
is released, so that the next owner starts at once, and gets every command that was not acknowledged.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..actors import (
    BusCommand,
    CancelTurn,
    ConversationActor,
    Delivered,
    Directory,
    Life,
    NoSnapshots,
    SayToAgent,
    described,
)
from ..actors.journey import Secrets, undeclared_tools
from ..events import (
    ERASED,
    AgentKey,
    Conflict,
    ConversationId,
    FrameworkError,
    InvalidInput,
    NewerRelease,
    OtherVersion,
    Unavailable,
    Withheld,
    WriterId,
    check_token,
)
from .agents import JourneyAgent, Journeys, agent_effects
from .agents.author import call_author
from .agents.effects import CLEANING_UP
from .bus import Delivery
from .clock import Clock
from .command_opener import CommandOpener
from .deadletters import DeadLetter, DeadLetters, poisoned, undecodable
from .leases import Key
from .members import Member
from .ownership import Shares
from .retry import RetryPolicy
from .secret_keys import ready
from .substrate import Substrate
from .telling import FollowerTelling, reported

logger = logging.getLogger("agent_runtime_framework.worker")

RETRY_AFTER = 5.0
"""Seconds after which a command comes again that could not be taken."""

CANCEL_AFTER = 0.2
"""Seconds after which a cancel does that was given back with a message for another version."""

DECLINED_FOR = 600.0
"""Seconds for which a partition is left to workers of another version, who refuse what is of ours meanwhile."""

REMIND_EVERY, REMINDED = 2.0, 1_000
"""Seconds after which followers are told again that a message waits, and of how many turns to be admitted."""


class Worker:
    """Answers for its agents until it is stopped.

    It runs `concurrency` turns at once, and has `grace` seconds to finish what runs when it leaves.  A conversation
    that nobody has spoken to for `idle` seconds leaves the memory; its next message folds it anew.
    """

    def __init__(
        self,
        agents: Sequence[JourneyAgent[Any, Any, Any]],
        substrate: Substrate,
        *,
        clock: Clock,
        writer: WriterId,
        concurrency: int = 200,
        grace: float = 30.0,
        idle: float = 60.0,
        retry: RetryPolicy | None = None,
        beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        self._beside = beside
        self._substrate = substrate
        self._clock = clock
        self._writer = writer
        self._grace = grace
        self._idle_ms = round(idle * 1_000)
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._threads = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="arf-author")
        self._journeys = bound(agents, substrate.secrets)
        telling = FollowerTelling(substrate, self._spawn)
        self._effects = {
            key: agent_effects(
                journeys,
                clock=clock,
                retry=retry or RetryPolicy(),
                threads=self._threads,
                announce=telling.stored,
                told=telling.said,
                queued=telling.queued,
            )
            for key, journeys in self._journeys.items()
        }
        self._letters = DeadLetters(substrate.store, substrate.vault)
        self._snapshots = substrate.snapshots or NoSnapshots()
        self._opener = CommandOpener(substrate.vault, spawn=self._spawn, take=self._take)
        self._since = clock.now()
        self._versions: dict[AgentKey, tuple[str, ...]] = {}
        self._shares = Shares(
            [AgentKey(key) for key in self._journeys],
            substrate,
            clock=clock,
            deliver=self._deliver,
            conversations=self,
            member=self._member,
            grace=grace,
        )
        self._directory = Directory(
            writer, now=clock.now, sleep=clock.sleep, create=self._create, ownership=self._shares, limit=concurrency
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Begin no new turn, finish what runs, and leave."""
        self._stopping.set()

    @property
    def partitions(self) -> int:
        """How many partitions are owned, over all agents."""
        return self._shares.partitions

    @property
    def owning(self) -> asyncio.Event:
        """What is set once this worker's share of the partitions is taken, or was waited for long enough."""
        return self._shares.settled

    async def owned(self, *ends: "asyncio.Future[None]") -> bool:
        """Wait until the share is taken or one of `ends` is done, and return whether it is taken."""
        owning = asyncio.ensure_future(self.owning.wait())
        waited: set[asyncio.Future[Any]] = {owning, *ends}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        owning.cancel()
        return self.owning.is_set()

    async def run(self) -> None:
        """Work until `stop` is called or the task is cancelled; `owning` is set once the share is taken.

        Raises:
            Withheld: the namespace is encrypted, and there is no master key here.
            InvalidInput: an agent has marked secrets, and there is no master key here.

        """
        if self._substrate.vault is not None:
            await self._substrate.vault.check_usable()
        await asyncio.to_thread(self._look_at_journeys)
        await self._learn_versions()
        await ready(self._substrate.secrets, [key for key, each in self._journeys.items() if each.mark_secrets])
        await self._shares.join()
        beside = [
            asyncio.ensure_future(work)
            for work in (self._shares.keep(), self._remind(), *(each() for each in self._beside))
        ]
        try:
            while not self._stopping.is_set():
                # what others say while this worker looks is heard, too
                changed = asyncio.ensure_future(self._changed(self._substrate.leases.ttl / 4))
                await self._shares.share()
                await self._directory.passivate(self._idle_ms)
                await self._first(changed)
                for work in beside:
                    if work.done():
                        work.result()  # it never ends by itself: raise what ended it
        finally:
            try:
                await self._leave()
            finally:
                for work in beside:
                    work.cancel()
                await asyncio.wait(beside)

    def _look_at_journeys(self) -> None:
        """Say which tools nobody declared, and find every journey's model client, which may load a large library.

        Where there is none a turn says so when it asks the model; those that ask none go on.
        """
        for key, journeys in self._journeys.items():
            undeclared = undeclared_tools(journeys.agent)
            if undeclared:
                tools, run = ("tool", "it runs") if len(undeclared) == 1 else ("tools", "they run")
                logger.warning(
                    'agent %s: no effect class declared for %s %.500s: %s as "once", never again after a crash; '
                    "declare .effect(...) or @tool(effect=...)",
                    *(key, tools, ", ".join(undeclared), run),
                )
            for journey in journeys:
                try:
                    _ = journey.client
                except InvalidInput as error:
                    logger.warning("agent %s cannot ask a model: %s", journey.name, error)

    async def _learn_versions(self) -> None:
        """Learn the version of every journey, so that the other workers know it."""
        for key, journeys in self._journeys.items():
            known: list[str] = []
            for journey in journeys:
                try:
                    known.append(await call_author(getattr, journey, "hash", threads=self._threads))
                except Exception as error:  # noqa: BLE001  author code may raise anything, and each turn says so, too
                    logger.warning("the version of agent %s is not known: %s", journey.name, described(error))
            self._versions[AgentKey(key)] = tuple(known)

    async def _first(self, changed: "asyncio.Future[None]") -> None:
        """Wait until others say that something changed, or this worker is to stop."""
        ends: list[asyncio.Future[Any]] = [changed, asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    async def _changed(self, seconds: float) -> None:
        """Wait until others say that something changed, or for so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._substrate.members.changed()
        except Unavailable as error:
            logger.debug("changes are not heard: %s", error)
            await self._clock.sleep(seconds)
        except TimeoutError:
            return

    def _member(self) -> Member:
        return Member(
            worker=self._writer,
            agents=tuple(AgentKey(key) for key in self._journeys),
            host=self._host,
            pid=self._pid,
            since=self._since,
            turns=self._directory.turns,
            waiting=self._directory.waiting,
            declines=self._shares.declined,
            versions=self._versions,
        )

    # --- what runs here; implements `ownership.Conversations`

    async def finish(self, key: Key, seconds: float) -> int:
        """Wait until no turn is in progress in a partition; return how many still are after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._directory.quiet(key)
                agent = key[0]
                after = self._effects[agent].telling(lambda conversation: self._shares.part(agent, conversation) == key)
                after += self._directory.keeping(key)
                if self._tasks or after:
                    await asyncio.wait({*self._tasks, *after})
        except TimeoutError:
            return self._directory.in_progress(key)
        return 0

    async def let_go(self, key: Key) -> int:
        """End at once all that runs in a partition; return how many conversations these were, once it has ended."""
        return await self._directory.end(CLEANING_UP, key)

    async def _leave(self) -> None:
        leave = self._clock.monotonic() + self._grace  # the same grace for all that is waited for
        try:
            left = await self._shares.leave()
            if left:
                logger.warning("%d turns did not finish within %g s; the next owner goes on", left, self._grace)
            rest = max(leave - self._clock.monotonic(), 0)
            await asyncio.gather(*(effects.told(rest) for effects in self._effects.values()))
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=max(leave - self._clock.monotonic(), CLEANING_UP))
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    # --- taking commands

    def _deliver(self, delivery: Delivery) -> None:
        self._opener.deliver(delivery)

    def _take(self, delivery: Delivery, command: BusCommand | FrameworkError, id_: str) -> None:
        match command:
            case Withheld() if command.erased:
                # what it says is gone; its conversation refuses it, whatever it said
                self._hand_on(delivery, SayToAgent(id=id_, agent=delivery.agent, text=ERASED))
            case InvalidInput():
                letter = undecodable(
                    delivery.agent, delivery.conversation, delivery.data, error=str(command), time=self._clock.now()
                )
                self._spawn(self._bury(delivery, letter))
            case FrameworkError():
                self._failed(delivery, id_, command)
            case _:
                self._hand_on(delivery, command)

    def _failed(self, delivery: Delivery, id_: str, error: Exception, after: float = RETRY_AFTER) -> None:
        where = delivery.agent, delivery.conversation
        erased = isinstance(error, Withheld) and error.erased  # who comes next to that conversation refuses
        if isinstance(error, NewerRelease | Withheld) and not erased:
            self._shares.decline(*where)
            return  # here it would fail again and again; whoever takes the partition next gets it at once
        if isinstance(error, OtherVersion) and self._shares.elsewhere(*where, error.version):
            self._shares.decline(*where, DECLINED_FOR)  # yet the command comes again, should nobody take it
        if isinstance(error, Conflict):
            self._shares.taken_over(delivery.conversation)
            return  # whoever took it over has the command, too
        logger.info("command %s comes again in %g s (%s)", id_, after, error)
        self._spawn(delivery.retry(after))

    def _hand_on(self, delivery: Delivery, command: BusCommand) -> None:
        where = delivery.agent, delivery.conversation

        def failed(error: Exception) -> None:
            # a cancel asks nothing of the journey: alone, ahead of what it was given back with, it is heard
            soon = isinstance(error, OtherVersion) and isinstance(command, CancelTurn)
            self._failed(delivery, command.id, error, CANCEL_AFTER if soon else RETRY_AFTER)

        def dead(attempts: int) -> None:
            letter = poisoned(*where, command.id, delivery.data, attempts=attempts, time=self._clock.now())
            self._spawn(self._bury(delivery, letter))

        delivered = Delivered(command, lambda: self._spawn(delivery.ack()), failed, dead)
        self._directory.deliver(delivery.agent, delivery.conversation, delivered)

    async def _bury(self, delivery: Delivery, letter: DeadLetter) -> None:
        """Keep a dead letter, and only then acknowledge its command: as long as it cannot be kept, that comes again."""
        try:
            await self._letters.keep(letter, delivery.data)
        except FrameworkError as error:
            logger.warning("dead letter %.300s is not kept yet, its command comes again: %s", letter.name, error)
            await delivery.retry(RETRY_AFTER)
            return
        logger.error(
            "kept dead letter %.300s (%s): %.300s; see arf deadletters", letter.name, letter.reason, letter.error
        )
        await delivery.ack()

    def _create(self, agent: str, conversation: ConversationId, life: Life) -> ConversationActor:
        return ConversationActor(
            agent,
            conversation,
            journey=self._journeys[agent],
            log=self._substrate.log,
            effects=self._effects[agent],
            life=life,
            snapshots=self._snapshots,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(reported(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- telling followers

    async def _remind(self) -> None:
        """Tell of the messages that wait, again and again: a follower may have come later."""
        while True:
            await self._clock.sleep(REMIND_EVERY)
            await self._directory.remind(REMINDED)


def bound(agents: Sequence[JourneyAgent[Any, Any, Any]], secrets: Secrets | None = None) -> dict[str, Journeys]:
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
        journeys[key] = Journeys(agent, secrets=secrets)
    if not journeys:
        raise InvalidInput("a worker needs at least one agent")
    return journeys

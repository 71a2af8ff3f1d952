"""How long a conversation waits when its worker is killed, or leaves, with default settings.

Three figures, each over some rounds, by two real workers on one server which writes every message through:

- `kill`: kill -9 in mid-turn, a tool working or the model being asked; to the reply by the other worker.
- `leave`: SIGTERM, and a message to a conversation of the leaving worker as soon as it knows that it is to leave; from
  the signal to the reply by the other.
- `leave_busy`: the same, while a tool works for seconds in another of its partitions; the message does not wait for it.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from agent_runtime_framework import Client
from agent_runtime_framework.events import AgentKey, ConversationId
from agent_runtime_framework.runtime.bus import partition_of

from .figures import Spread
from .processes import Worker
from .script import Call, Script
from .town import NAMESPACE, Town, town

AGENT = "chaos"
AGENTS = ("ops.chaos.agent:agent",)
ROUNDS = 30

IN_ALL = 3
"""So many times as many rounds there are at most, where some say nothing."""

WORKS = 3.0
"""Seconds that the tool of the turn works that nobody is to wait for."""

LONG = 60.0
"""Seconds that a tool works, or a model thinks, whose worker is killed meanwhile."""

KILL_WITHIN, LEAVE_WITHIN = 4.0, 0.5
"""What p95 is to reach, in seconds."""

LOOK = 0.002
"""Seconds between two looks at what another process wrote down."""

SHARED = 30.0
"""Seconds until both workers must have their shares."""


class Failover(Struct, frozen=True):
    """Holds the figures, and whether they are good enough."""

    kill: Spread
    leave: Spread
    leave_busy: Spread

    @property
    def good(self) -> bool:
        """Whether all that is to be reached is."""
        return self.kill.p95 <= KILL_WITHIN and max(self.leave.p95, self.leave_busy.p95) <= LEAVE_WITHIN

    def line(self) -> str:
        """Return all of it on one line."""
        return (
            f"kill to reply p50/p95/max {self.kill}; leave to reply {self.leave}; "
            f"leave with a turn elsewhere to reply {self.leave_busy}"
        )


async def failover(rounds: int = ROUNDS) -> Failover:
    """Measure."""
    async with town() as here, Client.connect(nats=here.direct, namespace=NAMESPACE, create=False) as client:
        pair = Pair(here, client)
        kills = await _measured(pair, rounds, pair.kill)
        leaves = await _measured(pair, rounds, lambda _: pair.leave(busy=False))
        busy = await _measured(pair, rounds, lambda _: pair.leave(busy=True))
    return Failover(Spread.of(kills), Spread.of(leaves), Spread.of(busy))


async def _measured(pair: "Pair", rounds: int, one: Callable[[int], Awaitable[float | None]]) -> list[float]:
    found: list[float] = []
    for number in range(IN_ALL * rounds):
        await pair.complete()
        seconds = await one(number)
        if seconds is not None:
            found.append(seconds)
        if len(found) == rounds:
            break
    return found


class Pair:
    """Is two workers, one of which ends in each round."""

    def __init__(self, here: Town, client: Client) -> None:
        self._here = here
        self._client = client
        self._talks = 0

    async def complete(self) -> None:
        """Have two workers that are ready, each with a share of the partitions that has not changed for a moment."""
        leaving = [worker for worker in self._here.alive if worker.leaving]
        await asyncio.gather(*(worker.ended(LONG) for worker in leaving))
        while len(self._here.alive) < 2:
            self._here.start_worker(*AGENTS)
        await asyncio.gather(*(worker.until_ready() for worker in self._here.alive))
        async with asyncio.timeout(SHARED):
            before: list[str] = []
            while len({*before} - {""}) != 2 or "" in before or before != await self._owners():
                before = await self._owners()
                await asyncio.sleep(0.5)

    async def _owners(self) -> list[str]:
        holders = await self._client.substrate.leases.holders()
        partitions = range(self._client.substrate.bus.partitions)
        return [str(holders.get((AgentKey(AGENT), partition), "")) for partition in partitions]

    async def kill(self, number: int) -> float:
        """Kill the owner of a conversation in mid-turn; return the seconds until the reply."""
        conversation = await self._greeted()
        worker = await self._owner(conversation)
        if number % 3:
            script = Script(self._id(), [[Call(("look", "reserve")[number % 2], LONG)]])
        else:
            script = Script(self._id(), thinks=LONG)
        sending = self._send(conversation, script)
        await self._until(lambda: self._asked(script) if script.thinks else self._started(script))
        began = time.monotonic()
        worker.signal(signal.SIGKILL)
        await sending
        return time.monotonic() - began

    async def leave(self, *, busy: bool) -> float | None:
        """Let the owner of a conversation leave, and say something there as soon as it knows.

        Return the seconds from the signal to the reply; None if it still was the leaving worker's.
        """
        conversation = await self._greeted()
        worker = await self._owner(conversation)
        owner = await self._last_writer(conversation)
        other = None
        if busy:
            elsewhere = await self._greeted(besides=conversation, worker=worker)
            script = Script(self._id(), [[Call("charge", WORKS)]])
            other = self._send(elsewhere, script)
            await self._until(lambda: self._started(script))
        began = time.monotonic()
        worker.signal(signal.SIGTERM)
        await self._until(lambda: b"leaving:" in worker.log.read_bytes())
        await self._send(conversation, Script(self._id()))
        waited = time.monotonic() - began
        if other is not None:
            await other
        return waited if await self._last_writer(conversation) != owner else None

    async def _greeted(self, besides: str = "", worker: Worker | None = None) -> ConversationId:
        """Return a new conversation that has had a turn: of that worker, in another partition than `besides`."""
        partitions = self._client.substrate.bus.partitions
        while True:
            self._talks += 1
            name = ConversationId(f"c-{self._talks}")
            if besides and partition_of(name, partitions) == partition_of(ConversationId(besides), partitions):
                continue
            if worker is not None and await self._owner(name) is not worker:
                continue
            await self._send(name, Script(self._id()))
            return name

    async def _last_writer(self, conversation: ConversationId) -> str:
        last = await self._client.substrate.log.last(conversation)
        return "" if last is None else last.frame.writer

    async def _owner(self, conversation: ConversationId) -> Worker:
        owner = await self._client.owner(AGENT, conversation)
        pids = {member.worker: member.pid for member in await self._client.substrate.members.members()}
        return next(worker for worker in self._here.alive if owner is not None and worker.pid == pids.get(owner))

    def _send(self, conversation: ConversationId, script: Script) -> "asyncio.Task[object]":
        sending = self._client.send(AGENT, conversation, script.text(), message_id=script.id, timeout=LONG)
        return asyncio.get_running_loop().create_task(sending)

    def _id(self) -> str:
        self._talks += 1
        return f"m-{self._talks}"

    def _asked(self, script: Script) -> bool:
        return any(ask.message == script.id for ask in self._here.asked())

    def _started(self, script: Script) -> bool:
        return any(start.ticket.startswith(f"{script.id}/") for start in self._here.starts())

    @staticmethod
    async def _until(true: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONG):
            while not true():  # noqa: ASYNC110  another process writes that down
                await asyncio.sleep(LOOK)

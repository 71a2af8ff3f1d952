"""Living: what conversations take of a worker's memory, and whether it all comes back."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from agent_runtime_framework import Client
from agent_runtime_framework.events import FrameworkError

from .child import Look
from .place import AT_ONCE, Place
from .results import Reach, Row, row
from .work import AGENT, USUAL

TURNS = 10
WARM = 50
"""Conversations that a worker has before its memory is looked at first: what it loads for them is nobody's."""

FILLED = 1_250
"""Conversations of ten turns that fill what a worker keeps for those that were spoken to last, however many it has."""

GROWTH = 1.05
TOLD = 5_000
LOOKS, LOOK_EVERY = 120, 0.5
"""So often, and after so many seconds each, it is looked whether all have left."""


class WorkerProcess:
    """Is a worker in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def look(self) -> Look:
        """Return what memory it takes now."""
        return msgspec.json.decode(await self._said("look"), type=Look)

    async def collected(self) -> Look:
        """Return what memory it takes without its garbage."""
        return msgspec.json.decode(await self._said("collect"), type=Look)

    async def passivated(self) -> Look:
        """Let all conversations leave the memory, and return what is left."""
        for _ in range(LOOKS):  # one that has just been spoken to may owe something still
            await self._say("idle 0")
            if not (await self.look()).live:
                break
            await asyncio.sleep(LOOK_EVERY)
        return await self.collected()

    async def started(self) -> None:
        """Wait until it has its partitions."""
        await self._line()

    async def _say(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n".encode())
            await self._process.stdin.drain()

    async def _said(self, line: str) -> bytes:
        await self._say(line)
        return await self._line()

    async def _line(self) -> bytes:
        line = b"" if self._process.stdout is None else await self._process.stdout.readline()
        if not line:
            raise FrameworkError("the worker whose memory is measured ended: see what it said above")
        return line


@asynccontextmanager
async def process(place: Place, namespace: str) -> AsyncIterator[WorkerProcess]:
    """Give a worker process, which ends in order when the block does."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.bench.child", str(place.home), namespace),
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is ours; it ends with its standard input
    )
    try:
        worker = WorkerProcess(child)
        await worker.started()
        yield worker
    finally:
        if child.stdin is not None:
            child.stdin.close()
        await asyncio.shield(child.wait())


async def memory(place: Place) -> list[Row]:
    """Measure what a conversation takes that is live and idle, above its text."""
    count, rounds = place.settings.remembered, 3 if place.settings.full else 1
    text = TURNS * USUAL.said / 1000
    found: list[float] = []
    for number in range(rounds):
        namespace = f"memory{number}"
        place.say(f"memory: {count} conversations of {TURNS} turns, round {number + 1} of {rounds}")
        async with process(place, namespace) as worker, Client.connect(home=place.home, namespace=namespace) as client:
            await crowd(place, client, "warm", FILLED, TURNS, at_once=WARM)
            before = await worker.collected()
            await crowd(place, client, "kept", count, TURNS, at_once=WARM)
            after = await worker.collected()
        if after.live - before.live != count:
            raise FrameworkError(f"{after.live - before.live} of {count} conversations were live when it was looked")
        found.append((after.resident - before.resident) / count / 1000 - text)
    what = f"worker memory a live, idle conversation of {TURNS} turns, above its text (of {count})"
    return [row("memory", what, "KB", found, Reach(20.0), floors=[("its text", [text] * rounds)])]


async def live(place: Place) -> list[Row]:
    """Measure whether a worker grows that has many conversations live, lets them go, and then has as many others."""
    count, crowds = place.settings.live, 3 if place.settings.full else 2
    async with process(place, "live") as worker, Client.connect(home=place.home, namespace="live") as client:
        await crowd(place, client, "warm", WARM, 1)
        before = await worker.collected()
        came = [await _come_and_gone(place, client, worker, f"crowd-{number + 1}") for number in range(crowds)]
        place.say(f"live: crowd-{crowds} has another turn, cold")
        cold = await crowd(place, client, f"crowd-{crowds}", count, 1)
    return [growth(count, before, came, cold)]


class Came(Struct, frozen=True):
    """Is a crowd that came and went: turns a second, and what was seen when all had begun, were there and had left."""

    begins: float
    goes_on: float
    begun: Look
    there: Look
    gone: Look


def growth(count: int, before: Look, came: Sequence[Came], cold: float) -> Row:
    """Return the row of crowds of so many; without a figure where a conversation left before it should, or stayed."""
    gone = [one.gone for one in came]
    rest = [look.resident / 1e6 for look in gone]
    resident = (before, *(look for one in came for look in (one.begun, one.there, one.gone)))
    found = row(
        "live",
        f"{count:,} live conversations in one worker, a turn from each, then as many others: memory after passivation",
        "MB",
        rest[1:],
        Reach(GROWTH, of_ratio=True),
        floors=[("after that of the first", rest[:1] * len(rest[1:]))],  # little by little is growth, too
        notes=(
            f"{_listed(one.there.live for one in came)} live, and {_listed(one.gone.live for one in came)} after "
            "passivation; MB resident before, then of each crowd with all begun, after a turn from each, and after "
            f"passivation: {_listed(round(look.resident / 1e6) for look in resident)}; blocks of Python's allocator in "
            f"use before and after each passivation: {_listed(look.blocks for look in (before, *gone))}; "
            f"turns a second: {came[0].begins:.0f} that begin, {came[0].goes_on:.0f} live, {cold:.0f} cold"
        ),
    )
    all_were = all(one.there.live >= count and not one.gone.live for one in came)
    return found if all_were else structs.replace(found, measured=None, floors=())


async def _come_and_gone(place: Place, client: Client, worker: WorkerProcess, name: str) -> Came:
    """Have two turns in each conversation of a new crowd, and let it leave the memory."""
    place.say(f"live: {name}, {place.settings.live:,} conversations begin")
    begins = await crowd(place, client, name, place.settings.live, 1)
    begun = await worker.look()
    place.say(f"live: {name} has another turn")
    goes_on = await crowd(place, client, name, place.settings.live, 1)
    return Came(begins, goes_on, begun, await worker.look(), await worker.passivated())


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)


async def crowd(
    place: Place, client: Client, name: str, conversations: int, turns: int, *, at_once: int = AT_ONCE
) -> float:
    """Have so many turns in so many conversations, some at once; return how many there were a second."""
    room, over = asyncio.Semaphore(at_once), 0

    async def talk(conversation: str) -> None:
        nonlocal over
        async with room:
            for _ in range(turns):
                await client.send(AGENT, conversation, place.words.text(USUAL.user), timeout=600)
        over += 1
        if over % TOLD == 0:
            place.say(f"  {over:,} of {conversations:,}")

    began = time.perf_counter()
    await asyncio.gather(*(talk(f"{name}-{number}") for number in range(conversations)))
    return conversations * turns / (time.perf_counter() - began)

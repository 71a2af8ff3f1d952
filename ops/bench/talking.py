"""Turns: in one conversation, in many at once, and late in a long one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from agent_runtime_framework import Runtime

from .floors import JetStreamFloor, SQLiteFloor
from .place import Place
from .results import Reach, Row, row

EARLY = 10

LATER = 50
"""Turns that a crowd has had when it is looked whether it is as fast as in the beginning."""


@asynccontextmanager
async def sqlite_floor(place: Place) -> AsyncIterator[SQLiteFloor]:
    """Give the floor of SQLite, in a file beside the server's."""
    floor = SQLiteFloor(Path(place.home).with_name(f"floor-{time.monotonic_ns()}.db"))
    try:
        yield floor
    finally:
        floor.close()


async def one(place: Place) -> list[Row]:
    """Measure turn after turn in one conversation: a turn on each floor, then ours."""
    jetstream = await JetStreamFloor.on(place)
    ours: list[float] = []
    floor: list[float] = []
    second: list[float] = []
    used, turns = 0.0, 0
    async with place.working("one") as runtime, sqlite_floor(place) as sqlite:
        for number in range(place.settings.rounds):
            place.say(f"one conversation: round {number + 1} of {place.settings.rounds}")
            await place.turn(runtime, f"one-{number}")
            times: list[tuple[float, float, float]] = []
            for _ in range(place.settings.turns - 1):
                below, beside = await jetstream.turn(f"one-{number}"), sqlite.turn(f"one-{number}")
                began = time.process_time()
                times.append((await place.turn(runtime, f"one-{number}"), below, beside))
                used, turns = used + time.process_time() - began, turns + 1
            for found, values in zip((ours, floor, second), zip(*times, strict=True), strict=True):
                found.append(1000 * median(values))
    return [
        row(
            "one",
            f"one conversation, turns 2 to {place.settings.turns}, p50",
            "ms",
            ours,
            Reach(2.0, of_ratio=True),
            floors=[(JetStreamFloor.name, floor), (SQLiteFloor.name, second)],
            notes=f"worker and client together used {1000 * used / turns:.1f} ms of processor a turn",
        )
    ]


async def many(place: Place) -> list[Row]:
    """Measure many conversations at once in one worker: some turns of each on each floor, then ours."""
    crowd, turns = place.settings.crowd, 5 if place.settings.full else 2
    jetstream = await JetStreamFloor.on(place)
    ours: list[float] = []
    floor: list[float] = []
    second: list[float] = []
    used = 0.0
    async with place.working("many") as runtime, sqlite_floor(place) as sqlite:
        for number in range(place.settings.rounds):
            place.say(f"{crowd} conversations at once: round {number + 1} of {place.settings.rounds}")
            floor.append(await jetstream.turns_a_second(crowd, turns))
            second.append(await asyncio.to_thread(sqlite.turns_a_second, crowd, turns))
            await _crowd(place, runtime, f"many-{number}", crowd, 1)
            began = time.process_time()
            ours.append(await _crowd(place, runtime, f"many-{number}", crowd, turns))
            used += time.process_time() - began
        later = await _later(place, runtime, f"many-{place.settings.rounds - 1}", crowd, turns)
    each = 1000 * used / (crowd * turns * place.settings.rounds)
    return [
        row(
            "many",
            f"{crowd} conversations at once, turns 2 to {turns + 1}",
            "turns/s",
            ours,
            Reach(0.5, at_least=True, of_ratio=True),
            floors=[(JetStreamFloor.name, floor), (SQLiteFloor.name, second)],
            notes=f"worker and client together used {each:.1f} ms of processor a turn{later}",
        )
    ]


async def _later(place: Place, runtime: Runtime, name: str, conversations: int, turns: int) -> str:
    """Say how fast a crowd is that has long conversations; empty in a small run."""
    if not place.settings.full:
        return ""
    place.say(f"{conversations} conversations at once: {LATER} turns of each")
    await _crowd(place, runtime, name, conversations, LATER - turns - 1)
    speed = await _crowd(place, runtime, name, conversations, turns)
    return f"; from turn {LATER + 1} on there are {speed:.0f} a second"


async def _crowd(place: Place, runtime: Runtime, name: str, conversations: int, turns: int) -> float:
    """Have so many turns in so many conversations at once, and return how many there were a second."""

    async def talk(conversation: str) -> None:
        for _ in range(turns):
            await place.turn(runtime, conversation)

    began = time.perf_counter()
    await asyncio.gather(*(talk(f"{name}-{number}") for number in range(conversations)))
    return conversations * turns / (time.perf_counter() - began)


async def late(place: Place) -> list[Row]:
    """Measure a turn late in a long conversation against the tenth of a short one, in turns."""
    long = await place.long()
    pairs = 20 if place.settings.full else 12
    early: list[float] = []
    late: list[float] = []
    async with place.working(long.namespace) as runtime:
        place.say(f"turn {long.turns:,} against turn {EARLY}: {pairs} of each")
        for number in range(pairs):
            for _ in range(EARLY - 1):
                await place.turn(runtime, f"short-{number}")
            early.append(1000 * await place.turn(runtime, f"short-{number}"))
            if not number:
                await place.turn(runtime, long.conversation)  # it is cold: opening it is another row
            late.append(1000 * await place.turn(runtime, long.conversation))
    return [
        row(
            "late",
            f"turn {long.turns:,} against turn {EARLY}, p50",
            "ms",
            late,
            Reach(1.2, of_ratio=True),
            floors=[(f"turn {EARLY}", early)],
        )
    ]

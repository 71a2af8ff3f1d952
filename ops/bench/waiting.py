"""Waiting: until a turn has begun, and for the first token."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from statistics import median

from nats.aio.client import Client as Nats

from agent_runtime_framework import Delta
from agent_runtime_framework.events import FrameworkError
from agent_runtime_framework.projections import Recorded

from .floors import JetStreamFloor
from .opening import COMMITS
from .place import Place
from .results import Reach, Row, row
from .work import AGENT, USUAL, Model

TURNS = 12
PAUSE = 0.005
"""Seconds between the first piece of a text and the rest, and of rest between two turns."""


async def begun(place: Place) -> list[Row]:
    """Measure from the publishing of a message until a follower hears that its turn has begun; the worker is idle."""
    jetstream = await JetStreamFloor.on(place)
    ours: list[float] = []
    floor: list[float] = []
    async with place.working("begun") as runtime:
        for number in range(place.settings.rounds):
            place.say(f"begun: round {number + 1} of {place.settings.rounds}")
            times: list[tuple[float, float]] = []
            await place.turn(runtime, f"begun-{number}")
            heard = runtime.follow(f"begun-{number}")
            await _until(heard, lambda one: _is(one, "turn.completed"))
            for _ in range(TURNS):
                await asyncio.sleep(PAUSE)
                below = await jetstream.two_commits()
                hearing = asyncio.create_task(_until(heard, lambda one: _is(one, "turn.started")))
                began = time.perf_counter()
                await runtime.publish(AGENT, f"begun-{number}", place.words.text(USUAL.user))
                times.append((await hearing - began, below))
                await _until(heard, lambda one: _is(one, "turn.completed"))
            await heard.aclose()
            for found, values in zip((ours, floor), zip(*times, strict=True), strict=True):
                found.append(1000 * median(values))
    what = "command published to turn begun, idle worker, p50"
    return [row("begun", what, "ms", ours, Reach(3.0), floors=[(COMMITS, floor)])]


async def token(place: Place) -> list[Row]:
    """Measure from the first token that the model gives until a follower has it."""
    ours: list[float] = []
    floor: list[float] = []
    model = Model(streams=True, pause=PAUSE)
    async with place.working("token", model) as runtime:
        for number in range(place.settings.rounds):
            place.say(f"token: round {number + 1} of {place.settings.rounds}")
            times: list[tuple[float, float]] = []
            await place.turn(runtime, f"token-{number}")
            heard = runtime.follow(f"token-{number}")
            await _until(heard, lambda one: _is(one, "turn.completed"))
            for _ in range(TURNS):
                below = await one_message(place.plain)
                await runtime.publish(AGENT, f"token-{number}", place.words.text(USUAL.user))
                until = await _until(heard, lambda one: isinstance(one, Delta) and one.number == 0)
                times.append((until - model.spoke_at, below))
                await _until(heard, lambda one: _is(one, "turn.completed"))
            await heard.aclose()
            for found, values in zip((ours, floor), zip(*times, strict=True), strict=True):
                found.append(1000 * median(values))
    what = "first token from the model to the follower, p50"
    return [row("token", what, "ms", ours, Reach(2.0), floors=[("one message there", floor)])]


async def one_message(plain: Nats) -> float:
    """Return the seconds that a message takes through the server to a subscriber of the same connection."""
    subscription = await plain.subscribe(plain.new_inbox())
    await plain.flush()
    began = time.perf_counter()
    await plain.publish(subscription.subject, b"token")
    await subscription.next_msg(timeout=10)
    took = time.perf_counter() - began
    await subscription.unsubscribe()
    return took


async def _until(heard: AsyncIterator[object], this: Callable[[object], bool]) -> float:
    """Listen until it is heard, and return when that was."""
    async for one in heard:
        if this(one):
            return time.perf_counter()
    raise FrameworkError("a follower heard the end of what has none")


def _is(heard: object, type_: str) -> bool:
    return isinstance(heard, Recorded) and heard.type == type_

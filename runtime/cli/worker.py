"""`arf worker`: a process that answers for its agents, until it is told to leave."""

import asyncio
import os
import threading
from collections.abc import Sequence

from ...events import FrameworkError, InvalidInput
from ..bus import PARTITIONS
from ..opening import Place
from ..runtime import Runtime
from ..worker import Worker, bound
from .loading import Agent, load_agents
from .options import Options
from .output import say
from .place import place_of
from .signals import on_signals
from .text import without_password

READY = "ready"
"""How the first line begins that a worker says; who started it may wait for that."""

LEFT_AT_ONCE = 130

SAME_SIGNAL = 1.0
"""Seconds in which further signals count as the first: a Ctrl-C also comes through whoever started the worker."""

AUTHOR_THREADS = "arf-author"
"""How the threads are called in which a worker runs plain `def` author code."""


def agents_of(specs: Sequence[str]) -> list[Agent]:
    """Return the agents that these MODULE:ATTR name, each of which has a key of its own and a model.

    Raises:
        InvalidInput: one of them cannot be loaded, or two have one key.
        FrameworkError: an agent has no model.

    """
    agents = load_agents(specs)
    for key, journey in bound(agents).items():
        try:
            _ = journey.client
        except InvalidInput as error:
            raise FrameworkError(f"agent {key!r} has no model to talk to: {error}") from error
    return agents


async def work(options: Options, agents: Sequence[Agent], *, concurrency: int, grace: float) -> int:
    """Answer for the agents until SIGTERM or SIGINT, then finish what runs and leave; return the exit code.

    A second signal ends what runs, too.
    """
    place = place_of(options, create=True)
    asked = asyncio.Event()
    _ask_to_leave(asked)
    runtime = Runtime(
        agents,
        nats=place.nats,
        home=place.home,
        namespace=place.namespace,
        concurrency=concurrency,
        grace=grace,
    )
    try:
        async with runtime:
            worker = runtime.worker()
            running = asyncio.create_task(worker.run())
            await _first(running, worker.owning, asked)
            if worker.owning.is_set():
                say(_ready(runtime, worker, place))
            await _first(running, asked)
            if asked.is_set():
                say(f"leaving: what runs is finished first, for {grace:g} s at most")
            worker.stop()
            await running
    except asyncio.CancelledError:
        say("left at once: the next worker goes on with what was running")
        return LEFT_AT_ONCE
    return 0


def end_of_process(code: int) -> int:
    """Return the exit code; but where a tool's thread still runs, which nothing can stop, end the process at once."""
    if any(thread.name.startswith(AUTHOR_THREADS) for thread in threading.enumerate()):
        os._exit(code)
    return code


def _ask_to_leave(asked: asyncio.Event) -> None:
    """Let the first signal set `asked`, and a later one cancel the task that calls this."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    since = loop.time()

    def heard(_number: int) -> None:
        nonlocal since
        if not asked.is_set():
            since = loop.time()
            asked.set()
        elif task is not None and loop.time() - since > SAME_SIGNAL:
            task.cancel()

    on_signals(heard)


async def _first(running: asyncio.Task[None], *events: asyncio.Event) -> None:
    """Return once the task is done or one of the events is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait({running, *waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()


def _ready(runtime: Runtime, worker: Worker, place: Place) -> str:
    opened = runtime.opened
    keys = [agent.key for agent in runtime.agents]
    where = f"{without_password(opened.url)}{f' (embedded, {place.home})' if place.nats is None else ''}"
    owned = f"{worker.partitions} of {PARTITIONS * len(keys)} partitions"
    there = f"durability {opened.durability}, server {where}, namespace {place.namespace}"
    return f"{READY}: {there}, agents {', '.join(keys)}, {owned}"

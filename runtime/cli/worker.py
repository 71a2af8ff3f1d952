"""`arf worker`: a process that answers for its agents, until it is told to leave."""

import asyncio
import signal
from collections.abc import Sequence

from ...events import FrameworkError, InvalidInput
from ..bus import PARTITIONS
from ..opening import Place
from ..runtime import Runtime
from ..worker import Worker, bound
from .loading import Agent, load_agents
from .options import Options
from .output import say
from .place import address, place_of

LEFT_AT_ONCE = 130


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
    _on_signals(asked)
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


def _on_signals(asked: asyncio.Event) -> None:
    """Let the first signal set `asked`, and the second cancel the task that calls this."""
    task = asyncio.current_task()

    def heard() -> None:
        if asked.is_set() and task is not None:
            task.cancel()
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, heard)


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
    where = f"{address(opened.url)}{f' (embedded, {place.home})' if place.nats is None else ''}"
    return (
        f"ready: durability {opened.durability}, server {where}, namespace {place.namespace}, agents {', '.join(keys)}, "
        f"{worker.partitions} of {PARTITIONS * len(keys)} partitions"
    )

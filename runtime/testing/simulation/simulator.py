"""The simulator: the real worker, actors, log protocol and client in one thread, under virtual time, with faults.

Whatever happens is decided by the seed, so the same seed with the same agent, script and faults gives the same run to
the last byte.  The eight rules are looked at after each step, and the first that breaks ends the run.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any

from msgspec import structs

from ...agents import JourneyAgent
from ...client import Client
from ...heartbeat import Heart
from ...models import LLMClient
from ...retry import RetryPolicy
from ...worker import Worker
from ..rules import Checker
from .connection import Connection
from .door import check_model, check_no_loop_runs, check_workers, checked_agents, checked_faults, checked_script
from .faults import KINDS, Faults, Planned, plan
from .heart import SimulatedHeart
from .loop import Deadlock, Halted, Process, VirtualLoop
from .model import Answers, SimulatedModel, seeded_answer
from .outcome import Inconclusive, RuleBroken, Simulation, turns_of
from .people import People
from .script import Line
from .watched import watched
from .workers import Workers
from .world import VirtualClock, World, writer_of

HORIZON = (2.0, 6.0)
"""Virtual seconds within which things go wrong: for so many at least and at most."""

ENOUGH = 120.0
"""Virtual seconds after the last fault by which every command must have its outcome."""

STILL = 10.0
"""Virtual seconds within which a worker says that it has nothing to do."""

LOOK = 0.25


class SeededRetry(RetryPolicy, frozen=True):
    """Waits as long as the seed says before a model is asked again."""

    random: Any = None

    def wait(self, attempt: int, retry_after: float | None = None) -> float | None:
        """Return the seconds to wait, None to give up."""
        asked = retry_after or 0.0
        if attempt >= self.attempts or asked > self.patience:
            return None
        return max(float(self.random.uniform(0, self.first * 2**attempt)), asked)


class Simulator:
    """Runs one simulation; whoever tests the simulator itself puts other parts in."""

    worker_type: type[Worker] = Worker

    def __init__(
        self,
        agents: JourneyAgent[Any, Any, Any] | Sequence[JourneyAgent[Any, Any, Any]],
        script: Iterable[Line],
        seed: int,
        *,
        workers: int = 2,
        answers: Answers = seeded_answer,
        faults: Iterable[str | Planned] | None = None,
    ) -> None:
        self.agents = checked_agents(agents)
        self.script = checked_script(script, self.agents)
        check_workers(workers)
        check_model(answers)
        kinds, asked = checked_faults(KINDS if faults is None else faults, workers)
        self.seed = seed
        self.random = Random(f"{seed} world")
        self.concurrency = self.random.choice((1, 2, 200))
        self.threads = self.random.random() < 0.5
        self.checker = Checker()
        self.loop = VirtualLoop()
        self.faults = Faults(Random(f"{seed} faults"), kinds, now=self.loop.time)
        self.world = self.made_world()
        self.horizon = self.random.uniform(*HORIZON)
        planned = [*asked, *plan(Random(f"{seed} plan"), self.faults.kinds, workers, self.horizon)]
        config = self.agents[0].config
        self.model: LLMClient = SimulatedModel(self.world, answers, seed, timeout=config.model_timeout)
        self.workers = Workers(self.world, workers, planned, asked, self.worker)
        self.world.did = self.workers.did
        self.waiting: tuple[str, ...] = ()
        self._still: float | None = None

    # --- parts

    def made_world(self) -> World:
        """Return the world."""
        return World(self.loop, self.faults, self.random, self.checker)

    def connection(self, process: Process) -> Connection:
        """Return a worker's connection."""
        return Connection(self.world, process, writer_of(process.name))

    def heart(self, process: Process) -> Heart | None:
        """Return what holds a worker's leases in a thread of its own, or None for its loop."""
        if not self.threads:
            return None
        thread = Process(f"{process.name} heart")
        process.threads.append(thread)
        substrate = Connection(self.world, thread, writer_of(process.name)).substrate
        return SimulatedHeart(self.world, process, thread, substrate)

    def client(self, connection: Connection) -> Client:
        """Return somebody's client."""
        return Client(connection.substrate)

    def worker(self, process: Process) -> Worker:
        """Return the worker of one life."""
        return self.worker_type(
            [self.agent(agent) for agent in self.agents],
            structs.replace(self.connection(process).substrate, heart=self.heart(process)),
            clock=VirtualClock(self.loop, skew=self.random.randint(-50, 50)),
            writer=writer_of(process.name),
            concurrency=self.concurrency,
            grace=3.0,
            retry=SeededRetry(attempts=4, random=self.random),
        )

    def agent(self, agent: JourneyAgent[Any, Any, Any]) -> JourneyAgent[Any, Any, Any]:
        """Return an agent as a worker has it."""
        return watched(agent, self.world, self.model)

    # --- the run

    def run(self) -> Simulation:
        """Run to the end, or to the first broken rule; what the author's model function raised is raised."""
        with _silent():
            self.loop.set_exception_handler(self._unhandled)
            self.loop.watch(self._halt)
            try:
                with contextlib.suppress(Halted):
                    self.loop.run_until_complete(self._live())
            except Deadlock as error:
                self.checker.ended(f"the run is stuck: {error}")
            finally:
                seconds = self.loop.time()
                self._tidy()
        if self.world.raised is not None:
            self.world.raised.add_note(
                f"the function that was given as model raised it; simulate(..., seed={self.seed})"
            )
            raise self.world.raised
        return self._simulation(seconds)

    async def _live(self) -> None:
        people = People(self.world, self.agents[0].key, self.client)
        self.workers.begin()
        lines, last = people.begin(self.script), max((line.at for line in self.script), default=0.0)
        if self.faults.kinds or self.workers.eventful:
            await asyncio.sleep(self.horizon)
        # what was asked for may need longer than what the seed has
        while self.workers.expectant and self.loop.time() < last + ENOUGH and not self._answered(lines):  # noqa: ASYNC110
            await asyncio.sleep(LOOK)
        self.faults.active = False
        self.workers.heal()
        deadline = max(self.loop.time(), last) + ENOUGH
        # whoever looks learns it at once, and what is not acknowledged may still begin
        while not await self._calm(lines) and self.loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(LOOK)
        if not self._answered(lines):
            self.waiting = self.world.waiting()
        if not self.waiting:  # what waits may hold up all others
            self.checker.settled()

    def _answered(self, lines: list[asyncio.Task[None]]) -> bool:
        return self.world.over() and all(line.done() for line in lines)

    async def _calm(self, lines: list[asyncio.Task[None]]) -> bool:
        """Say whether everybody has an answer, and every worker says that no turn is in progress there."""
        if not self._answered(lines):
            self._still = None
            return False
        busy = [member for member in await self.world.members.members() if member.turns or member.waiting]
        since = self._still = self.loop.time() if self._still is None else self._still
        if busy and self.loop.time() - since > STILL:
            counted = f"{busy[0].turns} turns in progress and {busy[0].waiting} waiting"
            self.checker.ended(f"worker {busy[0].worker} counts {counted}, and there are none")
        return not busy

    def _halt(self) -> None:
        if self.checker.broken or self.world.raised is not None:
            raise Halted

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self.world.closed:
            self.checker.ended(f"{context.get('message')}: {context.get('exception')!r}")

    def _tidy(self) -> None:
        """End all that still runs, also what was killed, so that nothing of it is heard of later."""
        self.world.closed = True
        self.loop.watch(None)
        for life in self.workers.lives:
            life.process.wake()
        self.loop.call_soon_plainly(self.loop.stop)
        self.loop.run_forever()  # a run that ended as it was halted left its own end behind
        for _ in range(2):  # what was to begin begins, and finds every port shut
            self.loop.run_until_complete(asyncio.sleep(0))
        for _ in range(20):
            left = asyncio.all_tasks(self.loop)
            if not left:
                break
            for task in left:
                task.cancel()
            with contextlib.suppress(Deadlock):
                self.loop.run_until_complete(asyncio.wait(left, timeout=60))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def _simulation(self, seconds: float) -> Simulation:
        logs = self.world.logs
        return Simulation(
            seed=self.seed,
            logs=logs,
            faults=tuple(self.faults.injected),
            effects=tuple(self.world.effects),
            commands=len(self.world.commands),
            turns=sum(turns_of(log) for log in logs.values()),
            steps=sum(self.workers.steps.values()),
            seconds=seconds,
            worker_steps=dict(self.workers.steps),
            looked=dict(self.checker.looked),
            broken=tuple(self.checker.broken),
            never_happened=self.workers.expected,
            waiting=self.waiting,
        )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Log nothing of what goes wrong on purpose."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


def simulate(
    agent: JourneyAgent[Any, Any, Any] | Sequence[JourneyAgent[Any, Any, Any]],
    script: Iterable[Line],
    seed: int = 0,
    *,
    workers: int = 2,
    model: Answers = seeded_answer,
    faults: Iterable[str | Planned] | None = None,
) -> Simulation:
    """Run an agent, or several, through a script while things go wrong, and check the eight rules after each step.

    The seed decides all that is random in the simulator.  It does not decide what an author's code draws from `random`,
    reads from a clock, the disk or the network, or leaves running in the background: where it does, the same seed may
    give another run.

    Args:
        agent: the agent, or several, each with a key of its own; their own model clients are never asked.  A line that
            names no agent is for the first one, `Say("c-1", "hi", agent="desk")` for the one with that key.  A
            conversation belongs to the agent that it began with, and refuses what is said to another.
        script: who says what, and when, in virtual seconds: `Say`, `Cancel`, `Fork`, `Read`, `Publish`, `Spoil`.
        seed: decides all that is random.
        workers: how many there are at the beginning.
        model: takes messages, tools and a `Random`, and answers with a text, `calls(...)` or a raw message; it may be
            `async`.  A `ModelError` that it raises is a model that fails, whatever else it raises is a mistake in it.
            The one that is there calls the tools that it is offered, at random.
        faults: the kinds that may happen, each as often as the seed says, and those that do, such as
            `Crash(worker=0, step=17)`; all kinds where nothing is said, none for `()`.

    Raises:
        RuleBroken: a rule does not hold; the message names the rule and the seed.
        Inconclusive: a fault that was asked for never happened, or the run was given up while something still waited.
        InvalidInput: there is no agent, an id, a key or a text in the script cannot be taken, or it is called while a
            loop runs.
        TypeError: something of the wrong kind was given, or `model` takes something else or gives nothing usable.
        ValueError: there is no such fault or worker, or a number makes no sense.
        Exception: whatever `model` raised.

    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, simulate
    >>> run = simulate(OnboardingAgent(), [Say("c-1", "hi"), Say("c-1", "I am Ada", at=1)], seed=7)
    >>> run.broken, run.raised
    ((), ())

    """
    check_no_loop_runs()
    simulation = Simulator(agent, script, seed, workers=workers, answers=model, faults=faults).run()
    if simulation.broken:
        raise RuleBroken(simulation)
    if simulation.waiting or simulation.never_happened:
        raise Inconclusive(simulation)
    return simulation

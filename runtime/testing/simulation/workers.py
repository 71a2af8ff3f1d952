"""The workers of a run: each has lives, one after another, that end by what is planned for it."""

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import structs

from .faults import Block, Crash, Join, Leave, Pause, Planned
from .loop import Process
from .world import World

AGAIN = 0.5
"""Seconds after which a worker lives again that ended by itself or where nothing else is said."""


class Life:
    """Is one life of a worker: its process, the worker, and the task that it works in."""

    def __init__(self, process: Process, worker: Any, task: asyncio.Task[None]) -> None:
        self.process = process
        self.worker = worker
        self.task = task


Start = Callable[[Process], Any]
"""Makes the worker of a new life, within its process."""


class Workers:
    """Starts workers, and lets happen to them what is planned.

    Attributes:
        steps: how many steps each worker has taken, over all its lives.
        lives: all lives there were.

    """

    def __init__(
        self, world: World, count: int, planned: list[Planned], asked: Iterable[Planned], start: Start
    ) -> None:
        self._world = world
        self._start = start
        self._planned = [one for one in planned if not isinstance(one, Join)]
        self._asked = dict.fromkeys(asked)
        self._joins = [one for one in planned if isinstance(one, Join)]
        self._now: dict[int, Life | None] = dict.fromkeys(range(count))
        self.steps = dict.fromkeys(range(count), 0)
        self.lives: list[Life] = []

    @property
    def eventful(self) -> bool:
        """Whether anything is planned."""
        return bool(self._planned or self._joins)

    @property
    def expectant(self) -> bool:
        """Whether something that was asked for has not happened yet."""
        return bool(self._asked)

    @property
    def expected(self) -> tuple[Planned, ...]:
        """What was asked for and has not happened yet."""
        return tuple(self._asked)

    def begin(self) -> None:
        """Start all of them, and plan what happens at a time."""
        for number in tuple(self._now):
            self._begin(number)
        for one in self._planned:
            if one.step is None and one.after is None:
                self._later(one.at or 0.0, self._happen, one)
        for join in self._joins:
            self._later(join.at, self._join, join)

    def heal(self) -> None:
        """Let nothing more happen, go on whoever was stopped, and see to it that there is a worker."""
        self._planned.clear()
        self._joins.clear()
        for life in self.lives:
            if life.process.alive:
                life.process.go_on()
        for number, now in self._now.items():
            if now is None:
                self._begin(number)

    def _later(self, delay: float, what: Callable[..., None], *args: Any) -> None:
        self._world.loop.call_later(delay, what, *args)

    def _join(self, join: Join) -> None:
        if self._world.faults.active:
            number = len(self._now)
            self.steps[number] = 0
            self._world.faults.happened("join", f"worker {number}")
            self._asked.pop(join, None)
            self._begin(number)

    def _begin(self, number: int) -> None:
        if self._now.get(number) is not None or self._world.closed:
            return
        lives = sum(life.process.name.startswith(f"{number}-") for life in self.lives)
        process = Process(f"{number}-{lives}", lambda _process: self._before(number))
        life = process.context.run(self._live, process)
        self.lives.append(life)
        self._now[number] = life
        life.task.add_done_callback(lambda task: self._ended(number, life, task), context=_nobody())

    def _live(self, process: Process) -> Life:
        worker = self._start(process)
        return Life(process, worker, asyncio.ensure_future(worker.run()))

    def _ended(self, number: int, life: Life, task: asyncio.Task[None]) -> None:
        if self._world.closed or not life.process.alive:
            return
        if not task.cancelled() and task.exception() is not None:
            self._world.checker.ended(f"worker {life.process.name} ended by {task.exception()!r}")
        if self._now.get(number) is life:
            self._now[number] = None

    def _before(self, number: int) -> None:
        self.steps[number] += 1
        if self._planned:
            step = self.steps[number]
            for one in self._planned:
                if one.step == step and one.worker == number:
                    self._happen(one)
                    return

    def did(self, count: int, process: Process) -> None:
        """Hear that a process did the `count`th thing that counts: an append, an effect, an acknowledgement."""
        for one in self._planned:
            if one.after == count:
                number = next((number for number, life in self._now.items() if life and life.process is process), None)
                if number is not None:
                    self._happen(one, number)

    def _happen(self, planned: Planned, worker: int | None = None) -> None:
        one = planned if worker is None or isinstance(planned, Join) else structs.replace(planned, worker=worker)
        life = None if isinstance(one, Join) else self._now.get(one.worker)
        if isinstance(one, Join) or life is None or not self._world.faults.active:
            return
        self._asked.pop(planned, None)
        name, number = life.process.name, one.worker
        match one:
            case Crash():
                self._world.faults.happened("crash", name)
                life.process.kill()
                self._now[number] = None
                self._again(number, one.down)
            case Pause():
                self._world.faults.happened("pause", name)
                life.process.stop()
                self._later(one.seconds, life.process.go_on)
            case Block():
                self._world.faults.happened("block", name)
                life.process.block()
                self._later(one.seconds, life.process.go_on)
            case Leave():
                self._world.faults.happened("leave", name)
                life.process.context.copy().run(life.worker.stop)
                self._again(number, one.down)

    def _again(self, number: int, down: float | None) -> None:
        """Let a worker live again, once its life before is over; it may leave slowly."""
        if down is not None:
            self._world.loop.call_later(down, self._try_again, number, context=_nobody())

    def _try_again(self, number: int) -> None:
        if self._now.get(number) is None:
            self._begin(number)
        elif not self._world.closed:
            self._world.loop.call_later(AGAIN, self._try_again, number, context=_nobody())


def _nobody() -> Any:
    """Return a context that is no process's."""
    return contextvars.Context()

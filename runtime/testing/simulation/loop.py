"""A loop under virtual time, on which processes live that can be killed and stopped between any two of their steps.

A process is a name in the context that its callbacks run in.  The loop asks before each callback whether the process
still lives: one that was killed never takes another step, not even a `finally`, and one that was stopped takes its
steps later, all that were due at once, as after SIGSTOP and SIGCONT.

Nothing here waits: where nothing is ready, time goes on to the next timer.
"""

import asyncio
import contextvars
import selectors
from asyncio import events
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Raised out of the loop when nothing is ready and nothing will ever be."""


class Halted(Exception):
    """Raised out of the loop when whoever watches it has seen enough."""


class Process:
    """Is one life of a process on the loop.

    Attributes:
        name: what it is called in reports.
        steps: how many callbacks it has run.
        before_step: asked before each of them, with the number of the step; it may kill or stop the process.
        alive: whether it was not killed.
        moved: the virtual time of its last step.
        threads: what is killed and stopped with it, but not blocked.

    """

    def __init__(self, name: str, before_step: Callable[["Process"], None] | None = None) -> None:
        self.name = name
        self.steps = 0
        self.before_step = before_step
        self.alive = True
        self.moved = 0.0
        self.threads: list[Process] = []
        self._runs = True
        self._kept: set[asyncio.Task[Any]] = set()
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)
        self._left: list[_Step] = []

    def kill(self) -> None:
        """Let it take no further step; what it was in the middle of is kept, because nothing of it may ever end."""
        self.alive = self._runs = False
        self._kept = asyncio.all_tasks()
        for thread in self.threads:
            thread.kill()

    def stop(self) -> None:
        """Let it take no step until it goes on, and none of its threads."""
        self.block()
        for thread in self.threads:
            thread.stop()

    def block(self) -> None:
        """Let it take no step until it goes on; its threads do."""
        self._runs = False

    def go_on(self) -> None:
        """Take the steps that were due meanwhile; one that was killed takes none."""
        if not self.alive:
            return
        self._runs = True
        left, self._left = self._left, []
        for step in left:
            step.again()
        for thread in self.threads:
            thread.go_on()

    def wake(self) -> None:
        """Live again, to be ended in good order: only to tidy up after a run."""
        self.alive, self.before_step = True, None
        for thread in self.threads:
            thread.wake()
        self.go_on()

    def take(self, step: "_Step") -> None:
        """Take a step, or keep it for later, perhaps for ever."""
        if self._runs:
            self.steps += 1
            self.moved = step.loop.time()
            if self.before_step is not None:
                self.before_step(self)
            if self._runs:
                step.callback(*step.args)
                return
        self._left.append(step)


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("PROCESS", default=None)


class _Step:
    """Is one callback of a process."""

    __slots__ = ("args", "callback", "context", "handle", "loop", "process")

    handle: asyncio.Handle

    def __init__(
        self,
        loop: "VirtualLoop",
        process: Process,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context,
    ) -> None:
        self.loop = loop
        self.process = process
        self.callback = callback
        self.args = args
        self.context = context

    def __call__(self) -> None:
        self.process.take(self)

    def again(self) -> None:
        """Take the step soon; whoever asked for it may still cancel it until then."""
        self.loop.call_soon_plainly(self._again, context=self.context)

    def _again(self) -> None:
        if not self.handle.cancelled():
            self()


class _Hurried(selectors.SelectSelector):
    """Lets time go on instead of waiting for anything."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self.watch: Callable[[], None] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.watch is not None:
            self.watch()
        if timeout is None:
            raise Deadlock("nothing is ready, and nothing will ever be")
        if timeout > 0:
            # the least that counts is a nanosecond, so that rounding never leaves a timer just not due
            self.passed += max(timeout, 1e-9)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs callbacks in order, and lets time pass when none is ready; `watch` is asked before that, and may raise."""

    def __init__(self, watch: Callable[[], None] | None = None) -> None:
        self._hurried = _Hurried()
        super().__init__(self._hurried)
        self._hurried.watch = watch

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._hurried.passed

    def watch(self, watch: Callable[[], None] | None) -> None:
        """Ask another one, or none."""
        self._hurried.watch = watch

    def call_soon_plainly(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Call soon, whoever lives."""
        return super().call_soon(callback, *args, context=context)

    def call_soon(  # type: ignore[override]  # typeshed's is generic in the arguments
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Call soon, if the process that the context names still lives then."""
        context = contextvars.copy_context() if context is None else context
        process = context.get(PROCESS)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        step = _Step(self, process, callback, args, context)
        step.handle = super().call_soon(step, context=context)
        return step.handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Call at that time, if the process that the context names still lives then."""
        context = contextvars.copy_context() if context is None else context
        process = context.get(PROCESS)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        step = _Step(self, process, callback, args, context)
        handle = super().call_at(when, step, context=context)
        step.handle = handle
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Call after so many seconds, if the process that the context names still lives then."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """Run the function here and now, as if it were in a thread of its own: no loop runs there."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        running = events._get_running_loop()  # noqa: SLF001  for loops, in spite of its name; likewise below
        events._set_running_loop(None)  # noqa: SLF001
        try:
            result = func(*args)
        except BaseException as error:  # noqa: BLE001  a thread hands over whatever it is
            future.set_exception(error)
        else:
            future.set_result(result)
        finally:
            events._set_running_loop(running)  # noqa: SLF001
        return future

"""The signals by which a process is asked to end."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

ENDED_BY = 128
"""The exit code of a process that a signal ended, less the signal's number."""

SAME_SIGNAL = 1.0
"""Seconds in which further signals count as the first: a Ctrl-C also comes through whoever started this process."""

CANCEL_AGAIN = 0.5
"""Seconds after which a task that was cancelled, and still runs, is cancelled again.

nats-py loses a cancel that comes while it flushes, and `wait_for`, up to Python 3.11, one that comes with the result.
"""


def on_signals(heard: Callable[[int], None]) -> None:
    """Call `heard` with the number of each signal that asks this process to end, in place of what was called before.

    A SIGHUP that is ignored, as `nohup` has it, stays ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, heard, number)


async def until_a_signal(work: Coroutine[Any, Any, int | None]) -> int:
    """Return the exit code of the work, which a signal cancels, so that what it has open is closed."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    came = 0

    def cancel() -> None:
        if task is not None:
            task.cancel()
            loop.call_later(CANCEL_AGAIN, cancel)

    def heard(number: int) -> None:
        nonlocal came
        came = came or number
        cancel()

    on_signals(heard)
    try:
        return await work or 0
    except asyncio.CancelledError:
        if not came:
            raise
        return ENDED_BY + came


class Signals:
    """Notes what asks this process to end, so that it ends in good order.

    A second signal calls `again`; a third ends the process as if nothing were noted.

    Attributes:
        came: set by the first signal.
        number: the first signal's; 0 before it.
        again: what makes the end come at once.

    """

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.number = 0
        self.again: Callable[[], object] = lambda: None
        self._heard = 0
        self._since = -SAME_SIGNAL
        on_signals(self._hear)

    @property
    def exit_code(self) -> int:
        """The exit code that the signal comes to; 0 if none came."""
        return ENDED_BY + self.number if self.number else 0

    def _hear(self, number: int) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._since <= SAME_SIGNAL:
            return
        self._since, self._heard = now, self._heard + 1
        if self._heard == 1:
            self.number = number
            self.came.set()
        elif self._heard == 2:
            self.again()
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    async def first(self, *works: Coroutine[Any, Any, Any]) -> None:
        """Do these works until one of them is done, or until a signal comes; then the others are ended at once.

        What the one that was done raises is raised.
        """
        tasks = [asyncio.ensure_future(work) for work in (self.came.wait(), *works)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled(tasks)
        for task in done:
            await task


async def _cancelled(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel the tasks, and return once they are done."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # which of them is raised is up to the caller; none is to be reported as lost

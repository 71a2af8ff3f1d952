"""The signals by which a process is asked to end."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

ENDED_BY = 128
"""The exit code of a process that a signal ended, less the signal's number."""

SAME_SIGNAL = 1.0
"""Seconds in which further signals count as the first: a Ctrl-C also comes through whoever started this process."""


def on_signals(heard: Callable[[int], None]) -> None:
    """Call `heard` with the number of each signal that asks this process to end, in place of what was called before.

    A SIGHUP that is ignored, as `nohup` has it, stays ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, heard, number)


async def until_a_signal(work: Coroutine[Any, Any, int | None]) -> int:
    """Return the exit code of the work, which a signal cancels, so that what it has open is closed."""
    task = asyncio.current_task()
    came = 0

    def heard(number: int) -> None:
        nonlocal came
        came = number
        if task is not None:
            task.cancel()

    on_signals(heard)
    try:
        return await work or 0
    except asyncio.CancelledError:
        if not came:
            raise
        return ENDED_BY + came


class Signals:
    """Notes what asks this process to end, so that it ends in good order; a second signal calls `again`.

    Attributes:
        came: set by the first signal.
        number: the first signal's; 0 before it.
        again: what makes the end come at once.

    """

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.number = 0
        self.again: Callable[[], object] = lambda: None
        self._since = 0.0
        on_signals(self._hear)

    @property
    def exit_code(self) -> int:
        """The exit code that the signal comes to; 0 if none came."""
        return ENDED_BY + self.number if self.number else 0

    def _hear(self, number: int) -> None:
        now = asyncio.get_running_loop().time()
        if not self.number:
            self.number, self._since = number, now
            self.came.set()
        elif now - self._since > SAME_SIGNAL:
            self.again()

    async def first(self, *works: Coroutine[Any, Any, Any]) -> None:
        """Do these works until one of them is done, or until a signal comes; then the others are ended at once.

        What the one that was done raises is raised.
        """
        tasks = [asyncio.ensure_future(work) for work in (self.came.wait(), *works)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            await task

"""The signals by which a process is asked to end."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

ENDED_BY = 128
"""The exit code of a process that a signal ended, less the signal's number."""


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

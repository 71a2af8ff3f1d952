"""What is said of work that takes long, where somebody sits at a terminal."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE: Final = 1.0
"""Seconds that pass before anything is said."""

PACE: Final = 0.2
"""Seconds from one word to the next."""

BAR: Final = 20
"""Columns of a bar."""


class Progress:
    """Counts what was done; `count` is written to stderr now and then, and wiped away at the end.

    Where it is known how much there is, it is written with a bar.
    """

    def __init__(self, what: str, total: int | None = None) -> None:
        self.count = 0
        self._what = what
        self._total = total
        self._width = 0

    async def of(self, values: AsyncIterator[T]) -> AsyncIterator[T]:
        """Yield the values, and count them."""
        async for value in values:
            self.count += 1
            yield value

    def one(self) -> None:
        """Count one more."""
        self.count += 1

    async def show(self) -> None:
        """Write the count for ever, after a second of saying nothing."""
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(PATIENCE)
        while True:
            self._write(f"{self._what}: {self._so_far()}{asyncio.get_running_loop().time() - began:.0f} s")
            await asyncio.sleep(PACE)

    def wipe(self) -> None:
        """Take away what was written."""
        if self._width:
            self._write("")
            sys.stderr.write("\r")
            sys.stderr.flush()

    def _so_far(self) -> str:
        if self._total:
            done = min(self.count * BAR // self._total, BAR)
            return f"[{'#' * done}{'.' * (BAR - done)}] {self.count:,} of {self._total:,} in "
        return f"{self.count:,} in " if self.count else ""

    def _write(self, text: str) -> None:
        # no escape sequences, so that it is the same at any terminal; and one line, or \r would not lead to its start
        text = text[: _columns() - 1]
        sys.stderr.write(f"\r{text:<{self._width}}")
        sys.stderr.flush()
        self._width = len(text)


class EventProgress(Progress):
    """Counts frames, of which it is known how many there are, and tells the events in them, and how many a second."""

    def __init__(self, what: str, total: int) -> None:
        super().__init__(what, total)
        self.events = 0
        self._began = asyncio.get_running_loop().time()

    def add(self, frames: int, events: int) -> None:
        """Count so many more."""
        self.count += frames
        self.events += events

    def _so_far(self) -> str:
        seconds = asyncio.get_running_loop().time() - self._began
        done = min(self.count * BAR // max(self._total or 0, 1), BAR)
        bar = f"[{'#' * done}{'.' * (BAR - done)}]"
        return f"{bar} {self.events:,} events, {self.events / max(seconds, PACE):,.0f} a second, in "


@asynccontextmanager
async def event_progress(what: str, *, total: int) -> AsyncIterator[EventProgress]:
    """Show on stderr how far the block is with so many frames; as `progress`."""
    counted = EventProgress(what, total)
    async with _shown(counted, shown=True):
        yield counted


@asynccontextmanager
async def progress(what: str, *, total: int | None = None, shown: bool = True) -> AsyncIterator[Progress]:
    """Show on stderr how far the block is, if it is a terminal and takes long.

    Only what reads in pieces, without holding up the loop, is seen to move.
    """
    counted = Progress(what, total)
    async with _shown(counted, shown=shown):
        yield counted


@asynccontextmanager
async def _shown(counted: Progress, *, shown: bool) -> AsyncIterator[None]:
    if not (shown and sys.stderr.isatty()):
        yield
        return
    showing = asyncio.create_task(counted.show())
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.wait([showing])
        if not showing.cancelled():
            showing.result()  # it only ends by an error
        counted.wipe()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80

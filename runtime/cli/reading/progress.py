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


class Progress:
    """Counts what was read; `count` is written to stderr now and then, and wiped away at the end."""

    def __init__(self, what: str) -> None:
        self.count = 0
        self._what = what
        self._width = 0

    async def of(self, values: AsyncIterator[T]) -> AsyncIterator[T]:
        """Yield the values, and count them."""
        async for value in values:
            self.count += 1
            yield value

    async def show(self) -> None:
        """Write the count for ever, after a second of saying nothing."""
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(PATIENCE)
        while True:
            count = f"{self.count:,} in " if self.count else ""
            self._write(f"{self._what}: {count}{asyncio.get_running_loop().time() - began:.0f} s")
            await asyncio.sleep(PACE)

    def wipe(self) -> None:
        """Take away what was written."""
        if self._width:
            self._write("")
            sys.stderr.write("\r")
            sys.stderr.flush()

    def _write(self, text: str) -> None:
        # no escape sequences, so that it is the same at any terminal; and one line, or \r would not lead to its start
        text = text[: _columns() - 1]
        sys.stderr.write(f"\r{text:<{self._width}}")
        sys.stderr.flush()
        self._width = len(text)


@asynccontextmanager
async def progress(what: str, *, shown: bool = True) -> AsyncIterator[Progress]:
    """Show on stderr how far the block is, if it is a terminal and takes long.

    Only what reads in pieces, without holding up the loop, is seen to move.
    """
    counted = Progress(what)
    if not (shown and sys.stderr.isatty()):
        yield counted
        return
    showing = asyncio.create_task(counted.show())
    try:
        yield counted
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

"""The lines of stdin, without holding up the loop."""

import asyncio
import contextlib
import os
import threading

STDIN = 0

PIECE = 65_536


class Lines:
    """Reads stdin, or another open file, line by line, each only when it is asked for.

    The reading thread is a daemon, so that a terminal at which nobody types holds up no end; and none of Python's
    buffers is used, because Python, when it ends, would wait for the lock of a buffer.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = STDIN if descriptor is None else descriptor
        self._read = bytearray()
        self._ended = False

    @property
    def typed(self) -> bool:
        """Whether they come from a person at a terminal."""
        return os.isatty(self._descriptor)

    async def next(self) -> str | None:
        """Return the next line without its end, or None if there is none."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[bytes | None] = loop.create_future()

        def hand(line: bytes | None) -> None:
            if not found.done():
                found.set_result(line)

        def wait() -> None:
            line = self._line()
            with contextlib.suppress(RuntimeError):  # the loop is closed: the talk ended while nothing was typed
                loop.call_soon_threadsafe(hand, line)

        threading.Thread(target=wait, name="arf-stdin", daemon=True).start()
        line = await found
        return None if line is None else line.decode(errors="replace").rstrip("\r\n")

    def _line(self) -> bytes | None:
        looked = 0
        while not (end := self._read.find(b"\n", looked) + 1) and not self._ended:
            looked = len(self._read)
            try:
                piece = os.read(self._descriptor, PIECE)
            except OSError:  # closed by who started us, or a terminal that is gone
                piece = b""
            self._read += piece
            # at a terminal Ctrl-D ends one read, and the next would wait for more
            self._ended = not piece
        line = bytes(self._read[: end or len(self._read)])
        del self._read[: len(line)]
        return line or None

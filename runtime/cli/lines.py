"""The lines of stdin, without holding up the loop."""

import asyncio
import contextlib
import io
import threading

STDIN = 0


class Lines:
    """Reads stdin line by line, each only when it is asked for.

    The reading thread is a daemon, so that a terminal at which nobody types holds up no end; and it reads unbuffered,
    because Python, when it ends, would wait for the lock of a buffer.
    """

    def __init__(self) -> None:
        try:
            self._stdin: io.FileIO | None = io.FileIO(STDIN, closefd=False)
        except OSError:  # closed by who started us, so there are no lines
            self._stdin = None

    @property
    def typed(self) -> bool:
        """Whether they come from a person at a terminal."""
        return self._stdin is not None and self._stdin.isatty()

    async def next(self) -> str | None:
        """Return the next line without its end, or None if there is none."""
        stdin = self._stdin
        if stdin is None:
            return None
        loop = asyncio.get_running_loop()
        read: asyncio.Future[bytes] = loop.create_future()

        def hand(line: bytes) -> None:
            if not read.done():
                read.set_result(line)

        def wait() -> None:
            line = stdin.readline()
            with contextlib.suppress(RuntimeError):  # the loop is closed: the talk ended while nothing was typed
                loop.call_soon_threadsafe(hand, line)

        threading.Thread(target=wait, name="arf-stdin", daemon=True).start()
        line = await read
        return line.decode(errors="replace").rstrip("\r\n") if line else None

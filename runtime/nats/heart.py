"""A heart that beats in a thread of its own, over a connection of its own.

So a tool that holds the event loop up costs a worker none of its conversations, as long as it ends some time: a loop
that has not moved for `DEAD` seconds is taken for one that never will, and what it held is left to others.
"""

import asyncio
import logging
import os
import sys
import sysconfig
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType

from nats.aio.client import Client

from ...events import Unavailable, WriterId
from ..heartbeat import Beat, Held, beat
from .leases import NatsLeases
from .members import NatsMembers
from .names import Names

logger = logging.getLogger("agent_runtime_framework.nats")

LOOK = 0.1
"""Seconds between two looks at the loop."""

HELD_UP = 0.25
"""Seconds after which it is said that the loop is held up, and where."""

PAUSE = 0.5
"""Seconds before the next try to reach the server."""

DEAD = 10.0
"""Seconds after which a loop that has not moved holds nothing any more."""

ENDING = 5.0
"""Seconds in which the thread ends once it is to."""

_PATHS = sysconfig.get_paths()
OURS = (f"{Path(__file__).parents[2]}{os.sep}", "<")
INSTALLED = tuple(f"{_PATHS[of]}{os.sep}" for of in ("purelib", "platlib"))
STANDARD = (f"{_PATHS['stdlib']}{os.sep}",)
"""Where code is that is the framework's own, that is installed, and that comes with Python."""

Connect = Callable[[], Awaitable[Client]]


class ThreadHeart:
    """Keeps a worker there and its leases held, whatever its event loop does."""

    def __init__(self, connect: Connect, names: Names, holder: WriterId) -> None:
        self._connect = connect
        self._names = names
        self._holder = holder

    @asynccontextmanager
    async def beats(self, held: Callable[[], Held]) -> AsyncIterator[AsyncIterator[Beat]]:
        """Keep what `held` says each time, until the context is left; what ends the thread ends the iteration."""
        loop, told = asyncio.get_running_loop(), asyncio.Queue[Beat | BaseException]()

        def tell(what: Beat | BaseException) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(told.put_nowait, what)

        async def every() -> AsyncIterator[Beat]:
            while True:
                what = await told.get()
                if isinstance(what, BaseException):
                    raise what
                yield what

        watch = _Watch(loop)
        beating = _Beating(watch, held, tell)
        thread = threading.Thread(target=self._run, args=(beating, tell), name="arf-heart", daemon=True)
        thread.start()
        try:
            yield every()
        finally:
            beating.end.set()
            await asyncio.to_thread(thread.join, ENDING)

    def _run(self, beating: "_Beating", tell: Callable[[BaseException], None]) -> None:
        try:
            asyncio.run(self._beat(beating))
        except Exception as error:  # noqa: BLE001  whatever it is, it is raised on the loop
            tell(error)

    async def _beat(self, beating: "_Beating") -> None:
        client = await self._connected(beating.end)
        if client is None:
            return
        try:
            leases = NatsLeases(client, self._names, self._holder)
            await beating.run(leases, NatsMembers(client, self._names))
        finally:
            await client.close()

    async def _connected(self, end: threading.Event) -> Client | None:
        """Return a connection of the thread's own, or None if it is to end before the server is there."""
        while not end.is_set():
            try:
                return await self._connect()
            except Unavailable as error:
                logger.warning("cannot hold partitions now: %s; trying again", error)
                await asyncio.sleep(PAUSE)
        return None


class _Beating:
    """Beats until it is to end, and looks at the loop in between."""

    def __init__(self, watch: "_Watch", held: Callable[[], Held], tell: Callable[[Beat], None]) -> None:
        self.end = threading.Event()
        self._watch = watch
        self._held = held
        self._tell = tell

    async def run(self, leases: NatsLeases, members: NatsMembers) -> None:
        due = 0.0
        while not self.end.is_set():
            if self._watch.look() < DEAD and time.monotonic() >= due:
                due = time.monotonic() + leases.ttl / 4
                self._tell(await beat(self._held(), leases, members, now=time.monotonic))
            await asyncio.sleep(LOOK)


class _Watch:
    """Looks whether an event loop moves, and where it is when it does not."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._asked: float | None = None
        self._where = ""

    def look(self) -> float:
        """Return for how many seconds the loop has not moved."""
        still = 0.0 if self._asked is None else time.monotonic() - self._asked
        if still > HELD_UP and not self._where:
            self._where = place_in(sys._current_frames().get(self._thread))  # noqa: SLF001  documented, despite its name
        if self._asked is None and not self._loop.is_closed():
            self._asked = time.monotonic()
            self._loop.call_soon_threadsafe(self._move)
        return still

    def _move(self) -> None:
        took = time.monotonic() - (self._asked or 0.0)
        if self._where:
            logger.warning(
                "%s held the event loop up for %.1f s: make it a plain def, or await there", self._where, took
            )
        self._asked, self._where = None, ""


def place_in(frame: FrameType | None) -> str:
    """Return in words which code runs on the loop of this frame: an author's, else what is installed.

    Empty where it is only the framework's, or Python's.
    """
    found = ""
    while frame is not None and frame.f_code.co_name != "_run_once":
        code, installed = frame.f_code, frame.f_code.co_filename.startswith(INSTALLED)
        if not code.co_filename.startswith(OURS) and (installed or not code.co_filename.startswith(STANDARD)):
            found = found or f"{code.co_qualname} ({Path(code.co_filename).name}, line {frame.f_lineno})"
            if not installed:
                return f"{code.co_qualname} ({Path(code.co_filename).name}, line {frame.f_lineno})"
        frame = frame.f_back
    return found

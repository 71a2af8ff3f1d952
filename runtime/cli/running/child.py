"""A worker as a process of its own: started, waited for until it is ready, and ended."""

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import msgspec

from ....events import FrameworkError, InvalidInput
from ...opening import Place
from ..console.output import say
from ..console.place import MODULE, environment_of
from .ready import Ready

GRACE: Final = 5.0
"""Seconds that the worker gets to finish what runs."""

PATIENCE: Final = 10.0
"""Seconds beyond them after which it is killed."""

LINE: Final = 1024 * 1024
"""Bytes that a line may have which it writes; a longer one is dropped."""

LAST: Final = 3
"""So many lines are kept of what it said last."""

SEALS: Final = frozenset({"ARF_SEAL_KEY", "ARF_SEAL_FILE"})
"""The variables that say how a worker seals."""

Tell: TypeAlias = Callable[[str], object]
"""Hears a line that the worker, or code of its agents, writes."""


class WorkerEnded(FrameworkError):
    """Raised when a worker ended that was not asked to.

    Attributes:
        code: its exit code.
        said: the last lines that it wrote.

    """

    def __init__(self, when: str, code: int, said: list[str]) -> None:
        by = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        super().__init__(f"the worker ended{when} {by}: {' '.join(said) or 'silently'}")
        self.code = code
        self.said = said

    def cause(self) -> FrameworkError:
        """Return the error that it ended by, as far as it said one, with its exit code."""
        if not (self.said and self.said[-1].startswith("error: ")):
            return self
        what = self.said[-1].removeprefix("error: ")
        return InvalidInput(what) if self.code == InvalidInput.exit_code else FrameworkError(what)


class WorkerProcess:
    """Is a worker that was started; `tell` hears what it writes once it is ready."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
        tell: Tell,
    ) -> None:
        self._process = process
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._said: deque[str] = deque(maxlen=LAST)
        self._tell = tell
        self._hearing = asyncio.ensure_future(self._hear_all(stdout, stderr))

    async def ready(self) -> Ready:
        """Return what it says once it owns its partitions.

        Raises:
            WorkerEnded: it ended before; the message says why.

        """
        works: list[asyncio.Future[Any]] = [self._ready, self._hearing]
        await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            raise WorkerEnded(" at its start", await self._process.wait(), list(self._said))
        return self._ready.result()

    async def died(self) -> None:
        """Return never.

        Raises:
            WorkerEnded: it ended.

        """
        code = await self._process.wait()
        await asyncio.wait([self._hearing])
        raise WorkerEnded("", code, list(self._said))

    def kill(self) -> None:
        """End it at once, as a crash would: whoever owns its conversations next goes on."""
        if self._process.returncode is None:
            self._process.kill()

    async def end(self) -> None:
        """Have it finish what runs and leave; return once it is gone."""
        if self._hearing.done() and self._process.returncode is not None:
            return
        self._tell = _nobody
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(GRACE + PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        # what it started itself may still have its pipes open
        self._hearing.cancel()
        await asyncio.wait([self._hearing])

    async def _hear_all(self, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        await asyncio.gather(self._hear(stdout, self._data), self._hear(stderr, self._line))

    async def _hear(self, stream: asyncio.StreamReader, heard: Tell) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # longer than LINE; it is dropped by now
                continue
            if not line:
                return
            heard(line.decode(errors="replace").rstrip("\r\n"))

    def _data(self, line: str) -> None:
        """Take what it says when it is ready; everything else on its stdout is printed by code of its agents."""
        if not self._ready.done():
            try:
                self._ready.set_result(msgspec.json.decode(line, type=Ready))
            except msgspec.DecodeError:
                self._line(line)
            return
        self._line(line)

    def _line(self, line: str) -> None:
        if line.strip():
            self._said.append(line)
            if self._ready.done():
                self._tell(line)


def _nobody(_line: str) -> None:
    """Hear nothing."""


def _say(line: str) -> None:
    say(f"worker: {line}")


async def start_worker(spec: str, place: Place, tell: Tell, *, keep_bytecode: bool = True) -> WorkerProcess:
    """Start a worker for the agents that MODULE:ATTR names, in a process session of its own; `end` it.

    It does not seal, whatever the environment says: a file of seals is for workers that stay.  A Ctrl-C in the terminal
    does not reach it, so that it is ended in good order.  Where this process is killed, it leaves by itself.  Without
    `keep_bytecode` what it compiles is not kept: Python takes a file that was changed twice in a second, and has the
    length that it had, for the one that it knows.
    """
    # -P: a file in the current directory must not stand in for a library's module
    arguments = ("-P", "-m", MODULE, "worker", spec, "--grace", str(GRACE), "--offline", "--child", "-o", "jsonl")
    inherited = {name: value for name, value in os.environ.items() if name not in SEALS}
    bytecode = {} if keep_bytecode else {"PYTHONDONTWRITEBYTECODE": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LINE,
        start_new_session=True,
        env={**inherited, **environment_of(place), **bytecode, "PYTHONUNBUFFERED": "1"},
    )
    if process.stdout is None or process.stderr is None:
        raise FrameworkError("what the worker writes cannot be read")
    return WorkerProcess(process, process.stdout, process.stderr, tell)


@asynccontextmanager
async def worker_process(spec: str, place: Place, tell: Tell = _say) -> AsyncIterator[WorkerProcess]:
    """Run a worker for the agents that MODULE:ATTR names while the block runs; see `start_worker`."""
    worker = await start_worker(spec, place, tell)
    try:
        yield worker
    finally:
        await worker.end()

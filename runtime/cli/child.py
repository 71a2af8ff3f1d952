"""A worker as a process of its own: started, waited for until it is ready, and ended."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from ...events import FrameworkError
from ..opening import Place
from .output import say
from .worker import READY

GRACE: Final = 5.0
"""Seconds that the worker gets to finish what runs."""

PATIENCE: Final = 10.0
"""Seconds beyond them after which it is killed."""

LINE: Final = 16 * 1024 * 1024
"""Bytes that a line of its stderr may have."""


class WorkerProcess:
    """Is a worker that was started."""

    def __init__(self, process: asyncio.subprocess.Process, stderr: asyncio.StreamReader) -> None:
        self._process = process
        self._stderr = stderr

    async def ready(self) -> None:
        """Return once it owns its partitions.

        Raises:
            FrameworkError: it ended before; the message says why.

        """
        said: list[str] = []
        while line := (await self._stderr.readline()).decode(errors="replace"):
            if line.startswith(READY):
                return
            said.append(line.strip())
        code = await self._process.wait()
        raise FrameworkError(
            f"the worker ended at its start with exit code {code}: {' '.join(said[-3:]) or 'silently'}"
        )

    async def died(self) -> None:
        """Repeat what it says on stderr until it ends without having been asked to.

        Raises:
            FrameworkError: it ended.

        """
        while line := (await self._stderr.readline()).decode(errors="replace"):
            say(f"worker: {line}")
        raise FrameworkError(f"the worker ended with exit code {await self._process.wait()}")

    async def end(self) -> None:
        """Have it finish what runs and leave; return once it is gone."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(GRACE + PATIENCE):
                await self._process.communicate()
        except TimeoutError:
            self._process.kill()
            await self._process.communicate()


@asynccontextmanager
async def worker_process(spec: str, place: Place) -> AsyncIterator[WorkerProcess]:
    """Run a worker for the agents that MODULE:ATTR names, in a process session of its own, while the block runs.

    A Ctrl-C in the terminal does not reach it, so that it is ended in good order.
    """
    # -P: a file in the current directory must not stand in for a library's module
    arguments = ("-P", "-m", __name__.rpartition(".")[0], "worker", spec, "--grace", str(GRACE))
    # through the environment, where a URL's password is not seen by all
    where = {"ARF_NATS_URL": place.nats or "", "ARF_HOME": str(place.home or ""), "ARF_NAMESPACE": place.namespace}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=LINE,
        start_new_session=True,
        env=os.environ | where,
    )
    if process.stderr is None:
        raise FrameworkError("the worker's stderr cannot be read")
    worker = WorkerProcess(process, process.stderr)
    try:
        yield worker
    finally:
        await worker.end()

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


class WorkerProcess:
    """Is a worker that runs; `ended` completes, with its exit code, when it does not any more."""

    def __init__(self, process: asyncio.subprocess.Process, stderr: asyncio.StreamReader) -> None:
        self._process = process
        self._stderr = stderr
        self._leaving = False
        self.ended = asyncio.ensure_future(process.wait())

    async def ready(self) -> None:
        """Return once it owns its partitions.

        Raises:
            FrameworkError: it ended before; the message says why.

        """
        said: list[str] = []
        while line := (await self._stderr.readline()).decode(errors="replace").strip():
            if line.startswith(READY):
                return
            said.append(line)
        code = await self.ended
        raise FrameworkError(f"the worker ended at its start with exit code {code}: {' '.join(said[-3:]) or 'silently'}")

    async def pass_on(self) -> None:
        """Repeat on stderr what it says there, until it ends or is asked to."""
        while line := (await self._stderr.readline()).decode(errors="replace"):
            if not self._leaving:
                say(f"worker: {line}")

    async def end(self) -> None:
        """Have it finish what runs and leave; return once it is gone."""
        self._leaving = True
        if self._process.returncode is None:
            self._process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(self.ended), GRACE + PATIENCE)
        except TimeoutError:
            self._process.kill()
            await self.ended


@asynccontextmanager
async def worker_process(spec: str, place: Place) -> AsyncIterator[WorkerProcess]:
    """Run a worker for the agents that MODULE:ATTR names, in a process session of its own, while the block runs.

    A Ctrl-C in the terminal does not reach it, so that it is ended in good order.
    """
    arguments = ("-m", __package__, "worker", spec, "--grace", str(GRACE))
    # through the environment, where a URL's password is not seen by all
    where = {"ARF_NATS_URL": place.nats or "", "ARF_HOME": str(place.home or ""), "ARF_NAMESPACE": place.namespace}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env=os.environ | where,
    )
    if process.stderr is None:
        raise FrameworkError("the worker's stderr cannot be read")
    worker = WorkerProcess(process, process.stderr)
    try:
        yield worker
    finally:
        # shielded, so that whatever ends the block, the worker is gone after it
        await asyncio.shield(asyncio.ensure_future(worker.end()))

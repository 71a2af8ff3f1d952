"""A worker that follows its code: when a Python file changes a new one takes over, if what is there now can be loaded.

The new one starts while the old one works, so a file that is not right costs nothing; and the old one finishes its
turns before it leaves, so no message is lost.
"""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from watchfiles import PythonFilter, awatch

from ...opening import Place
from .child import Tell, WorkerEnded, WorkerProcess, start_worker
from .ready import Ready


class ReloadingWorker:
    """Is the newest worker whose code could be loaded; `first` is what works now."""

    def __init__(self, first: WorkerProcess, spec: str, place: Place, tell: Tell) -> None:
        self._newest = first
        self._running = [first]
        self._spec = spec
        self._place = place
        self._tell = tell
        self._changed = asyncio.Event()
        self._files: set[str] = set()

    async def ready(self) -> Ready:
        """Return what the newest worker says once it is ready; raise WorkerEnded if it ends before."""
        return await self._newest.ready()

    async def died(self) -> None:
        """Follow the code for ever.

        Raises:
            WorkerEnded: the newest worker ended by itself.

        """
        while True:
            works = [asyncio.ensure_future(work) for work in (self._newest.died(), self._changed.wait())]
            try:
                await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
                if works[0].done():
                    await works[0]
            finally:
                for work in works:
                    work.cancel()
                await asyncio.gather(*works, return_exceptions=True)
            self._changed.clear()
            await self._replace()

    def kill(self) -> None:
        """End all that runs at once."""
        for worker in self._running:
            worker.kill()

    async def end(self) -> None:
        """Have all that runs finish and leave; return once nothing runs."""
        await asyncio.gather(*(worker.end() for worker in self._running))

    def changed(self, files: set[str]) -> None:
        """Note that files changed, by name."""
        self._files |= files
        self._changed.set()

    async def _replace(self) -> None:
        """Let a new worker take over, unless it cannot be loaded or is for another agent."""
        files, self._files = ", ".join(sorted(self._files)), set()
        old, new = self._newest, await start_worker(self._spec, self._place, self._tell, keep_bytecode=False)
        self._running.append(new)
        problem = await _problem(old, new)
        if problem:
            leaving, said = new, f"{problem}; the code of before still answers"
        else:
            leaving, said, self._newest = old, f"{files} changed: the new code answers now", new
        await leaving.end()
        self._running.remove(leaving)
        self._tell(said)


@asynccontextmanager
async def reloading_worker(spec: str, place: Place, tell: Tell) -> AsyncIterator[ReloadingWorker]:
    """Run a worker for the agents that MODULE:ATTR names, which follows its code, while the block runs."""
    directory = _directory(spec)
    first = await start_worker(spec, place, tell, keep_bytecode=False)
    worker = ReloadingWorker(first, spec, place, tell)
    # from its start on, so that no change is missed after the first worker read the file
    watching = asyncio.create_task(_watch(directory, worker))
    try:
        yield worker
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await worker.end()
        if not watching.cancelled() and (error := watching.exception()) is not None:
            tell(f"changes in {directory} were not seen: {error}")


async def _problem(old: WorkerProcess, new: WorkerProcess) -> str:
    """Return why the new worker cannot take over; empty if it can."""
    try:
        was, now = sorted((await old.ready()).agents), sorted((await new.ready()).agents)
    except WorkerEnded as ended:
        return str(ended.cause())
    return "" if was == now else f"the agent's key is {', '.join(now)} now, and the talk is with {', '.join(was)}"


async def _watch(directory: Path, worker: ReloadingWorker) -> None:
    async for changes in awatch(directory, watch_filter=PythonFilter()):
        worker.changed({Path(path).name for _, path in changes})


def _directory(spec: str) -> Path:
    """Return the directory of the module, or of the package that it is in."""
    here, module = Path.cwd(), spec.rpartition(":")[0]
    if module.endswith(".py"):
        directory = Path(module).resolve().parent
        return directory if directory.is_dir() else here
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    top = module.partition(".")[0]
    found = importlib.util.find_spec(top) if top.isidentifier() else None
    if found is None or not found.has_location or found.origin is None:
        return here
    return Path(found.origin).resolve().parent

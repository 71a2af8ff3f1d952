"""The processes under chaos: the real `arf worker`, and the two of the world outside; each is ended by its id."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARF = Path(sys.executable).with_name("arf")
AGENTS = ("ops.chaos.agent:agent", "ops.chaos.agent:hasty", "ops.chaos.agent:stray")

READY = 60.0
"""Seconds until a worker must be ready while nothing is broken."""

POLL = 0.02


def environment(**changed: str) -> dict[str, str]:
    """Return this process's environment, changed, without what would reach a real model or another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ARF_", "AGENT_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **changed}


class Worker:
    """Is one life of `arf worker`; what it says is in `log`."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log
        self.leaving = False

    @classmethod
    def start(
        cls, folder: Path, number: int, env: Mapping[str, str], *agents: str, options: Iterable[str] = ()
    ) -> "Worker":
        """Start a worker; it is not ready yet."""
        log = folder / f"worker-{number}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [ARF, "worker", *options, *(agents or AGENTS)],
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        return cls(process, log)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    @property
    def ready(self) -> bool:
        """Whether it has said that it owns what is free."""
        return b"ready:" in self.log.read_bytes()

    async def until_ready(self) -> None:
        """Wait until it is ready.

        Raises:
            RuntimeError: it ended, or is not ready after a long time; with what it said.

        """
        until = time.monotonic() + READY
        while not self.ready:
            if not self.alive or time.monotonic() > until:
                raise RuntimeError(f"worker {self.pid} is not ready: {self.log.read_text(errors='replace')}")
            await asyncio.sleep(POLL)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens if it is gone."""
        self.leaving = self.leaving or number == signal.SIGTERM
        if self.alive:
            self.process.send_signal(number)

    async def ended(self, patience: float) -> bool:
        """Wait for its end; return False if it has not come after so many seconds."""
        until = time.monotonic() + patience
        while self.alive and time.monotonic() < until:  # noqa: ASYNC110  a process that ends tells nobody
            await asyncio.sleep(POLL)
        return not self.alive

    async def end(self, patience: float = 15.0) -> None:
        """Ask it to leave, and kill it if it does not."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if not await self.ended(patience):
            self.signal(signal.SIGKILL)
            await self.ended(patience)


@asynccontextmanager
async def outside(module: str, *arguments: str) -> AsyncIterator[int]:
    """Give the port of a module of this package that runs as a process, which ends with its standard input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"ops.chaos.{module}",
        *arguments,
        cwd=ROOT,
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    try:
        yield int(await process.stdout.readline())
    finally:
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()

"""Processes of a test: `arf` with its output, ended by its id when the test is over."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

ARF = (sys.executable, "-m", "agent_runtime_framework.runtime.cli")
SOURCES = str(Path(__file__).parents[2] / "src")


def environment(**changed: str) -> dict[str, str]:
    """Return this process's environment, changed, without what would reach a real model or another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ARF_", "AGENT_"))}
    return {**kept, "PYTHONPATH": SOURCES, "PYTHONUNBUFFERED": "1", **changed}


class Running:
    """Is a process whose standard error is read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def line_with(self, text: str) -> str:
        """Return the next line on standard error that holds `text`; fail with all lines if the process ends first."""
        stream = self.process.stderr
        assert stream is not None
        while line := (await stream.readline()).decode():
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"the process ended without saying {text!r}:\n{''.join(self.lines)}")

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end and return its exit code."""
        stream = self.process.stderr
        assert stream is not None
        self.lines.append((await stream.read()).decode())
        return await self.process.wait()


@asynccontextmanager
async def arf(*arguments: str, cwd: Path, env: Mapping[str, str]) -> AsyncIterator[Running]:
    """Run `arf` with these arguments; it is asked to leave at the end, so that it takes its server along."""
    process = await asyncio.create_subprocess_exec(
        *ARF, *arguments, cwd=cwd, env=dict(env), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def output_of(*arguments: str, cwd: Path, env: Mapping[str, str], stdin: str = "") -> tuple[int, str, str]:
    """Run `arf` to its end; return its exit code, standard output and standard error."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *ARF, *arguments, cwd=cwd, env=dict(env), stdin=pipe, stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate(stdin.encode())
    return process.returncode or 0, out.decode(), err.decode()


def wait_for(path: Path) -> None:
    """Return once the file is there."""
    until = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until, f"{path.name} did not come"
        time.sleep(0.01)

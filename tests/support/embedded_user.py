"""A process of its own that uses an embedded server: prints its URL once it is there, and leaves at the next line."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from agent_runtime_framework.runtime.embedded import EmbeddedServer


class UserProcess:
    """Starts, directs and ends such a process."""

    def __init__(self, process: Process, url: str) -> None:
        self._process = process
        self.url = url

    @classmethod
    async def start(cls, home: Path) -> "UserProcess":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "dev", "-W", "error", __file__, str(home)), stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        assert url, f"exit code {await process.wait()}"
        return cls(process, url)

    async def leave(self) -> None:
        assert await self._process.communicate(b"\n") == (b"", b"")
        assert self._process.returncode == 0

    async def kill(self) -> None:
        self._process.kill()
        await self._process.communicate()


async def use(home: Path) -> None:
    async with await EmbeddedServer.open(home) as server:
        print(server.url, flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(use(Path(sys.argv[1])))

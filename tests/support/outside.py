"""The world outside the runtime, as a test plays it: tools tell it what they do, and it counts for itself."""

import asyncio
from types import TracebackType
from typing import Self


class Outside:
    """Listens on 127.0.0.1; each tool that starts says so in one line, and waits for the answer that it gets.

    Attributes:
        said: the lines, in the order they came, one for each time that a tool really ran.

    """

    def __init__(self) -> None:
        self.said: list[str] = []
        self.port = 0
        self._came: asyncio.Queue[tuple[str, asyncio.StreamWriter]] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._open):
            writer.close()

    async def tool(self) -> "Waiting":
        """Wait until a tool starts."""
        return Waiting(*await self._came.get())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode().strip()
        if not line:
            writer.close()
            return
        self.said.append(line)
        self._open.add(writer)
        self._came.put_nowait((line, writer))
        await reader.read()
        self._open.discard(writer)
        writer.close()


class Waiting:
    """Is a tool that waits for the world's answer."""

    def __init__(self, line: str, writer: asyncio.StreamWriter) -> None:
        self.line = line
        self._writer = writer

    async def answer(self, text: str) -> None:
        """Let it go on with this result."""
        self._writer.write(f"{text}\n".encode())
        await self._writer.drain()


async def tell(port: int, line: str) -> str:
    """Say a line to the world and return its answer; what a tool calls."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{line}\n".encode())
        await writer.drain()
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()

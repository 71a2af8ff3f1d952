"""A TCP proxy that stands between workers or clients and a server, and does to them what networks do."""

import asyncio
import contextlib
import random
import socket
import struct
from typing import Self

from .ledger import HOST

READ = 65_536


class Proxy:
    """Passes bytes on to the port `target`; a stall and a delay hit every connection, other faults the open ones."""

    def __init__(self, chance: random.Random) -> None:
        self.port = 0
        self.target = 0
        self._chance = chance
        self._flows = asyncio.Event()
        self._flows.set()
        self._lag = 0.0
        self._links: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = {}

    @property
    def url(self) -> str:
        """Where to connect to."""
        return f"nats://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self._flows.set()
        for task in tuple(self._links):
            task.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def stall(self, seconds: float) -> None:
        """Pass nothing on for so many seconds; then everything that came meanwhile."""
        self._flows.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._flows.set()

    async def delay(self, seconds: float, lag: float) -> None:
        """Hold each piece back by `lag`, for so many seconds."""
        self._lag = lag
        try:
            await asyncio.sleep(seconds)
        finally:
            self._lag = 0.0

    def cut(self) -> None:
        """Reset every connection."""
        for task, link in tuple(self._links.items()):
            for writer in link:
                _reset(writer)
            task.cancel()

    def half_close(self) -> None:
        """End one direction of every connection, chosen at random."""
        for link in tuple(self._links.values()):
            writer = self._chance.choice(link)
            with contextlib.suppress(OSError, RuntimeError):
                writer.write_eof()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.close()
            return
        if task is None:
            return
        self._links[task] = (writer, far_writer)
        pumps = {
            asyncio.ensure_future(self._pump(reader, far_writer)),
            asyncio.ensure_future(self._pump(far_reader, writer)),
        }
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        writer.close()
        far_writer.close()
        del self._links[task]

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # one end is gone, or was half closed
            while data := await reader.read(READ):
                if self._lag:
                    await asyncio.sleep(self._lag)
                await self._flows.wait()
                writer.write(data)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

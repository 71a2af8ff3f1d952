"""What can go wrong between a log and its records, on purpose and exactly once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal, Self
from urllib.parse import urlsplit

from agent_runtime_framework.events import AckLost, ConversationId, Records


class FaultyRecords:
    """Are records that lose the next puts, or their acknowledgements; `meanwhile` runs before that is noticed."""

    def __init__(
        self,
        records: Records,
        *,
        lost_requests: int = 0,
        lost_acks: int = 0,
        meanwhile: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._records = records
        self._lost_requests = lost_requests
        self._lost_acks = lost_acks
        self._meanwhile = meanwhile
        self.puts = 0

    async def put(self, conversation: ConversationId, data: bytes, *, id: str, expected: int) -> int:  # noqa: A002
        self.puts += 1
        if self._lost_requests:
            self._lost_requests -= 1
            await self._lose()
        position = await self._records.put(conversation, data, id=id, expected=expected)
        if self._lost_acks:
            self._lost_acks -= 1
            await self._lose()
        return position

    async def _lose(self) -> None:
        if self._meanwhile is not None:
            await self._meanwhile()
        raise AckLost

    def get(self, conversation: ConversationId, after: int) -> AsyncIterator[tuple[int, bytes]]:
        return self._records.get(conversation, after)

    async def last(self, conversation: ConversationId) -> tuple[int, bytes] | None:
        return await self._records.last(conversation)

    def lasts(self) -> AsyncIterator[tuple[ConversationId, int, bytes]]:
        return self._records.lasts()


class Proxy:
    """Stands between clients and a NATS server, and cuts a connection when the next bytes of one direction come.

    Those bytes are not passed on: after `lose("request")` the server never sees the client's next request, after
    `lose("answer")` the server has acted on it and the client never hears so.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._lose: Literal["request", "answer"] | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self.cuts = 0

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def lose(self, what: Literal["request", "answer"]) -> None:
        self._lose = what

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        server_reader, server_writer = await asyncio.open_connection(self._host, self._port)
        pumps = {
            asyncio.ensure_future(self._pump(reader, server_writer, "request")),
            asyncio.ensure_future(self._pump(server_reader, writer, "answer")),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            for pump in pumps:
                pump.cancel()
            writer.close()
            server_writer.close()
            self._pumps.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: str) -> None:
        while data := await reader.read(65_536):
            if what == self._lose:
                self._lose = None
                self.cuts += 1
                return
            writer.write(data)
            await writer.drain()

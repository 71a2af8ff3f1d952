"""A connection that is there while somebody uses it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from nats.aio.client import Client


class SharedConnection:
    """Opens a connection for the first who uses it, and closes it after the last."""

    def __init__(self, connect: Callable[[], Awaitable[Client]]) -> None:
        self._connect = connect
        self._opening = asyncio.Lock()
        self._client: Client | None = None
        self._users = 0

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Client]:
        """Give the connection.

        Raises:
            Unavailable: no server answers, or it does not let us in.

        """
        async with self._opening:
            if self._client is None:
                self._client = await self._connect()
            client = self._client
            self._users += 1
        try:
            yield client
        finally:
            self._users -= 1
            if not self._users:
                self._client = None
                await client.close()

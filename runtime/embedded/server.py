"""The embedded server as the rest of the runtime sees it: a URL and a token, there for as long as it is open."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from .process import HOST
from .shared import SharedServer


class EmbeddedServer:
    """Is a nats-server for one `.arf/` directory, with fsynced JetStream, shared by all processes that open it.

    >>> import asyncio, tempfile
    >>> from pathlib import Path
    >>> async def main(home: Path) -> str:
    ...     async with await EmbeddedServer.open(home) as server:
    ...         return server.url
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     asyncio.run(main(Path(directory) / ".arf")).startswith("nats://127.0.0.1:")
    True
    """

    def __init__(self, shared: SharedServer) -> None:
        self._shared = shared

    @classmethod
    async def open(cls, home: Path) -> Self:
        """Return the server of the directory `home`, which is created if it is not there but its parent is.

        Raises:
            Unavailable: nats-server is not installed or does not come up, or the directory cannot be used.
            InvalidInput: the settings in the directory are damaged; the message says what to do.

        """
        shared = SharedServer(home)
        try:
            await _to_the_end(shared.open)
        except BaseException:
            await _to_the_end(shared.close)
            raise
        return cls(shared)

    @property
    def url(self) -> str:
        """Where clients connect to, with `token`."""
        return f"nats://{HOST}:{self._shared.settings.port}"

    @property
    def token(self) -> str:
        """What clients must show."""
        return self._shared.settings.token

    async def ensure_running(self) -> str:
        """Start the server again if it is dead, and return its URL, which is another only if its port was taken.

        Raises:
            Unavailable: it does not come up.

        """
        await _to_the_end(self._shared.ensure_running)
        return self.url

    async def close(self) -> None:
        """Stop using it; the last user stops it and waits for its end."""
        await _to_the_end(self._shared.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


async def _to_the_end(function: Callable[[], None]) -> None:
    """Run it in a thread, and return or raise only when it is done, since a thread cannot be cancelled."""
    running = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise

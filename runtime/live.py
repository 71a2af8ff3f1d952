"""What followers hear while it happens: frames after they are stored, tokens as they come, and the twin in memory.

Everything here may be lost without harm: a frame is in the log, and tokens are not facts.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from ..events import ConversationId

UNHEARD_LIMIT = 10_000
"""So many messages wait for a listener who does not take them; it misses the next ones."""


class Live(Protocol):
    """Carries bytes to whoever listens now, at most once."""

    async def publish(self, conversation: ConversationId, data: bytes) -> None:
        """Send to all who listen to that conversation; nobody may be listening, and nothing is kept."""

    def subscribe(self, conversation: ConversationId) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Listen; what is published after the context was entered is yielded in order.

        Entering raises `Unavailable` where the server does not answer.  Leaving ends the iteration.
        """


class Listener:
    """Yields what it was told, in order, until it is closed."""

    def __init__(self) -> None:
        self._unheard: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._closed = False

    def tell(self, data: bytes) -> None:
        """Let it yield `data`, unless too much waits already."""
        if self._unheard.qsize() < UNHEARD_LIMIT:
            self._unheard.put_nowait(data)

    def close(self) -> None:
        """End the iteration, also of a task that waits in it now."""
        self._closed = True
        self._unheard.put_nowait(None)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        data = None if self._closed else await self._unheard.get()
        if data is None:
            raise StopAsyncIteration
        return data


class MemoryLive:
    """Carries bytes within one process.

    >>> import asyncio
    >>> from agent_runtime_framework.events import ConversationId
    >>> from agent_runtime_framework.runtime.live import MemoryLive
    >>> async def main() -> bytes:
    ...     live, conversation = MemoryLive(), ConversationId("c-1")
    ...     async with live.subscribe(conversation) as heard:
    ...         await live.publish(conversation, b"token")
    ...         return await anext(heard)
    >>> asyncio.run(main())
    b'token'
    """

    def __init__(self) -> None:
        self._listeners: dict[ConversationId, list[Listener]] = {}

    async def publish(self, conversation: ConversationId, data: bytes) -> None:
        """Send to all who listen to that conversation."""
        for listener in self._listeners.get(conversation, ()):
            listener.tell(data)

    @asynccontextmanager
    async def subscribe(self, conversation: ConversationId) -> AsyncIterator[AsyncIterator[bytes]]:
        """Listen; what is published after the context was entered is yielded in order."""
        listener = Listener()
        listeners = self._listeners.setdefault(conversation, [])
        listeners.append(listener)
        try:
            yield listener
        finally:
            listener.close()
            listeners.remove(listener)
            if not listeners:
                del self._listeners[conversation]

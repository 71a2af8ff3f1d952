"""What followers hear while it happens: frames after they are stored, tokens as they come, and the twin in memory.

Everything here may be lost without harm: a frame is in the log, and tokens are not facts.
"""

import asyncio
from collections import deque
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

    def subscribe(self, conversation: ConversationId) -> "AbstractAsyncContextManager[Listener]":
        """Listen; what is published after the context was entered is yielded in order.

        Entering raises `Unavailable` where the server does not answer.  Leaving ends the iteration.
        """

    def listen(self, conversation: ConversationId) -> "AbstractAsyncContextManager[Listener]":
        """Listen as `subscribe`, without waiting for the server to say so.

        What comes of a command that is sent from here afterwards is heard; of what else is published in this moment,
        perhaps not all.  Entering raises `Unavailable` where nothing can be sent now.
        """


class Listener:
    """Yields what it was told, in order, until it is closed."""

    __slots__ = ("_closed", "_limit", "_unheard", "_until", "_waits")

    def __init__(self) -> None:
        self._unheard: deque[bytes] = deque()
        self._waits: asyncio.Future[bool] | None = None
        self._until: float | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._closed = False

    def tell(self, data: bytes) -> None:
        """Let it yield `data`, unless too much waits already."""
        if len(self._unheard) < UNHEARD_LIMIT:
            self._unheard.append(data)
            self._wake(told=True)

    def close(self) -> None:
        """End the iteration, also of a task that waits in it now."""
        self._closed = True
        self._wake(told=True)
        if self._limit is not None:
            self._limit.cancel()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        data = await self.heard()
        if data is None:
            raise StopAsyncIteration
        return data

    async def heard(self, until: float | None = None) -> bytes | None:
        """Return what it was told next; None once it is closed, or the loop's clock says `until`.

        One task waits at a time.
        """
        while not self._closed and not self._unheard:
            self._waits = asyncio.get_running_loop().create_future()
            self._wait_until(until)
            try:
                if not await self._waits:
                    return None
            finally:
                self._waits = None
        return None if self._closed else self._unheard.popleft()

    @property
    def closed(self) -> bool:
        """Whether it yields nothing any more."""
        return self._closed

    def _wait_until(self, until: float | None) -> None:
        """Wait no longer than this; a timer that is set already is earlier, as a rule, and looks again."""
        self._until = until
        if until is not None and (self._limit is None or until < self._limit.when()):
            if self._limit is not None:
                self._limit.cancel()
            self._limit = asyncio.get_running_loop().call_at(until, self._look)

    def _look(self) -> None:
        limit, self._limit = self._limit, None
        if self._waits is None or self._until is None or limit is None:
            return
        if self._until <= limit.when():
            self._wake(told=False)
        else:
            self._wait_until(self._until)

    def _wake(self, *, told: bool) -> None:
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(told)


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
        """Send to all who listen to that conversation; they hear it in a turn of the loop of its own."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners.get(conversation, ()):
            loop.call_soon(listener.tell, data)

    @asynccontextmanager
    async def subscribe(self, conversation: ConversationId) -> AsyncIterator[Listener]:
        """Listen; what is published after the context was entered is yielded in order."""
        async with self.listen(conversation) as listener:
            await asyncio.sleep(0)  # whoever listens again and again lets others go on, as where a server answers
            yield listener

    @asynccontextmanager
    async def listen(self, conversation: ConversationId) -> AsyncIterator[Listener]:
        """Listen; see `Live.listen`."""
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

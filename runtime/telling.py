"""Telling followers what happens in conversations while it happens; what is not heard stands in the log later."""

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Raw

from ..events import ConversationId, FrameworkError, Stored, Withheld
from ..projections import Conversation, Request
from .substrate import Substrate
from .wire import Delta, LiveFrame, Queued, encode, seal_live

logger = logging.getLogger("agent_runtime_framework.worker")


class FollowerTelling:
    """Tells followers of frames, of a model's words, and of messages that wait; `spawn` starts what is not awaited.

    Words are heard in order, and before the frames that were stored after they were said.
    """

    def __init__(self, substrate: Substrate, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._live = substrate.live
        self._vault = substrate.vault
        self._spawn = spawn
        self._untold: dict[ConversationId, deque[Delta | bytes]] = {}

    async def stored(self, stored: Stored, conversation: Conversation) -> None:  # noqa: ARG002  a follower folds it
        """Tell of a frame that was stored."""
        message = encode(LiveFrame(stored.head.position, Raw(stored.data)))
        untold = self._untold.get(stored.conversation)
        if untold is None:
            await reported(self._live.publish(stored.conversation, message))
        else:  # words that were said before it are still on their way; the turn does not wait for them
            untold.append(message)

    async def queued(self, conversation: ConversationId, message_id: str, ahead: int, reason: str) -> None:
        """Tell of a message that waits."""
        await reported(self._publish(conversation, Queued(message_id, ahead, reason)))

    def said(self, conversation: ConversationId, request: Request, number: int, text: str) -> None:
        """Tell of a piece of an answer."""
        sendable = text.encode(errors="replace").decode()
        delta = Delta(request.last_turn, request.version, request.attempt, number, sendable)
        untold = self._untold.get(conversation)
        if untold is None:
            untold = self._untold[conversation] = deque()
            self._spawn(self._tell(conversation, untold))
        untold.append(delta)

    async def _tell(self, conversation: ConversationId, untold: deque[Delta | bytes]) -> None:
        try:
            while untold:
                said = untold.popleft()
                if isinstance(said, bytes):
                    await reported(self._live.publish(conversation, said))
                else:
                    await reported(self._publish(conversation, said))
        finally:
            del self._untold[conversation]

    async def _publish(self, conversation: ConversationId, message: Delta | Queued) -> None:
        with contextlib.suppress(Withheld):  # it was erased, so there is nothing to be told
            data = await seal_live(message, conversation, self._vault)
            await self._live.publish(conversation, data)


async def reported(work: Coroutine[Any, Any, None]) -> None:
    """Await work whose failure harms nothing that is recorded: what is not acknowledged, or not heard, comes again."""
    try:
        await work
    except FrameworkError as error:
        logger.warning("%s", error)

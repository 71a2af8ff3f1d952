"""What followers hear while it happens: frames after they are stored, tokens as they come, and the twin in memory.

Everything here may be lost without harm: a frame is in the log, and tokens are not facts.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ..events import ConversationId


class Live(Protocol):
    """Carries bytes to whoever listens now, at most once."""

    async def publish(self, conversation: ConversationId, data: bytes) -> None:
        """Send to all who listen to that conversation; nobody may be listening, and nothing is kept."""

    def subscribe(self, conversation: ConversationId) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Listen; what is published after the context was entered is yielded in order."""

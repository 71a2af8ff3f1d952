"""Following a conversation: what is in the log, then what is stored while one listens, without a gap and in order.

A follower never trusts what it hears: a live frame counts only if it continues, by version and hash, what was read.  A
gap, or a few seconds of silence, is filled from the log.  So it may miss any number of messages and misses no event.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from ..events import (
    START,
    ConversationId,
    CorruptLog,
    EventLog,
    Head,
    InvalidInput,
    Stored,
    Unavailable,
    Vault,
    Withheld,
)
from ..events.encryption import Keyring
from ..events.inheritance import stored_at
from .live import Live
from .wire import Delta, LiveFrame, Queued, SealedWord, decode_live, open_live

logger = logging.getLogger("agent_runtime_framework.follower")

SILENCE = 2.0
"""Seconds without a message after which the log is looked at."""


class Follower:
    """Follows conversations; `vault` has the keys of those that are sealed."""

    def __init__(self, log: EventLog, live: Live, *, silence: float = SILENCE, vault: Vault | None = None) -> None:
        self._log = log
        self._live = live
        self._vault = vault
        self._silence = silence

    async def follow(self, conversation: ConversationId, after: Head = START) -> AsyncIterator[Stored | Delta | Queued]:
        """Yield the frames after the head `after`, for ever, and what is heard meanwhile.

        That is pieces of answers, and which messages wait for their turn.

        Raises:
            CorruptLog: what is stored does not fit.
            Unavailable: the log cannot be read now.

        """
        head = after
        async with self._live.subscribe(conversation) as messages:
            async for stored in self._log.read(conversation, head):
                head = stored.head
                yield stored
            async for message in self._heard(conversation, messages):
                if isinstance(message, Delta | Queued):
                    yield message
                    continue
                next_one = None if message is None else await self._continues(conversation, head, message)
                if next_one is not None:
                    head = next_one.head
                    yield next_one
                elif message is None or message.position > head.position:
                    try:
                        async for stored in self._log.read(conversation, head):
                            head = stored.head
                            yield stored
                    except Unavailable as error:
                        logger.info("cannot read on in %s now: %s", conversation, error)

    async def _heard(
        self, conversation: ConversationId, messages: AsyncIterator[bytes]
    ) -> AsyncIterator[LiveFrame | Delta | Queued | None]:
        """Yield what is heard; None for silence, and for a message that nobody can read."""
        waiting: asyncio.Task[bytes] | None = None
        clock = asyncio.get_running_loop().time
        until = clock() + self._silence
        try:
            while True:
                if waiting is None:
                    waiting = asyncio.ensure_future(anext(messages))
                done, _ = await asyncio.wait({waiting}, timeout=max(until - clock(), 0))
                if not done:
                    yield None
                    until = clock() + self._silence
                    continue
                data, waiting = waiting.result(), None
                heard = await self._opened(conversation, data)
                if not isinstance(heard, Delta | Queued):  # which go on also where a frame was lost
                    until = clock() + self._silence
                yield heard
        except StopAsyncIteration:
            return
        finally:
            if waiting is not None:
                waiting.cancel()

    async def _opened(self, conversation: ConversationId, data: bytes) -> LiveFrame | Delta | Queued | None:
        try:
            heard = decode_live(data)
            return await open_live(heard, conversation, self._vault) if isinstance(heard, SealedWord) else heard
        except (InvalidInput, Withheld, Unavailable):
            return None

    async def _continues(self, conversation: ConversationId, head: Head, message: LiveFrame) -> Stored | None:
        data = bytes(message.frame)
        try:
            stored = await stored_at(conversation, message.position, data, Keyring(self._vault, anew=False))
        except (CorruptLog, Unavailable):
            return None
        frame = stored.frame
        return stored if (frame.first, frame.prev) == (head.version + 1, head.hash) else None

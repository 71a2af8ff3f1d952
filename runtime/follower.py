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
    decode_frame,
    frame_hash,
)
from .live import Live
from .wire import Delta, LiveFrame, Queued, decode_live

logger = logging.getLogger("agent_runtime_framework.follower")

SILENCE = 2.0
"""Seconds without a message after which the log is looked at."""


class Follower:
    """Follows conversations."""

    def __init__(self, log: EventLog, live: Live, *, silence: float = SILENCE) -> None:
        self._log = log
        self._live = live
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
            async for message in self._heard(messages):
                if isinstance(message, Delta | Queued):
                    yield message
                    continue
                next_one = None if message is None else self._continues(conversation, head, message)
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

    async def _heard(self, messages: AsyncIterator[bytes]) -> AsyncIterator[LiveFrame | Delta | Queued | None]:
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
                try:
                    heard: LiveFrame | Delta | Queued | None = decode_live(data)
                except InvalidInput:
                    heard = None
                if not isinstance(heard, Delta | Queued):  # which go on also where a frame was lost
                    until = clock() + self._silence
                yield heard
        except StopAsyncIteration:
            return
        finally:
            if waiting is not None:
                waiting.cancel()

    @staticmethod
    def _continues(conversation: ConversationId, head: Head, message: LiveFrame) -> Stored | None:
        data = bytes(message.frame)
        try:
            frame = decode_frame(data)
        except CorruptLog:
            return None
        if frame.first != head.version + 1 or frame.prev != head.hash:
            return None
        return Stored(conversation, frame, Head(frame.last, message.position, frame_hash(data)), data)

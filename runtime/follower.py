"""Following a conversation: what is in the log, then what is stored while one listens, without a gap and in order.

A follower never trusts what it hears: a live frame counts only if it continues, by version and hash, what was read.  A
gap, or a few seconds of silence, is filled from the log.  So it may miss any number of messages and misses no event.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

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
from .live import Listener, Live
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
        async with self._live.subscribe(conversation) as listener:
            async for stored in self._log.read(conversation, after):
                after = stored.head
                yield stored
            async with aclosing(self.goes_on(conversation, listener, after)) as going:
                async for heard in going:
                    if heard is not None:
                        yield heard

    async def goes_on(
        self, conversation: ConversationId, listener: Listener, after: Head
    ) -> AsyncGenerator[Stored | Delta | Queued | None, None]:
        """Yield what a listener hears after the head `after`, until it is closed; errors as `follow`.

        None stands for a look at the log that found nothing more, such as after some silence.
        """
        head, clock = after, asyncio.get_running_loop().time
        until = clock() + self._silence
        while True:
            data = await listener.heard(until)
            if listener.closed:
                return
            message = None if data is None else await self._opened(conversation, data)
            if isinstance(message, Delta | Queued):  # which go on also where a frame was lost
                yield message
                continue
            next_one = None if message is None else await self._continues(conversation, head, message)
            if next_one is not None:
                head = next_one.head
                yield next_one
            elif message is None or message.position > head.position:
                before = head
                try:
                    async for stored in self._log.read(conversation, head):
                        head = stored.head
                        yield stored
                except Unavailable as error:
                    logger.info("cannot read on in %s now: %s", conversation, error)
                if head is before:
                    yield None
            else:
                continue  # what is long known breaks no silence
            until = clock() + self._silence

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

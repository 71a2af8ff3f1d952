"""What followers hear, as plain NATS messages that no stream keeps."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats.errors

from ...events import ConversationId, Unavailable
from ..live import Listener
from .client import Connection
from .connection import REQUEST_TIMEOUT
from .names import Names

logger = logging.getLogger("agent_runtime_framework.nats")


class NatsLive:
    """Carries bytes to whoever listens now, on any machine that reaches the server."""

    def __init__(self, client: Connection, names: Names) -> None:
        self._client = client
        self._names = names

    async def publish(self, conversation: ConversationId, data: bytes) -> None:
        """Send to all who listen to that conversation; without a server nobody hears it."""
        try:
            await self._client.publish(self._names.live_subject(conversation), data)
        except (nats.errors.Error, OSError) as error:
            logger.debug("followers of %s missed %d bytes: %s", conversation, len(data), error)

    @asynccontextmanager
    async def subscribe(self, conversation: ConversationId) -> AsyncIterator[Listener]:
        """Listen; what is published after the context was entered is yielded in order.

        Raises:
            Unavailable: the server did not answer.

        """
        async with self.listen(conversation) as listener:
            await self._reach_the_server(self._names.live_subject(conversation))
            yield listener

    @asynccontextmanager
    async def listen(self, conversation: ConversationId) -> AsyncIterator[Listener]:
        """Listen, without waiting for the server; see `Live.listen`.

        What this connection sends afterwards reaches the server after the subscription.

        Raises:
            Unavailable: the connection is closed.

        """
        listener = Listener()
        subject = self._names.live_subject(conversation)
        try:
            hearing = await self._client.hear(subject, lambda message: listener.tell(message.data))
        except (nats.errors.Error, OSError) as error:
            raise Unavailable(f"cannot listen to {subject}: {error}") from error
        try:
            yield listener
        finally:
            listener.close()
            await hearing.end()

    async def _reach_the_server(self, subject: str) -> None:
        # nats-py's flush() sends its PING ahead of a subscription that is still buffered; a request keeps its place
        try:
            await self._client.request(self._client.new_inbox(), timeout=REQUEST_TIMEOUT)
        except nats.errors.NoRespondersError:
            logger.debug("listening to %s", subject)
        except (TimeoutError, nats.errors.Error, OSError) as error:
            raise Unavailable(f"cannot listen to {subject}: the NATS server did not answer ({error})") from error

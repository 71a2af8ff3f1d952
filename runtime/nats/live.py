"""What followers hear, as plain NATS messages that no stream keeps."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from ...events import ConversationId, Unavailable
from ..live import Listener
from .connection import REQUEST_TIMEOUT
from .names import Names

logger = logging.getLogger("agent_runtime_framework.nats")


class NatsLive:
    """Carries bytes to whoever listens now, on any machine that reaches the server."""

    def __init__(self, client: Client, names: Names) -> None:
        self._client = client
        self._names = names

    async def publish(self, conversation: ConversationId, data: bytes) -> None:
        """Send to all who listen to that conversation; without a server nobody hears it."""
        try:
            await self._client.publish(self._names.live_subject(conversation), data)
        except (nats.errors.Error, OSError) as error:
            logger.debug("followers of %s missed %d bytes: %s", conversation, len(data), error)

    @asynccontextmanager
    async def subscribe(self, conversation: ConversationId) -> AsyncIterator[AsyncIterator[bytes]]:
        """Listen; what is published after the context was entered is yielded in order.

        Raises:
            Unavailable: the server did not answer.

        """
        listener = Listener()

        async def hear(message: Msg) -> None:
            listener.tell(message.data)

        subject = self._names.live_subject(conversation)
        try:
            subscription = await self._client.subscribe(subject, cb=hear)
        except (nats.errors.Error, OSError) as error:
            raise Unavailable(f"cannot listen to {subject}: {error}") from error
        try:
            await self._reach_the_server(subject)
            yield listener
        finally:
            listener.close()
            with suppress(nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError):
                # a connection that ended has no subscriptions left
                await subscription.unsubscribe()

    async def _reach_the_server(self, subject: str) -> None:
        # nats-py's flush() sends its PING ahead of a subscription that is still buffered; a request keeps its place
        try:
            await self._client.request(self._client.new_inbox(), timeout=REQUEST_TIMEOUT)
        except nats.errors.NoRespondersError:
            logger.debug("listening to %s", subject)
        except (TimeoutError, nats.errors.Error, OSError) as error:
            raise Unavailable(f"cannot listen to {subject}: the NATS server did not answer ({error})") from error

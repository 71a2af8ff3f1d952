"""Pulling from a consumer: two requests on their way at any time, and what came kept until it is taken."""

import asyncio
import contextlib
import logging

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from ...events import ConversationId
from ..feed import Entry
from .client import Connection

logger = logging.getLogger("agent_runtime_framework.nats")

SECOND = 1_000_000_000  # JetStream counts nanoseconds
HEARTBEAT = 2.0
"""Seconds without a message after which the server says that it is there."""
SILENCE = 3 * HEARTBEAT
"""Seconds without a word after which a consumer is taken for lost."""
_EXPIRES = 30.0


class Broken(Exception):
    """Raised when a consumer gives no more, or something that it gave did not come."""


class Pull:
    """Takes what a consumer gives, in batches; `pending` is how much stood there when it was made."""

    def __init__(self, client: Client, subject: str, pending: int, *, batch: int, batch_bytes: int) -> None:
        self.inbox = client.new_inbox()
        self._client = client
        self._subject = subject
        self._batch = batch
        self._batch_bytes = batch_bytes
        self._pending = pending
        self._entries: list[Entry] = []
        self._bytes = 0
        self._asked = 0
        self._delivered = 0
        self._heard = 0
        self._broken = ""
        self._wake = asyncio.Event()

    @property
    def at_end(self) -> bool:
        """Whether all that stood there was taken."""
        return not self._pending and not self._entries

    async def take(self) -> list[Entry]:
        """Return what came, as soon as that is a batch or there is no more; wait where there is nothing.

        Raises:
            Broken: no more will come.

        """
        while not self._full():
            if self._broken:
                raise Broken(self._broken)
            await self._ask()
            await self._listen()
        entries, self._entries, self._bytes = self._entries, [], 0
        return entries

    def _full(self) -> bool:
        enough = len(self._entries) >= self._batch or self._bytes >= self._batch_bytes
        return bool(self._entries) and (enough or not self._pending or bool(self._broken))

    async def _ask(self) -> None:
        while self._asked <= self._batch:
            request = {
                "batch": self._batch,
                "max_bytes": self._batch_bytes,
                "expires": int(_EXPIRES * SECOND),
                "idle_heartbeat": int(HEARTBEAT * SECOND),
            }
            try:
                await self._client.publish(self._subject, msgspec.json.encode(request), reply=self.inbox)
            except (nats.errors.Error, OSError) as error:
                raise Broken(str(error)) from error
            self._asked += self._batch

    async def _listen(self) -> None:
        """Wait until there may be a batch."""
        self._wake.clear()
        heard = self._heard
        try:
            async with in_flight(self._client, self._subject):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SILENCE):
                        await self._wake.wait()
        except TimeoutError:
            raise Broken("the connection was lost") from None
        if self._heard == heard:
            self._broken = self._broken or f"silence for {SILENCE:.0f} s"

    async def hear(self, message: Msg) -> None:
        """Keep what came."""
        self._heard += 1
        if not message.reply:
            self._told(message)
            return
        tokens = message.reply.split(".")
        # $JS.ACK.<stream>.<consumer>.<tries>.<position>.<number>.<time>.<pending>, or with two more after ACK
        at = 4 if len(tokens) == 9 else 6
        self._delivered += 1
        if int(tokens[at + 2]) != self._delivered:
            self._break("a message was lost on the way")
        if self._broken:
            return
        data = message.data
        self._entries.append(Entry(ConversationId(message.subject.rpartition(".")[2]), int(tokens[at + 1]), data))
        self._bytes += len(data)
        self._asked -= 1
        self._pending = int(tokens[at + 4])
        if not self._pending or self._asked <= 0 or self._full():
            self._wake.set()

    def _told(self, message: Msg) -> None:
        """Act on what the server says of a request."""
        headers = message.headers or {}
        status, left = headers.get("Status", ""), headers.get("Nats-Pending-Messages")
        if status == "100":
            if self._pending:  # promised, and gone
                self._break("what stood there was taken out")
        elif left is not None:
            self._asked -= int(left)
        else:
            self._break(f"{status} {headers.get('Description', '')}".strip())
        self._wake.set()

    def _break(self, why: str) -> None:
        self._broken = self._broken or why
        self._wake.set()


def in_flight(client: Client, subject: str) -> contextlib.AbstractAsyncContextManager[None]:
    """Return a context that stops waiting when no answer can come; see `Connection.in_flight`."""
    return client.in_flight(subject) if isinstance(client, Connection) else contextlib.nullcontext()

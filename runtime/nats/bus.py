"""Commands on a JetStream work queue, consumed by one owner a partition at a time.

The stream takes one consumer a partition, named `<agent>-p<partition>-<epoch>` after the lease that it serves.  A new
owner deletes its forerunner's consumer and creates its own: the forerunner's waiting request is answered with 409
Consumer Deleted, its late acknowledgements reach nobody, and all that it left unacknowledged comes to the new owner at
once and in order.  Only consumers of older epochs are deleted; whoever finds a newer one has lost the partition.

After a reconnect the owner does the same with its own consumer: what the server had sent into the broken connection
would otherwise wait for `ACK_WAIT`.
"""

import asyncio
import logging

import msgspec
import nats.errors
from msgspec import Struct
from nats.aio.msg import Msg

from ...events import AgentKey, ConversationId, TooLarge, Unavailable
from ..bus import PARTITIONS, Consumption, Deliver
from ..leases import Lease
from .client import Connection, Hearing
from .connection import ApiError, api, publish, request, status
from .in_flight import Forbidden
from .names import Names

logger = logging.getLogger("agent_runtime_framework.nats")

SECOND = 1_000_000_000

ACK_WAIT = 3600 * SECOND
"""Nanoseconds after which an unacknowledged command comes again by itself; a new owner gets it at once."""

MAX_UNACKNOWLEDGED = 10_000
"""So many commands one owner may hold unacknowledged; the server sends no more until it acknowledges some."""

BATCH, EXPIRES, HEARTBEAT = 500, 30 * SECOND, 2 * SECOND
"""A request asks for so many commands, waits so many nanoseconds, and meanwhile hears from the server this often."""

LOOK = 0.25
"""Seconds between two looks at the connection: whether it is a new one, or silent."""

SILENT = 2 * HEARTBEAT / SECOND / LOOK
"""So many looks without a heartbeat, and the request is taken for lost: one that met a takeover gets no answer."""

PAUSE = 0.5
"""Seconds before the next try where the server refused or did not answer."""

HEADERS = 256
"""Bytes left for headers: nats-py does not count them, and a server closes the connection on which too much came."""

ATTEMPTS = 5

CONSUMER_NOT_FOUND, MESSAGE_TOO_LARGE, FILTER_TAKEN = 10014, 10054, 10100


class NatsBus:
    """Carries commands over a NATS server; `names.command_stream` exists."""

    partitions = PARTITIONS

    def __init__(self, client: Connection, names: Names) -> None:
        self._client = client
        self._names = names
        self._consumptions: dict[tuple[AgentKey, int], _Consumption] = {}

    async def publish(self, agent: AgentKey, conversation: ConversationId, data: bytes, *, id: str) -> bool:  # noqa: A002
        """Store a command; return whether its id was known; see `Bus.publish`."""
        limit = self._client.max_payload - HEADERS
        if len(data) > limit:
            raise TooLarge(f"command {id!r} for {conversation!r} has {len(data)} bytes; this server takes {limit}")
        subject = self._names.command_subject(agent, conversation)
        try:
            # ids are one set a stream, and a caller may number the messages of each conversation
            headers = {"Nats-Msg-Id": f"{agent}.{conversation}.{id}"}
            return (await publish(self._client, subject, data, headers)).duplicate
        except ApiError as error:
            if error.code == MESSAGE_TOO_LARGE:
                raise TooLarge(f"command {id!r} for {conversation!r} has {len(data)} bytes: {error}") from error
            raise Unavailable(
                f"stream {self._names.command_stream} did not store command {id!r} for {conversation!r}: {error}; "
                "a full stream takes commands again once workers acknowledged some"
            ) from error

    async def consume(self, lease: Lease, deliver: Deliver) -> Consumption:
        """Call `deliver` with each command of the lease's partition; see `Bus.consume`."""
        partition = (lease.agent, lease.partition)
        running = self._consumptions.get(partition)
        if running is not None and running.lease.epoch <= lease.epoch:
            await running.end(lost=running.lease.epoch < lease.epoch)
        consumption = _Consumption(self._client, self._names, lease, deliver)
        if await consumption.begin():
            self._consumptions[partition] = consumption
        return consumption


class _Consumption:
    """Keeps one request for commands waiting at the server, and starts anew whenever the way there changed.

    One task does all the asking.  What the server sends is taken as it comes.
    """

    def __init__(self, client: Connection, names: Names, lease: Lease, deliver: Deliver) -> None:
        self.lease = lease
        self._client = client
        self._names = names
        self._deliver = deliver
        self._over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._hearing: Hearing | None = None
        self._open = False
        self._reconnects = 0
        self._inbox = ""
        self._requests = 0
        self._wanted = 0
        self._silence = 0

    async def begin(self) -> bool:
        """Take the partition over and let commands come; return False if a newer lease has it.

        Raises:
            Unavailable: the server did not answer, or somebody else's consumer is in the way.

        """
        try:
            await self._start_anew()
        except (ApiError, nats.errors.Error, OSError) as error:
            raise Unavailable(f"cannot consume partition {_prefix(self.lease)}: {error}") from error
        else:
            if self._over.done():
                return False
            self._task = asyncio.create_task(self._keep_asking(), name=f"consume {_prefix(self.lease)}")
            self._look()
            return True
        finally:
            if self._task is None:
                await self._close()

    async def lost(self) -> bool:
        return await asyncio.shield(self._over)

    async def stop(self) -> None:
        await self.end(lost=False)

    async def end(self, *, lost: bool) -> None:
        self._finish(lost=lost)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._close()

    def _finish(self, *, lost: bool) -> None:
        if not self._over.done():
            self._over.set_result(lost)
            self._wake.set()

    def _look(self) -> None:
        if self._over.done():
            return
        self._silence = self._silence + 1 if self._client.is_connected else 0
        if self._due():
            self._wake.set()
        asyncio.get_running_loop().call_later(LOOK, self._look)

    def _due(self) -> bool:
        if not self._client.is_connected:
            return self._client.is_closed
        return self._stale() or self._wanted <= 0 or self._silence > SILENT

    def _stale(self) -> bool:
        return not self._open or self._reconnects != self._client.stats["reconnects"]

    async def _keep_asking(self) -> None:
        try:
            while not self._over.done():
                self._wake.clear()
                try:
                    if self._due():
                        await self._ask_anew()
                except (Unavailable, ApiError, nats.errors.Error, OSError) as error:
                    logger.warning("consumer of partition %s: %s; trying again", _prefix(self.lease), error)
                    self._open = False
                    await asyncio.sleep(PAUSE)
                await self._wake.wait()
            await self._close()
        finally:
            # whatever ended this, nobody waits for the end in vain
            self._finish(lost=False)

    async def _ask_anew(self) -> None:
        if self._client.is_closed:
            self._finish(lost=False)
        elif self._stale():
            await self._start_anew()
        else:
            await self._ask()

    async def _start_anew(self) -> None:
        await self._close()
        self._reconnects = self._client.stats["reconnects"]
        if not await _take_over(self._client, self._names, self.lease):
            self._finish(lost=True)
            return
        self._inbox = self._client.new_inbox()
        self._hearing = await self._client.hear(f"{self._inbox}.*", self._heard)
        self._open = True
        await self._ask()

    async def _ask(self) -> None:
        self._requests += 1
        self._wanted, self._silence = BATCH, 0
        body = {"batch": BATCH, "expires": EXPIRES, "idle_heartbeat": HEARTBEAT}
        consumer = f"{self._names.command_stream}.{_consumer(self.lease)}"
        await self._client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{consumer}", msgspec.json.encode(body), reply=f"{self._inbox}.{self._requests}"
        )

    async def _close(self) -> None:
        hearing, self._hearing = self._hearing, None
        if hearing is not None:
            await hearing.end()

    def _heard(self, message: Msg) -> None:
        if self._over.done():
            return
        self._silence = 0
        if message.subject.startswith(self._inbox):
            self._told(message)
            return
        self._wanted -= 1
        if self._wanted <= 0:
            self._wake.set()
        delivery = _NatsDelivery(self._client, message)
        try:
            self._deliver(delivery)
        except Exception:
            logger.exception("command for %s was not taken; it comes again to the next owner", delivery.conversation)

    def _told(self, message: Msg) -> None:
        """Act on what the server says of a request; of an older one than the present it does not matter."""
        code, why = status(message), (message.headers or {}).get("Description", "").partition("\n")[0]
        if code == "100" or message.subject != f"{self._inbox}.{self._requests}":
            return
        if code == "409" and why == "Consumer Deleted":
            self._finish(lost=True)
        elif code == "408":
            self._wanted = 0
            self._wake.set()
        else:
            logger.info("consumer of partition %s: %s %s; starting anew", _prefix(self.lease), code, why)
            self._open = False


class _NatsDelivery:
    """Is one stored command."""

    __slots__ = ("_client", "_reply", "agent", "conversation", "data")

    def __init__(self, client: Connection, message: Msg) -> None:
        _, _, agent, _, conversation = message.subject.split(".")
        self.agent = AgentKey(agent)
        self.conversation = ConversationId(conversation)
        self.data = message.data
        self._client = client
        self._reply = message.reply

    async def ack(self) -> None:
        try:
            await request(self._client, self._reply, b"+ACK")
        except Forbidden as error:
            logger.warning("command for %s cannot be acknowledged: %s", self.conversation, error)
        except Unavailable as error:
            # the partition has a new owner, or the server is away: the command comes again, and its id is known then
            logger.debug("command for %s stays unacknowledged: %s", self.conversation, error)

    async def retry(self, delay: float) -> None:
        try:
            await self._client.publish(self._reply, b'-NAK {"delay": %d}' % round(delay * SECOND))
        except (nats.errors.Error, OSError) as error:
            # it comes again all the same, once the way to the server is found again
            logger.debug("command for %s was not given back: %s", self.conversation, error)


class _Listing(Struct):
    total: int = 0
    consumers: list[str] | None = None


_listing = msgspec.json.Decoder(_Listing)


def _prefix(lease: Lease) -> str:
    return f"{lease.agent}-p{lease.partition}"


def _consumer(lease: Lease) -> str:
    return f"{_prefix(lease)}-{lease.epoch}"


async def _take_over(client: Connection, names: Names, lease: Lease) -> bool:
    """Make the lease's consumer, anew, the only one of its partition; return False if a newer one is there."""
    for _ in range(ATTEMPTS):
        await _delete(client, names, _consumer(lease))
        try:
            await _create(client, names, lease)
        except ApiError as error:
            if error.code != FILTER_TAKEN:
                raise
        else:
            return True
        # all consumers are listed only where one is in the way: there may be thousands
        epochs = await _epochs(client, names, lease)
        if any(epoch > lease.epoch for epoch in epochs):
            return False
        for epoch in epochs:
            await _delete(client, names, f"{_prefix(lease)}-{epoch}")
    raise Unavailable(
        f"a consumer of {names.command_stream} that is not of this framework takes from "
        f"{names.partition_filter(lease.agent, lease.partition)}: delete it"
    )


async def _epochs(client: Connection, names: Names, lease: Lease) -> list[int]:
    """Return the epochs of all consumers of the lease's partition."""
    found: list[str] = []
    while True:
        answer = await api(client, f"CONSUMER.NAMES.{names.command_stream}", {"offset": len(found)})
        page = _listing.decode(answer)
        found += page.consumers or []
        if not page.consumers or len(found) >= page.total:
            break
    parts = (name.rpartition("-") for name in found)
    # an agent's key may itself look like another's prefix, so all before the last dash must be equal
    return [int(epoch) for prefix, _, epoch in parts if prefix == _prefix(lease) and epoch.isdecimal()]


async def _delete(client: Connection, names: Names, consumer: str) -> None:
    try:
        await api(client, f"CONSUMER.DELETE.{names.command_stream}.{consumer}")
    except ApiError as error:
        if error.code != CONSUMER_NOT_FOUND:
            raise


async def _create(client: Connection, names: Names, lease: Lease) -> None:
    stream, consumer = names.command_stream, _consumer(lease)
    subjects = names.partition_filter(lease.agent, lease.partition)
    config = {
        "durable_name": consumer,
        "name": consumer,
        "filter_subject": subjects,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": ACK_WAIT,
        "max_ack_pending": MAX_UNACKNOWLEDGED,
        "max_deliver": -1,
    }
    body = {"stream_name": stream, "config": config, "action": "create"}
    await api(client, f"CONSUMER.CREATE.{stream}.{consumer}.{subjects}", body)

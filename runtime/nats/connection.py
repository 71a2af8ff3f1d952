"""A connection to a NATS server, and its JetStream API as plain requests.

An object that exists is connected.  Losing the server later is not an error here: the client reconnects for as long as
it lives, and requests meanwhile raise `Unavailable`.  A request that timed out may still be sent after the reconnect;
what it asks for must be safe then.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import nats
import nats.errors
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

from ...events import FrameworkError, InvalidInput, Unavailable

logger = logging.getLogger("agent_runtime_framework.nats")

CONNECT_TIMEOUT = 5.0
REQUEST_TIMEOUT = 5.0


class ApiError(FrameworkError):
    """Raised when the JetStream API answers with an error; `code` is its error code, such as 10071."""

    def __init__(self, subject: str, code: int, description: str) -> None:
        super().__init__(f"JetStream refused {subject}: {description} (error {code})")
        self.code = code
        self.description = description


class _Error(Struct):
    err_code: int = 0
    description: str = ""


class Reply(Struct):
    """Is what every JetStream answer may hold; an error answer also carries `seq` 0, so look at `error` first."""

    error: _Error | None = None
    seq: int = 0
    duplicate: bool = False


_reply = msgspec.json.Decoder(Reply)


class Connection(Client):
    """Is a client that knows which answers a lost connection can no longer bring."""

    def __init__(self) -> None:
        super().__init__()
        self._awaited: set[asyncio.Timeout] = set()

    @contextlib.asynccontextmanager
    async def in_flight(self) -> AsyncIterator[None]:
        """Raise TimeoutError in the block when the connection is lost; it is entered before the request is sent."""
        async with asyncio.timeout(None) as awaited:
            self._awaited.add(awaited)
            try:
                yield
            finally:
                self._awaited.discard(awaited)

    def give_up(self) -> None:
        """Say that no answer will come to what is in flight."""
        lost, self._awaited = self._awaited, set()  # one that has expired cannot be told twice
        for awaited in lost:
            awaited.reschedule(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """End the connection; what could not be sent to a lost server is dropped."""
        self.give_up()
        try:
            await super().close()
        except OSError as error:
            logger.debug("closing a lost NATS connection: %s", error)


async def connect(
    url: str,
    *,
    token: str | None = None,
    name: str = "arf",
    on_reconnect: Callable[[], Awaitable[None]] | None = None,
    restore: Callable[[], Awaitable[str]] | None = None,
) -> Connection:
    """Return a connection to the server at `url`.

    `on_reconnect` is called after each reconnect.  `restore` is called after each try to reconnect that failed: it may
    start the server again, and returns the URL to go on with.

    Raises:
        InvalidInput: that is no URL of a NATS server.
        Unavailable: there is no server, or it does not let us in.

    """
    _check(url)
    client = Connection()
    failures: deque[Exception] = deque(maxlen=4)

    async def note(error: Exception) -> None:
        logger.debug("NATS: %s", error)
        failures.append(error)
        if client.is_reconnecting and restore is not None:
            await _logged(_restore(client, restore))

    async def lost() -> None:
        client.give_up()
        if not client.is_closed:
            logger.warning("lost the connection to the NATS server at %s; reconnecting", url)

    async def found() -> None:
        logger.warning("connected again to the NATS server at %s", url)
        if on_reconnect is not None:
            await _logged(on_reconnect())

    try:
        await asyncio.wait_for(
            client.connect(
                url,
                token=token,
                name=name,
                error_cb=note,
                disconnected_cb=lost,
                reconnected_cb=found,
                connect_timeout=2,
                reconnect_time_wait=0.2,  # type: ignore[arg-type]  # seconds; the annotation says int, any number works
                max_reconnect_attempts=1,
            ),
            CONNECT_TIMEOUT,
        )
    except asyncio.CancelledError:
        await client.close()
        raise
    except (OSError, TimeoutError, nats.errors.Error) as error:
        await client.close()
        # a server that refuses us says so and hangs up, and sometimes only the second is noticed
        last = failures[-1] if failures else error
        cause = next((failure for failure in failures if not isinstance(failure, OSError)), last)
        raise Unavailable(f"no NATS server answers at {url} ({str(cause) or type(cause).__name__})") from error
    # nats-py has one setting for the first connection and for all later ones: few tries now, for ever from here on
    client.options["max_reconnect_attempts"] = -1
    return client


def _check(url: str) -> None:
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        valid = parts.scheme in {"nats", "tls", "ws", "wss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise InvalidInput(f"{url!r} is not the URL of a NATS server; write nats://HOST:PORT")


async def _restore(client: Client, restore: Callable[[], Awaitable[str]]) -> None:
    client.set_server_pool([await restore()])


async def _logged(callback: Awaitable[None]) -> None:
    try:
        await callback
    except (FrameworkError, nats.errors.Error) as error:
        # raised in a callback, it would end the client's reconnecting
        logger.warning("after a lost connection to the NATS server: %s", error)


async def request(client: Client, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> Msg:
    """Return the answer to one request.

    Raises:
        Unavailable: no answer came; whether the server acted on it is not known.

    """
    try:
        async with _in_flight(client):
            return await client.request(
                subject, payload, timeout=REQUEST_TIMEOUT, headers=None if headers is None else dict(headers)
            )
    except (TimeoutError, OSError, nats.errors.Error) as error:
        raise _unanswered(subject, error) from error


async def request_many(client: Client, subject: str, payload: bytes, *, ends: Callable[[Msg], bool]) -> list[Msg]:
    """Return the answers to one request, up to and with the first of which `ends` says that it is the last.

    Raises:
        Unavailable: none came for `REQUEST_TIMEOUT` seconds, and the last one had not come.

    """
    answers: list[Msg] = []
    done = asyncio.get_running_loop().create_future()

    async def take(answer: Msg) -> None:
        if not done.done():
            answers.append(answer)
            if ends(answer):
                done.set_result(None)

    try:
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox, cb=take)
        try:
            async with _in_flight(client):
                await client.publish(subject, payload, reply=inbox)
                await _unless_silent(done, answers)
        finally:
            await subscription.unsubscribe()
    except (TimeoutError, OSError, nats.errors.Error) as error:
        raise _unanswered(subject, error) from error
    if status(answers[-1]) == "503":
        raise _unanswered(subject, nats.errors.NoRespondersError())
    return answers


def _in_flight(client: Client) -> contextlib.AbstractAsyncContextManager[None]:
    return client.in_flight() if isinstance(client, Connection) else contextlib.nullcontext()


async def _unless_silent(done: asyncio.Future[None], answers: list[Msg]) -> None:
    while not done.done():
        seen = len(answers)
        await asyncio.wait({done}, timeout=REQUEST_TIMEOUT)
        if not done.done() and len(answers) == seen:
            raise TimeoutError(f"silence after {seen} answers")


def status(answer: Msg) -> str:
    """Return the status that an answer without content bears, such as 404, or an empty text."""
    return (answer.headers or {}).get("Status", "")


def _unanswered(subject: str, error: Exception) -> Unavailable:
    if isinstance(error, nats.errors.NoRespondersError):
        return Unavailable(f"nobody answers {subject}: the stream is missing, or JetStream is off on this NATS server")
    return Unavailable(f"the NATS server did not answer {subject} ({str(error) or 'the connection was lost'})")


async def api(client: Client, subject: str, body: Any = None) -> bytes:
    """Return the raw JSON answer of a JetStream API call, `subject` being what follows `$JS.API.`.

    Raises:
        ApiError: the server refused.
        Unavailable: no answer came.

    """
    payload = b"" if body is None else msgspec.json.encode(body)
    answer = (await request(client, f"$JS.API.{subject}", payload)).data
    reply = _reply.decode(answer)
    if reply.error is not None:
        raise ApiError(subject, reply.error.err_code, reply.error.description)
    return answer


async def publish(client: Client, subject: str, data: bytes, headers: Mapping[str, str]) -> Reply:
    """Publish to a stream and return its acknowledgement.

    Raises:
        ApiError: the stream refused; its `code` says why.
        Unavailable: no acknowledgement came; whether it was stored is not known.

    """
    reply = _reply.decode((await request(client, subject, data, headers)).data)
    if reply.error is not None:
        raise ApiError(subject, reply.error.err_code, reply.error.description)
    return reply

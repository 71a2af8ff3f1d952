"""A connection to a NATS server, and its JetStream API as plain requests.

An object that exists is connected.  Losing the server later is not an error here: the client reconnects for as long as
it lives, and requests meanwhile raise `Unavailable`.  A request that timed out may still be sent after the reconnect;
what it asks for must be safe then.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec
import nats.errors
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

from ...events import FrameworkError, InvalidInput, Unavailable
from ..credentials import ANONYMOUS, Credentials, with_those_of, without_secrets
from .client import Callback, Connection
from .credentials import AccessRefused
from .headers import NO_RESPONDERS

REQUEST_TIMEOUT = 5.0

Ends: TypeAlias = Callable[[Msg], bool]
"""Says of an answer whether it is the last."""


class ApiError(FrameworkError):
    """Raised when the JetStream API answers with an error; `code` is its error code, such as 10071."""

    def __init__(self, subject: str, code: int, description: str) -> None:
        super().__init__(f"JetStream refused {subject}: {description} (error {code})")
        self.code = code
        self.description = description


class NobodyListens(Unavailable):
    """Raised when nobody listens where a request went, so that it did nothing."""


class _Error(Struct):
    err_code: int = 0
    description: str = ""


class Reply(Struct):
    """Is what every JetStream answer may hold; an error answer also carries `seq` 0, so look at `error` first."""

    error: _Error | None = None
    seq: int = 0
    duplicate: bool = False


_reply = msgspec.json.Decoder(Reply)


async def connect(
    url: str,
    *,
    credentials: Credentials = ANONYMOUS,
    token: str | None = None,
    name: str = "arf",
    on_reconnect: Callback | None = None,
    restore: Callable[[], Awaitable[str]] | None = None,
) -> Connection:
    """Return a connection to the server at `url`.

    `token` is short for credentials that are a token.  `on_reconnect` is called after each reconnect.  `restore` is
    called after each try to reconnect that failed: it may start the server again, and returns the URL to go on with.

    Raises:
        InvalidInput: that is no URL of a NATS server, or a file of the credentials cannot be used.
        AccessRefused: the server does not let us in, or TLS cannot be agreed on.
        Unavailable: there is no server.

    """
    address = without_secrets(url)
    tls = _asks_for_tls(address)
    credentials = with_those_of(url, credentials if token is None else Credentials(token=token))
    client = Connection(address, credentials, tls=tls, on_reconnect=on_reconnect, restore=restore)
    await client.open(name)
    return client


def _asks_for_tls(address: str) -> bool:
    """Check the URL, and say whether it asks for TLS."""
    try:
        parts = urlsplit(address if "://" in address else f"nats://{address}")
        valid = parts.scheme in {"nats", "tls", "ws", "wss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise InvalidInput(f"{address!r} is not the URL of a NATS server; write nats://HOST:PORT")
    return address.startswith("tls://")


async def request(client: Client, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> Msg:
    """Return the answer to one request.

    Raises:
        Unavailable: no answer came; whether the server acted on it is not known.

    """
    try:
        return await client.request(
            subject, payload, timeout=REQUEST_TIMEOUT, headers=None if headers is None else dict(headers)
        )
    except (TimeoutError, OSError, nats.errors.Error) as error:
        raise _unanswered(client, subject, error) from error


async def request_many(client: Client, subject: str, payload: bytes, *, ends: Ends) -> list[Msg]:
    """Return the answers to one request, up to and with the first of which `ends` says that it is the last.

    Raises:
        Unavailable: none came for `REQUEST_TIMEOUT` seconds, and the last one had not come.

    """

    async def ask(take: Ends) -> None:
        if isinstance(client, Connection):
            await client.ask(subject, payload, take, silence=REQUEST_TIMEOUT)
        else:
            await _asked_of_any(client, subject, payload, take)

    return await _answers(client, subject, ask, ends)


async def pulled(client: Connection, subject: str, payload: bytes, *, ends: Ends) -> list[Msg]:
    """Return what a consumer gives, as `request_many`."""

    async def ask(take: Ends) -> None:
        await client.ask_consumer(subject, payload, take, silence=REQUEST_TIMEOUT)

    return await _answers(client, subject, ask, ends)


async def _answers(client: Client, subject: str, ask: Callable[[Ends], Awaitable[None]], ends: Ends) -> list[Msg]:
    answers: list[Msg] = []

    def take(answer: Msg) -> bool:
        answers.append(answer)
        return ends(answer)

    try:
        await ask(take)
    except (TimeoutError, OSError, nats.errors.Error) as error:
        raise _unanswered(client, subject, error) from error
    if status(answers[-1]) == NO_RESPONDERS:
        raise _unanswered(client, subject, nats.errors.NoRespondersError())
    return answers


async def _asked_of_any(client: Client, subject: str, payload: bytes, take: Ends) -> None:
    """Ask through a client that is nats-py's own, which knows of one answer only."""
    subscription = await client.subscribe(inbox := client.new_inbox())
    try:
        await client.publish(subject, payload, reply=inbox)
        while not take(await subscription.next_msg(REQUEST_TIMEOUT)):
            pass
    finally:
        await subscription.unsubscribe()


def status(answer: Msg) -> str:
    """Return the status that an answer without content bears, such as 404, or an empty text."""
    return (answer.headers or {}).get("Status", "")


def _unanswered(client: Client, subject: str, error: Exception) -> Unavailable:
    if isinstance(client, Connection) and client.refused is not None:
        return AccessRefused(str(client.refused))
    if isinstance(error, nats.errors.NoRespondersError):
        return NobodyListens(
            f"nobody answers {subject}: the stream is missing, or JetStream is off on this NATS server"
        )
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

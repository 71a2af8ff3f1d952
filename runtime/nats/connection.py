"""A connection to a NATS server, and its JetStream API as plain requests.

An object that exists is connected.  Losing the server later is not an error here: the client reconnects for as long as it
lives, and requests meanwhile raise `Unavailable`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import nats
import nats.errors
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

from ...events import FrameworkError, Unavailable

logger = logging.getLogger("agent_runtime_framework.nats")

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


async def connect(
    url: str, *, token: str | None = None, name: str = "arf", on_reconnect: Callable[[], Awaitable[None]] | None = None
) -> Client:
    """Return a connection to the server at `url`.

    Raises:
        Unavailable: there is no server, or it does not let us in.

    """

    async def note(error: Exception) -> None:
        logger.debug("NATS: %s", error)

    async def lost() -> None:
        logger.warning("lost the connection to the NATS server at %s; reconnecting", url)

    async def found() -> None:
        logger.warning("connected again to the NATS server at %s", url)
        if on_reconnect is not None:
            await on_reconnect()

    async def first(error: Exception) -> None:
        failures.append(error)
        await note(error)

    failures: list[Exception] = []
    client = Client()
    try:
        # nats-py retries the first connection too, for as long as it may reconnect; one bounded try is wanted here
        await asyncio.wait_for(
            client.connect(
                url,
                token=token,
                name=name,
                error_cb=first,
                disconnected_cb=lost,
                reconnected_cb=found,
                connect_timeout=2,
                reconnect_time_wait=0.2,  # type: ignore[arg-type]  # seconds; the annotation says int, any number works
                max_reconnect_attempts=-1,
            ),
            timeout=3,
        )
    except (OSError, TimeoutError, nats.errors.Error) as error:
        cause = failures[-1] if failures else error
        raise Unavailable(f"no NATS server answers at {url} ({cause or type(cause).__name__})") from error
    return client


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
        raise Unavailable(f"the NATS server did not answer {subject} ({error or type(error).__name__})") from error


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

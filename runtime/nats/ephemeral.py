"""A consumer for one reading: it is in memory, acknowledges nothing, and is there as long as somebody reads."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import msgspec
from msgspec import Struct
from nats.aio.client import Client

from ...events import FrameworkError
from ..clock import new_id
from .connection import api

_ABANDONED = 300 * 1_000_000_000
"""Nanoseconds until the server drops the consumer of a reading that nobody goes on with."""


class Ephemeral(Struct, frozen=True):
    """Is a consumer: `subject` is where it is asked for messages, `pending` how many stood there when it was made."""

    subject: str
    pending: int


@contextlib.asynccontextmanager
async def ephemeral(client: Client, stream: str, purpose: str, reads: Mapping[str, object]) -> AsyncIterator[Ephemeral]:
    """Give a consumer of a stream; its name begins with `purpose`, and `reads` says what and from where.

    Raises:
        ApiError: the server refused it.
        Unavailable: no answer came.

    """
    name = new_id(purpose)
    creating = asyncio.ensure_future(api(client, *_creation(stream, name, reads)))
    try:
        pending = _created.decode(await asyncio.shield(creating)).num_pending
        yield Ephemeral(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}", pending)
    finally:
        # the server may act on a deletion before the creation that was sent before it
        if await _succeeds(creating) and client.is_connected:
            with contextlib.suppress(FrameworkError):  # it ends by itself after a while
                await api(client, f"CONSUMER.DELETE.{stream}.{name}")


async def _succeeds(creating: "asyncio.Future[bytes]") -> bool:
    try:
        await asyncio.wait([creating])
    finally:
        creating.cancel()  # of one that is over it is not heard
    return not creating.cancelled() and creating.exception() is None


def _creation(stream: str, name: str, reads: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """Return the subject and the body of the call; a filter stands in both."""
    ends = f".{reads['filter_subject']}" if "filter_subject" in reads else ""
    config: dict[str, object] = {
        "name": name,
        "ack_policy": "none",
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": _ABANDONED,
        **reads,
    }
    body: dict[str, object] = {"stream_name": stream, "config": config, "action": "create"}
    return f"CONSUMER.CREATE.{stream}.{name}{ends}", body


class _Created(Struct):
    num_pending: int


_created = msgspec.json.Decoder(_Created)

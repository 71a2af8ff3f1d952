"""A consumer for one reading: it is in memory, acknowledges nothing, and is there as long as somebody reads."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import msgspec
import nats.errors
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
        answers = await _succeeds(creating)
        if client.is_connected:
            await _delete(client, f"CONSUMER.DELETE.{stream}.{name}", answers=answers)


async def _succeeds(creating: "asyncio.Future[bytes]") -> bool:
    """Wait until it is over, and say whether it was answered well."""
    try:
        await asyncio.wait([creating])
    finally:
        creating.cancel()  # of one that is over it is not heard
    return not creating.cancelled() and creating.exception() is None


async def _delete(client: Client, subject: str, *, answers: bool) -> None:
    """Delete a consumer, which ends by itself after a while; who did not answer before is not waited for again."""
    with contextlib.suppress(FrameworkError, nats.errors.Error, OSError):
        if answers:
            await api(client, subject)
        else:
            await client.publish(f"$JS.API.{subject}")


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

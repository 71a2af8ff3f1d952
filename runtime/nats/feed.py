"""The feed on JetStream: a consumer in memory for each reading, over a connection that is for reading only.

A consumer acknowledges nothing and remembers nothing that matters: one that is gone, or of which a message was lost on
the way, is made anew after the last position that was taken.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime

import msgspec
import nats.errors
from msgspec import Struct
from nats.aio.client import Client

from ...events import CorruptLog, Unavailable
from ..feed import BATCH, BATCH_BYTES, End, Entry, check_reaches
from .connection import ApiError, api
from .ephemeral import ephemeral
from .heart import Connect
from .in_flight import Forbidden
from .names import Names
from .pull import Broken, Pull
from .shared import SharedConnection

logger = logging.getLogger("agent_runtime_framework.nats")

PAUSE = 0.5
"""Seconds before a server that is away is asked again."""

MOMENT = 0.05
"""Seconds before another consumer is made; in a cluster it takes a moment until every server knows of a new one."""

_NOT_FOUND = 10059


class JetStreamFeed:
    """Reads the event streams of a namespace; `asks` is a connection for questions, `more` opens one for reading."""

    def __init__(
        self, names: Names, *, asks: Client, more: Connect, batch: int = BATCH, batch_bytes: int = BATCH_BYTES
    ) -> None:
        self._names = names
        self._asks = asks
        self._connection = SharedConnection(more)
        self._batch = batch
        self._batch_bytes = batch_bytes

    @property
    def shards(self) -> int:
        """How many streams there are."""
        return self._names.shards

    async def end(self, shard: int) -> End:
        """Return where a stream ends; see `Feed.end`."""
        stream = self._names.event_stream(shard)
        try:
            info = _info.decode(await api(self._asks, f"STREAM.INFO.{stream}"))
        except ApiError as error:
            if error.code == _NOT_FOUND:
                raise CorruptLog(f"there is no stream {stream} any more: restore it from a backup") from error
            raise
        return End(f"{stream} of {info.created:%Y-%m-%dT%H:%M:%S.%fZ}", info.state.last_seq)

    async def read(self, shard: int, after: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what stands after position `after` in batches; see `Feed.read`."""
        end = await self.end(shard)
        check_reaches(end, after)
        if after == end.position:
            return
        async with self._connection.used() as client:
            while after < end.position:
                try:
                    async with self._pulling(client, shard, after) as pull:
                        while after < end.position and not pull.at_end:
                            batch = await pull.take()
                            after = batch[-1].position
                            if wanted := [entry for entry in batch if entry.position <= end.position]:
                                yield wanted
                        return
                except Broken as broken:
                    await _noted(shard, after, broken)

    async def follow(self, shard: int, after: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what stands after position `after`, and what is stored from then on; see `Feed.follow`."""
        stream = ""
        async with self._connection.used() as client:
            while True:
                try:
                    stream = await self._same(shard, after, stream)
                    async with self._pulling(client, shard, after) as pull:
                        while True:
                            batch = await pull.take()
                            after = batch[-1].position
                            yield batch
                except Broken as broken:
                    await _noted(shard, after, broken)
                except Forbidden:
                    raise
                except (Unavailable, ApiError) as error:
                    logger.info("cannot read %s on now: %s", self._names.event_stream(shard), error)
                    await asyncio.sleep(PAUSE)

    async def _same(self, shard: int, after: int, stream: str) -> str:
        """Return which stream this is; raise CorruptLog if it is another than it was."""
        end = await self.end(shard)
        if stream and end.stream != stream:
            raise CorruptLog(f"{stream} is gone, there is {end.stream}: what was made of it must be made again")
        check_reaches(end, after)
        return end.stream

    @contextlib.asynccontextmanager
    async def _pulling(self, client: Client, shard: int, after: int) -> AsyncIterator[Pull]:
        """Give what is pulled after a position; the consumer is there as long as the context."""
        stream = self._names.event_stream(shard)
        start = {"deliver_policy": "by_start_sequence", "opt_start_seq": after + 1}
        async with ephemeral(client, stream, "feed", start) as consumer:
            pull = Pull(client, consumer.subject, consumer.pending, batch=self._batch, batch_bytes=self._batch_bytes)
            async with _listening(client, pull):
                yield pull


async def _noted(shard: int, after: int, broken: Broken) -> None:
    logger.debug("reading shard %d on from position %d: %s", shard, after, broken)
    await asyncio.sleep(MOMENT)


@contextlib.asynccontextmanager
async def _listening(client: Client, pull: Pull) -> AsyncIterator[None]:
    try:
        subscription = await client.subscribe(pull.inbox, cb=pull.hear)
    except (nats.errors.Error, OSError) as error:
        raise Broken(str(error)) from error
    try:
        yield
    finally:
        with contextlib.suppress(nats.errors.Error, OSError):  # a connection that ended has no subscriptions left
            await subscription.unsubscribe()


class _State(Struct):
    last_seq: int


class _Info(Struct):
    created: datetime
    state: _State


_info = msgspec.json.Decoder(_Info)

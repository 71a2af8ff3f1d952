"""JetStream as log, bus and lock: everything that knows NATS."""

from functools import cache

from nats.aio.client import Client

from ...events import WriterId
from ..substrate import Substrate
from .bus import NatsBus
from .connection import connect
from .feed import JetStreamFeed
from .heart import Connect, ThreadHeart
from .leases import NatsLeases
from .live import NatsLive
from .log import JetStreamLog
from .members import NatsMembers
from .store import JetStreamStore
from .topology import ensure, find, replicas_of

__all__ = [
    "JetStreamFeed",
    "JetStreamLog",
    "NatsBus",
    "NatsLeases",
    "NatsLive",
    "NatsMembers",
    "ThreadHeart",
    "connect",
    "nats_substrate",
]


async def nats_substrate(
    namespace: str, writer: WriterId, *, appends: Client, reads: Client, more: Connect, shards: int, create: bool
) -> tuple[Substrate, int] | None:
    """Return the ports of a namespace and how often its streams are replicated; None if it is not there.

    `appends` and `reads` are two connections to one server, and `more` opens another one.

    Raises:
        Unavailable: no JetStream server answers.

    """
    names = await (ensure(appends, namespace, shards=shards) if create else find(appends, namespace))
    if names is None:
        return None
    replicas = await replicas_of(appends, names)
    substrate = Substrate(
        JetStreamLog(names, appends=appends, reads=reads),
        NatsBus(appends, names),
        NatsLeases(appends, names, writer),
        NatsMembers(appends, names),
        NatsLive(appends, names),
        # one of each name, because those who write through the same one never overtake each other
        cache(lambda name: JetStreamStore(appends, names.memory_bucket(name), replicas=replicas)),
        JetStreamFeed(names, asks=reads, more=more),
        ThreadHeart(more, names, writer),
    )
    return substrate, replicas

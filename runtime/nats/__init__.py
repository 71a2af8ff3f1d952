"""JetStream as log, bus and lock: everything that knows NATS."""

from functools import cache

from ...events import WriterId
from ..deadletters import DATA_STORE, STORE
from ..snapshots import ConversationSnapshots
from ..substrate import Substrate
from ..vault import KeyVault, KeyWrapper
from .archive import JetStreamArchive
from .bus import NatsBus
from .client import Connection
from .connection import connect
from .feed import JetStreamFeed
from .heart import Connect, ThreadHeart
from .keys import JetStreamKeys
from .leases import NatsLeases
from .live import NatsLive
from .log import JetStreamLog
from .members import NatsMembers
from .seals import NatsSeals
from .shredder import JetStreamShredder
from .snapshots import JetStreamParts
from .store import JetStreamStore
from .topology import ensure, find, replicas_of

__all__ = [
    "JetStreamArchive",
    "JetStreamFeed",
    "JetStreamKeys",
    "JetStreamLog",
    "JetStreamParts",
    "NatsBus",
    "NatsLeases",
    "NatsLive",
    "NatsMembers",
    "NatsSeals",
    "ThreadHeart",
    "connect",
    "nats_substrate",
]


async def nats_substrate(
    namespace: str,
    writer: WriterId,
    *,
    appends: Connection,
    reads: Connection,
    more: Connect,
    shards: int,
    create: bool,
    wrapper: KeyWrapper | None = None,
) -> tuple[Substrate, int] | None:
    """Return the ports of a namespace and how often its streams are replicated; None if it is not there.

    `appends` and `reads` are two connections to one server, and `more` opens another one.  `wrapper` wraps the keys of
    conversations; without one, those that are sealed stay so.

    Raises:
        Unavailable: no JetStream server answers.

    """
    names = await (ensure(appends, namespace, shards=shards) if create else find(appends, namespace))
    if names is None:
        return None
    replicas = await replicas_of(appends, names)
    vault = KeyVault(JetStreamKeys(appends, names, replicas=replicas), wrapper, namespace=namespace)
    log = JetStreamLog(names, appends=appends, reads=reads, vault=vault)
    parts = JetStreamParts(names, appends=appends, reads=reads, replicas=replicas)
    substrate = Substrate(
        log,
        NatsBus(appends, names),
        NatsLeases(appends, names, writer),
        NatsMembers(appends, names),
        NatsLive(appends, names),
        # one of each name, because those who write through the same one never overtake each other
        cache(
            lambda name: JetStreamStore(
                appends, names.memory_bucket(name), replicas=replicas, erasable=name in (STORE, DATA_STORE)
            )
        ),
        JetStreamFeed(names, asks=reads, more=more),
        ThreadHeart(more, names, writer),
        JetStreamArchive(names, reads),
        NatsSeals(appends, names, replicas=replicas),
        vault,
        JetStreamShredder(appends, names),
        snapshots=ConversationSnapshots(parts, log, vault),
    )
    return substrate, replicas

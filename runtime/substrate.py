"""What a runtime stands on: a log, a bus, leases, members, a live channel, stores and a feed that belong together."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from ..events import EventLog, MemoryLog
from .archive import Archive, MemoryArchive
from .bus import Bus, MemoryBus
from .clock import Clock
from .feed import Feed, MemoryFeed
from .heartbeat import Heart
from .leases import Leases, MemoryLeases
from .live import Live, MemoryLive
from .members import Members, MemoryMembers
from .memory import InMemoryStore, MemoryStore
from .seals import MemorySeals, SealLog
from .secret_keys import NamespaceSecrets, in_process
from .shredding import MemoryShredder, Shredder
from .snapshots import ConversationSnapshots, MemoryParts
from .vault import KeyVault, KeyWrapper, MemoryKeys


class Substrate(Struct, frozen=True):
    """Holds the ports; `store` gives the store of that name, which whoever asks again shares.

    Without a heart of its own a place has one that beats on the event loop.  Without archive and seals it cannot be
    audited, without a vault no content is sealed, without a shredder nothing is erased, without secrets no agent is at
    work that marks any, and without snapshots every conversation is folded from its beginning.
    """

    log: EventLog
    bus: Bus
    leases: Leases
    members: Members
    live: Live
    store: Callable[[str], MemoryStore[Any]]
    feed: Feed
    heart: Heart | None = None
    archive: Archive | None = None
    seals: SealLog | None = None
    vault: KeyVault | None = None
    shredder: Shredder | None = None
    secrets: NamespaceSecrets | None = None
    snapshots: ConversationSnapshots | None = None


def in_memory(clock: Clock, wrapper: KeyWrapper | None = None) -> Substrate:
    """Return a substrate that lives in this process, and only as long as it; `wrapper` wraps the keys of its vault."""
    vault = KeyVault(MemoryKeys(), wrapper)
    log, bus = MemoryLog(vault=vault), MemoryBus()
    return Substrate(
        log,
        bus,
        MemoryLeases(clock),
        MemoryMembers(clock),
        MemoryLive(),
        stores_in_memory(),
        MemoryFeed(log.records),
        archive=MemoryArchive(log.records),
        seals=MemorySeals(),
        vault=vault,
        shredder=MemoryShredder(log.records, bus),
        secrets=in_process(),
        snapshots=ConversationSnapshots(MemoryParts(), log, vault),
    )


def stores_in_memory() -> Callable[[str], MemoryStore[Any]]:
    """Return what gives stores that live in this process."""
    stores: defaultdict[str, MemoryStore[Any]] = defaultdict(InMemoryStore)
    return stores.__getitem__

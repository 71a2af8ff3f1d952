"""What a runtime stands on: a log, a bus, leases, members, a live channel, stores and a feed that belong together."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from ..events import EventLog, MemoryLog
from .bus import Bus, MemoryBus
from .clock import Clock
from .feed import Feed, MemoryFeed
from .heartbeat import Heart
from .leases import Leases, MemoryLeases
from .live import Live, MemoryLive
from .members import Members, MemoryMembers
from .memory import InMemoryStore, MemoryStore


class Substrate(Struct, frozen=True):
    """Holds the ports; `store` gives the store of that name, which whoever asks again shares.

    Without a heart of its own a place has one that beats on the event loop.
    """

    log: EventLog
    bus: Bus
    leases: Leases
    members: Members
    live: Live
    store: Callable[[str], MemoryStore[Any]]
    feed: Feed
    heart: Heart | None = None


def in_memory(clock: Clock) -> Substrate:
    """Return a substrate that lives in this process, and only as long as it."""
    log = MemoryLog()
    return Substrate(
        log,
        MemoryBus(),
        MemoryLeases(clock),
        MemoryMembers(clock),
        MemoryLive(),
        stores_in_memory(),
        MemoryFeed(log.records),
    )


def stores_in_memory() -> Callable[[str], MemoryStore[Any]]:
    """Return what gives stores that live in this process."""
    stores: defaultdict[str, MemoryStore[Any]] = defaultdict(InMemoryStore)
    return stores.__getitem__

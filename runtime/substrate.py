"""What a runtime stands on: a log, a bus, leases and a live channel that belong together."""

from msgspec import Struct

from ..events import EventLog, MemoryLog
from .bus import Bus, MemoryBus
from .clock import Clock
from .leases import Leases, MemoryLeases
from .live import Live, MemoryLive


class Substrate(Struct, frozen=True):
    """Holds the four ports."""

    log: EventLog
    bus: Bus
    leases: Leases
    live: Live


def in_memory(clock: Clock) -> Substrate:
    """Return a substrate that lives in this process, and only as long as it."""
    return Substrate(MemoryLog(), MemoryBus(), MemoryLeases(clock), MemoryLive())

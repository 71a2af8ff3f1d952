"""What is the case at a place: its server, its streams, its workers; for whoever operates it.

An inspection asks and counts, and never writes.  What cannot be known from here is said to be unknown, and what is
wrong is a finding, not an error.
"""

import asyncio
import shutil

from ..events import FrameworkError
from .clock import Clock, SystemClock, new_id
from .findings import Finding, Findings, filled
from .opening import NoServer, Place, durability_of, home_of, master_wrapper, reached


async def inspect(place: Place, *, clock: Clock | None = None) -> Findings:
    """Return what is the case at a place; an embedded server that is not running runs for as long as that takes.

    Without a server there is one finding, `server`, and what is wrong with it.
    """
    from .nats.inspection import Inspection  # noqa: PLC0415  nats is loaded only when it is used

    try:
        async with reached(place, new_id("doctor"), connections=1, create=False) as there:
            inspection = Inspection(
                there.connections[0],
                place.namespace,
                there.url,
                clock if clock is not None else SystemClock(),
                embedded=place.nats is None,
                wrapper=master_wrapper,
            )
            found = [*await inspection.server(), *await _disk(place), *await inspection.namespace()]
            if inspection.replicas is not None:
                found.append(_durability(durability_of(place, inspection.replicas)))
            return tuple(found)
    except NoServer as error:
        return (Finding("server", error.what, "wrong", "start it, or name another with --nats URL"),)
    except FrameworkError as error:
        return (Finding("server", str(error), "wrong"),)


async def _disk(place: Place) -> list[Finding]:
    if place.nats is not None:
        return []
    home = home_of(place.home, create=False)
    usage = await asyncio.to_thread(shutil.disk_usage, home)
    return [filled("disk", usage.used, usage.used + usage.free, f"free some space on the disk of {home}")]


def _durability(kind: str) -> Finding:
    if kind == "unknown":
        return Finding(
            "durability",
            "unknown: one server acknowledges before it writes to the disk, unless its sync_interval is `always`",
            "unknown",
            "see the jetstream block of its configuration, or keep the streams on three servers",
        )
    return Finding("durability", kind)

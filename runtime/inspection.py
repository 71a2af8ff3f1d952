"""What is the case at a place: its server, its streams, its workers; for whoever operates it.

An inspection asks and counts, and never writes.  What cannot be known from here is said to be unknown, and what is
wrong is a finding, not an error.
"""

import asyncio
import shutil
from typing import Literal, TypeAlias

from msgspec import Struct

from ..events import FrameworkError, Unavailable
from .clock import Clock, SystemClock, new_id
from .opening import Place, durability_of, home_of, reached

Status: TypeAlias = Literal["ok", "warning", "wrong", "unknown"]

FULL = 0.8
"""Of what there is of a store, the part that may be used before it is a warning."""


class Finding(Struct, frozen=True):
    """Is one thing that was looked at.

    Attributes:
        name: what it is, in one word, or `agent` and a key.
        value: what was found, in words.
        status: what that means: `unknown` where it cannot be told from here.
        advice: what to do about it; empty where nothing needs to be done.

    """

    name: str
    value: str
    status: Status = "ok"
    advice: str = ""


Findings: TypeAlias = tuple[Finding, ...]


async def inspect(place: Place, *, clock: Clock | None = None) -> Findings:
    """Return what is the case at a place; an embedded server that is not running runs for as long as that takes.

    Without a server there is one finding, `server`, and what is wrong with it.
    """
    from .nats.inspection import Inspection  # noqa: PLC0415  nats is loaded only when it is used

    try:
        async with reached(place, new_id("doctor"), connections=1, create=False) as (url, (connection,)):
            inspection = Inspection(
                connection,
                place.namespace,
                url,
                clock if clock is not None else SystemClock(),
                embedded=place.nats is None,
            )
            found = [*await inspection.server(), *await _disk(place), *await inspection.namespace()]
            if inspection.replicas is not None:
                found.append(_durability(durability_of(place, inspection.replicas)))
            return tuple(found)
    except FrameworkError as error:
        silent = place.nats is not None and type(error) is Unavailable
        advice = "start it, or name another with --nats URL" if silent else ""
        return (Finding("server", str(error), "wrong", advice),)


def filled(name: str, used: int, total: int, advice: str) -> Finding:
    """Return the finding for a store of `total` bytes, of which so many are used."""
    value = f"{size(used)} of {size(total)} used, {size(max(total - used, 0))} left"
    return Finding(name, value) if used < FULL * total else Finding(name, value, "warning", advice)


def size(count: int) -> str:
    """Return a number of bytes in words.

    >>> size(1_048_576)
    '1.0 MB'
    """
    value = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1024:
            return f"{value:.0f} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


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

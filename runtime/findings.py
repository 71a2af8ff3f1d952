"""What was found at a place, and what that means."""

from typing import Literal, TypeAlias

from msgspec import Struct

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

"""Moments as people type them: how long ago, or a date and a time."""

import re
from datetime import datetime
from typing import Final

from ....events import InvalidInput

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def milliseconds(given: str) -> int:
    """Return a span of time such as `7d`, `12h` or `30m` in milliseconds.

    Raises:
        InvalidInput: it is none.

    """
    found = _span(given)
    if found is None:
        raise InvalidInput(f"--since {given!r}: say how long ago, such as 7d, 12h or 30m")
    return found


def moment(option: str, given: str, now: int) -> int:
    """Return the Unix milliseconds of a moment: so long before `now`, or a date with or without a time, in ISO 8601.

    What names no time zone is local; a date alone is its first moment.

    Raises:
        InvalidInput: it is neither; `option` is what it was given for.

    """
    span = _span(given)
    if span is not None:
        return now - span
    try:
        return round(datetime.fromisoformat(given.strip()).astimezone().timestamp() * 1_000)
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(
            f"{option} {given!r}: say how long ago, such as 7d or 12h, or when: 2026-08-01T09:30"
        ) from None


def period(since: str | None, until: str | None, now: int) -> tuple[int | None, int | None]:
    """Return from when and until when, None where nothing is said.

    Raises:
        InvalidInput: one of them is no moment, or there is no time between.

    """
    first = None if since is None else moment("--since", since, now)
    end = None if until is None else moment("--until", until, now)
    if first is not None and end is not None and end <= first:
        raise InvalidInput(f"--until {until!r} is not after --since {since!r}: there is no time between")
    return first, end


def _span(given: str) -> int | None:
    parts = re.fullmatch(r"(\d{1,6})([smhdw])", given.strip(), re.ASCII)
    return None if parts is None else int(parts[1]) * _UNITS[parts[2]] * 1_000

"""Times as they are shown: ISO 8601 in UTC for programs, local and short for people."""

from datetime import UTC, datetime


def iso(milliseconds: int) -> str:
    """Return Unix milliseconds as ISO 8601 in UTC, such as `2026-08-01T09:30:00.250Z`."""
    return _utc(milliseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(milliseconds: int, today: datetime | None = None) -> str:
    """Return Unix milliseconds in local time: the time of day if it is today, else the day, in 8 to 11 characters."""
    moment = _utc(milliseconds).astimezone()
    now = today if today is not None else datetime.now(UTC).astimezone()
    if moment.date() == now.date():
        return moment.strftime("%H:%M:%S")
    return moment.strftime("%m-%d %H:%M" if moment.year == now.year else "%Y-%m-%d")


def exact(milliseconds: int) -> str:
    """Return Unix milliseconds in local time with day and seconds, such as `2026-08-01 09:30:00`."""
    return _utc(milliseconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _utc(milliseconds: int) -> datetime:
    # split, because a float would round
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)


def lasting(milliseconds: int) -> str:
    """Return how long something took, such as `812 ms`, `1.2 s` or `3 min 5 s`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds // 60_000} min {milliseconds % 60_000 // 1000} s"

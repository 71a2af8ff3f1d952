"""Periods and their parts: hours, days, weeks from Monday, months or years in UTC, whichever makes a readable row.

Times are Unix milliseconds.  One that no clock of ours gives, such as a negative one, has no part that it belongs to.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

Unit: TypeAlias = Literal["hour", "day", "week", "month", "year"]

Key: TypeAlias = tuple[str | None, ...]
"""Is what an amount is of."""

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR

_COARSER: Final[tuple[tuple[int, Unit], ...]] = (
    (2 * DAY, "hour"),
    (62 * DAY, "day"),
    (732 * DAY, "week"),
    (3_660 * DAY, "month"),
)
"""Up to how long a period is divided into which parts."""

END: Final = 4_102_444_800_000
"""2100: what is said to be later is no time."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def is_time(time: int | None) -> bool:
    """Say whether a recorded time can be one."""
    return time is not None and 0 < time < END


def utc(time: int) -> datetime:
    """Return Unix milliseconds as a moment, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=time)


def unit_for(first: int, last: int) -> Unit:
    """Return the unit by which the period from `first` to `last` is divided."""
    return next((unit for length, unit in _COARSER if last - first <= length), "year")


def start_of(time: int, unit: Unit) -> int:
    """Return when the part began that has this time."""
    if unit == "hour":
        return time - time % HOUR
    day = time - time % DAY
    if unit == "day":
        return day
    if unit == "week":
        return day - utc(day).weekday() * DAY
    moment = utc(day)
    return _milliseconds(moment.replace(day=1) if unit == "month" else moment.replace(month=1, day=1))


def starts(first: int, last: int, unit: Unit) -> Iterator[int]:
    """Yield when the parts of a period began, in order."""
    start, end = start_of(first, unit), start_of(last, unit)
    while start <= end:
        yield start
        start = start_of(start + _AT_LEAST[unit], unit)


_AT_LEAST: Final[dict[Unit, int]] = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 31 * DAY, "year": 366 * DAY}
"""So long after its beginning the next part has begun, and is not over."""


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


class Timeline:
    """Adds amounts up by part of the period; what a part is is only known at the end, by how long it all took.

    So it keeps hours as long as these could be wanted, and then days, which all longer parts are made of.
    """

    def __init__(self, since: int | None, until: int | None) -> None:
        self._first = since
        self._last = None if until is None else until - 1
        self._fine: Unit = "hour"
        self._amounts: defaultdict[tuple[int, Key], float] = defaultdict(float)
        self._widened()

    def add(self, time: int, amounts: dict[Key, float]) -> None:
        """Add amounts, each under its key, at a time."""
        if not is_time(time):
            return
        if self._first is None or time < self._first or self._last is None or time > self._last:
            self._first = time if self._first is None else min(self._first, time)
            self._last = time if self._last is None else max(self._last, time)
            self._widened()
        start = start_of(time, self._fine)
        for key, amount in amounts.items():
            self._amounts[start, key] += amount

    def _widened(self) -> None:
        if self._fine == "day" or self._first is None or self._last is None:
            return
        if unit_for(self._first, self._last) != "hour":
            self._fine, hours = "day", self._amounts
            self._amounts = defaultdict(float)
            for (start, key), amount in hours.items():
                self._amounts[start_of(start, "day"), key] += amount

    @property
    def period(self) -> tuple[int, int] | None:
        """From when to when there is something, or was looked for; None if that is nowhere."""
        return None if self._first is None or self._last is None else (self._first, self._last)

    def rows(self) -> tuple[Unit, tuple[int, ...], dict[Key, tuple[float, ...]]]:
        """Return the unit, when each part began, and the amounts of each key in these parts."""
        if self.period is None:
            return "day", (), {}
        first, last = self.period
        unit = unit_for(first, last)
        parts = tuple(starts(first, last, unit))
        places = {start: place for place, start in enumerate(parts)}
        rows: dict[Key, list[float]] = {}
        for (start, key), amount in self._amounts.items():
            rows.setdefault(key, [0] * len(parts))[places[start_of(start, unit)]] += amount
        return unit, parts, {key: tuple(row) for key, row in rows.items()}

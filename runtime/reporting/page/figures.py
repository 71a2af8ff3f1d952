"""Figures as a page shows them: numbers, times in UTC, how long something took, what it cost."""

from typing import Final

from ..periods import Unit, is_time, utc

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

NONE: Final = "\N{EN DASH}"
"""Stands for no figure."""


def number(amount: float) -> str:
    """Return a number of things."""
    return f"{round(amount):,}"


def some(amount: float) -> str:
    """Return a number of things in a table where most have none."""
    return number(amount) if amount else NONE


def counted(amount: int, one: str, many: str = "") -> str:
    """Return a number of things with their name."""
    return f"{amount:,} {one if amount == 1 else many or f'{one}s'}"


def short(amount: float) -> str:
    """Return a number at an axis, in few characters."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= size:
            return f"{amount / size:.4g}{letter}"
    return f"{amount:.4g}"


def money(amount: float | None) -> str:
    """Return what something cost, in as many digits as a cheap call needs."""
    return NONE if amount is None else f"{amount:,.4f}"


def lasting(milliseconds: float) -> str:
    """Return how long something took."""
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1_000:.3g} s"
    minutes = milliseconds / 60_000
    return f"{minutes:.3g} min" if minutes < 60 else f"{minutes / 60:.3g} h"


def moment(time: int | None) -> str:
    """Return a time to the second, with a note that there is none where it cannot be one."""
    return f"{utc(time):%Y-%m-%d %H:%M:%S}" if time is not None and is_time(time) else "no known time"


def iso(time: int) -> str:
    """Return a time as commands take it."""
    return f"{utc(time):%Y-%m-%dT%H:%M:%S}Z"


def label(start: int, unit: Unit) -> str:
    """Return what a part of the period is called at an axis."""
    begun = utc(start)
    day = f"{begun.day} {_MONTHS[begun.month - 1]}"
    match unit:
        case "hour":
            return f"{begun:%H:%M}" if begun.hour else day
        case "day" | "week":
            return day
        case "month":
            return f"{_MONTHS[begun.month - 1]} {begun.year}"
        case _:
            return str(begun.year)


def name(start: int, unit: Unit) -> str:
    """Return what a part of the period is called where it stands alone."""
    begun = utc(start)
    match unit:
        case "hour":
            return f"{begun:%Y-%m-%d %H:%M}"
        case "day":
            return f"{begun:%Y-%m-%d}"
        case "week":
            return f"week of {begun:%Y-%m-%d}"
        case "month":
            return f"{begun:%Y-%m}"
        case _:
            return str(begun.year)

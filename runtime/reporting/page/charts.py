"""Charts as inline SVG: stacked bars over a period, and how a latency is spread.

Each has a title and a text that says what it shows; bands differ in lightness or pattern, so that they can be told
apart in grey.  Colours are classes, which the page's style gives for screen, dark screen and print.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from .elements import Markup, tag, together
from .figures import lasting, short

LABELS: Final = 70
"""So many units of width a label at the axis needs."""


class Band(NamedTuple):
    """Is one colour of the bars: what it stands for, its class, and an amount for each bar."""

    name: str
    look: str
    amounts: Sequence[float]


class Frame(NamedTuple):
    """Is the size of a chart, in units of its view box, and what is left free for the axes."""

    width: int
    height: int
    left: int = 46
    bottom: int = 24
    top: int = 10
    right: int = 4

    @property
    def wide(self) -> int:
        """The width of what is drawn."""
        return self.width - self.left - self.right

    @property
    def high(self) -> int:
        """The height of what is drawn."""
        return self.height - self.top - self.bottom

    def y(self, part: float) -> float:
        """Return how far down a part of the whole height is."""
        return self.top + self.high * (1 - part)


LARGE: Final = Frame(960, 250)
MEDIUM: Final = Frame(470, 200)
SMALL: Final = Frame(300, 120, left=34, bottom=20)


def ticks(largest: float, *, whole: bool) -> tuple[float, ...]:
    """Return round numbers from 0 to at least `largest`, about four steps of 1, 2 or 5 times a power of ten."""
    rough = max(largest, 1e-9) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= rough * 0.999)
    step = max(step, 1.0) if whole else step
    return tuple(step * number for number in range(max(math.ceil(largest / step - 1e-9), 1) + 1))


def stacked(
    bands: Sequence[Band], parts: Sequence[tuple[str, str]], frame: Frame, *, title: str, words: str, whole: bool = True
) -> Markup:
    """Return bars that are stacked of these bands; `parts` are the label and the name of each bar."""
    totals = [sum(band.amounts[place] for band in bands) for place in range(len(parts))]
    marks = ticks(max(totals, default=0), whole=whole)
    step = frame.wide / max(len(parts), 1)
    bars = []
    for place, (_, name) in enumerate(parts):
        if totals[place]:
            bars.append(_bar(bands, place, name, frame, marks[-1], step))
    return tag(
        "svg",
        tag("title", title),
        tag("desc", words),
        *[_mark(mark, marks[-1], frame) for mark in marks],
        *bars,
        *_labels([label for label, _ in parts], frame, step),
        viewBox=f"0 0 {frame.width} {frame.height}",
        role="img",
        aria_label=f"{title}. {words}",
        class_="chart",
    )


def _bar(bands: Sequence[Band], place: int, name: str, frame: Frame, top: float, step: float) -> Markup:
    width = max(min(step * 0.82, 48), 1)
    left = frame.left + step * place + (step - width) / 2
    pieces, below = [], 0.0
    for band in bands:
        amount = band.amounts[place]
        if amount:
            y = frame.y((below + amount) / top)
            height = frame.high * amount / top
            pieces.append(tag("rect", x=left, y=y, width=width, height=max(height, 0.5), class_=band.look))
            below += amount
    told = ", ".join(f"{band.name} {_amount(band.amounts[place])}" for band in bands if band.amounts[place])
    return tag("g", tag("title", f"{name}: {told}"), *pieces)


def _amount(amount: float) -> str:
    return f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.4g}"


def _mark(mark: float, top: float, frame: Frame) -> Markup:
    y = frame.y(mark / top)
    return together(
        tag("line", x1=frame.left, x2=frame.width - frame.right, y1=y, y2=y, class_="grid" if mark else "axis"),
        tag("text", short(mark), x=frame.left - 6, y=y + 4, class_="end"),
    )


def _labels(labels: Sequence[str], frame: Frame, step: float) -> list[Markup]:
    every = max(math.ceil(LABELS / step), 1)
    return [
        tag("text", label, x=frame.left + step * (place + 0.5), y=frame.height - 6, class_="mid")
        for place, label in enumerate(labels)
        if (place % every == 0 and (place + 0.5) * step + LABELS / 3 < frame.wide + frame.right) or len(labels) == 1
    ]


# --- how a latency is spread, on a scale of powers of ten

_SPREAD: Final = Frame(320, 16, left=0, right=0, top=2, bottom=2)
_SCALE: Final = (1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 36_000_000)


class Scale:
    """Places milliseconds from 1 to the longest, by their logarithm."""

    def __init__(self, longest: int) -> None:
        self.marks = tuple(mark for mark in _SCALE if mark <= longest) or (1,)
        self._longest = max(longest * 1.15, 10)

    def at(self, milliseconds: float) -> float:
        """Return the part of the width at which a time stands."""
        return min(math.log(max(milliseconds, 1)) / math.log(self._longest), 1)

    def axis(self) -> Markup:
        """Return the scale itself."""
        return tag(
            "svg",
            *[
                tag("text", lasting(mark), x=_SPREAD.wide * self.at(mark), y=11, class_="start" if not place else "mid")
                for place, mark in enumerate(self.marks)
            ],
            viewBox=f"0 0 {_SPREAD.width} {_SPREAD.height}",
            role="img",
            aria_label="scale of the bars, in powers of ten",
            class_="chart",
        )

    def bar(self, p50: int, p95: int, longest: int) -> Markup:
        """Return the bar of one spread: to the half, on to 95 of 100, and a line to the longest."""
        half, most, all_ = (_SPREAD.wide * self.at(time) for time in (p50, p95, longest))
        words = f"half within {lasting(p50)}, 95 of 100 within {lasting(p95)}, the longest {lasting(longest)}"
        return tag(
            "svg",
            tag("title", words),
            *[
                tag(
                    "line", x1=_SPREAD.wide * self.at(mark), x2=_SPREAD.wide * self.at(mark), y1=0, y2=16, class_="grid"
                )
                for mark in self.marks
            ],
            tag("line", x1=0, x2=all_, y1=8, y2=8, class_="whisker"),
            tag("line", x1=all_, x2=all_, y1=3, y2=13, class_="whisker"),
            tag("rect", x=0, y=4, width=max(most, 1), height=8, class_="p95"),
            tag("rect", x=0, y=4, width=max(half, 1), height=8, class_="p50"),
            viewBox=f"0 0 {_SPREAD.width} {_SPREAD.height}",
            role="img",
            aria_label=words,
            class_="chart",
        )

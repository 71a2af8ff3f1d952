"""What a run found: rows, each a figure beside the floors of its machine, and how they are shown."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from agent_runtime_framework.events import FrameworkError

BEGIN, END = "<!-- the last full run -->", "<!-- end of the run -->"


class Floor(Struct, frozen=True):
    """Is what the machine takes at least, in the unit of its row, and the figure's ratio to it."""

    name: str
    value: float
    ratio: float


class Reach(Struct, frozen=True):
    """Says what is to be reached, by the ratio to the first floor or by the figure itself."""

    limit: float
    at_least: bool = False
    of_ratio: bool = False

    def reached(self, value: float | None) -> bool:
        """Say whether a value reaches it; one that could not be measured never does."""
        if value is None:
            return False
        return value >= self.limit if self.at_least else value <= self.limit


class Row(Struct, frozen=True, kw_only=True):
    """Is one figure of a run.

    Attributes:
        name: by which its measurement is chosen.
        what: what was measured, of what size.
        unit: of the figure and of the floors.
        measured: the median of the rounds; None if it could not be measured, and then `notes` say why.
        floors: of the same run; the ratio is to the first one.
        reach: what is to be reached.
        notes: other figures of the same measurement.
        rounds: the figure in each round.

    """

    name: str
    what: str
    unit: str
    measured: float | None
    reach: Reach
    floors: tuple[Floor, ...] = ()
    notes: str = ""
    rounds: tuple[float, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether it is what it should be."""
        if not self.reach.of_ratio:
            return self.reach.reached(self.measured)
        return self.reach.reached(self.floors[0].ratio if self.floors else None)

    def plain(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {**plain, "reached": self.reached}

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the columns of a table."""
        to_reach = ("at least " if self.reach.at_least else "at most ") + (
            f"{self.reach.limit:g} x" if self.reach.of_ratio else _with(self.reach.limit, self.unit)
        )
        return (
            self.name,
            self.what,
            "not measured" if self.measured is None else _with(self.measured, self.unit),
            ", ".join(f"{_with(floor.value, self.unit)} ({floor.name})" for floor in self.floors),
            ", ".join(f"{floor.ratio:.2f} x" for floor in self.floors),
            to_reach,
            "reached" if self.reached else "missed",
        )


COLUMNS = ("row", "what", "measured", "floor", "ratio", "to reach", "")


class Run(Struct, frozen=True, kw_only=True):
    """Is what one run found, where, and under which settings."""

    date: str
    commit: str
    machine: dict[str, str]
    settings: dict[str, str]
    seconds: float
    rows: tuple[Row, ...]

    def json(self) -> str:
        """Return all of it as JSON."""
        return msgspec.json.format(msgspec.json.encode(self.plain()), indent=2).decode()

    def plain(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {**plain, "rows": [row.plain() for row in self.rows]}

    def head(self) -> Sequence[tuple[str, str]]:
        """Return where and how it was measured, each under its name."""
        return (
            ("date", self.date),
            ("commit", self.commit),
            *self.machine.items(),
            *self.settings.items(),
            ("took", f"{self.seconds:.0f} s"),
        )

    def markdown(self) -> str:
        """Return all of it as two tables and the notes."""
        head = "\n".join(f"| {name} | {value} |" for name, value in self.head())
        rows = "\n".join(f"| {' | '.join(row.cells())} |" for row in self.rows)
        notes = "\n".join(f"- {row.name}, {row.what}: {row.notes}." for row in self.rows if row.notes)
        beside = f"\nBeside these:\n\n{notes}\n" if notes else ""
        line = "|---" * len(COLUMNS)
        return f"| | |\n|---|---|\n{head}\n\n| {' | '.join(COLUMNS)} |\n{line}|\n{rows}\n{beside}"

    def show(self, console: Console) -> None:
        """Print it as a table, and the notes under it."""
        table = Table(*COLUMNS, title=f"{self.commit}, {self.date}, {self.seconds:.0f} s", title_justify="left")
        for row in self.rows:
            *cells, verdict = row.cells()
            table.add_row(*cells, f"[{'green' if row.reached else 'red'}]{verdict}[/]")
        console.print(table)
        for row in self.rows:
            if row.notes:
                console.print(f"{row.name}, {row.what}: {row.notes}", highlight=False)


class Page:
    """Is a page that holds the tables of the last run, between two lines that are comments.

    Raises:
        FrameworkError: there is no such page, or it has no place for them.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FrameworkError(f"the tables cannot be put into {path}, which cannot be read: {error}") from error
        self._before, begin, rest = text.partition(BEGIN)
        _, end, self._after = rest.partition(END)
        if not begin or not end:
            raise FrameworkError(f"{path} has no lines {BEGIN!r} and {END!r}, between which the tables of a run stand")

    def put(self, run: Run) -> None:
        """Put the tables of a run where those of the last one stood."""
        text = f"{self._before}{BEGIN}\n\n{run.markdown()}\n{END}{self._after}"
        self._path.write_text(text, encoding="utf-8")


def row(
    name: str,
    what: str,
    unit: str,
    rounds: Sequence[float],
    reach: Reach,
    *,
    floors: Sequence[tuple[str, Sequence[float]]] = (),
    notes: str = "",
) -> Row:
    """Return a row of medians, of the figure and of each floor, and of the ratios of rounds that took turns."""
    return Row(
        name=name,
        what=what,
        unit=unit,
        measured=median(rounds),
        reach=reach,
        floors=tuple(Floor(floor, median(values), _ratio(rounds, values)) for floor, values in floors),
        notes=notes,
        rounds=tuple(rounds),
    )


def _ratio(rounds: Sequence[float], floor: Sequence[float]) -> float:
    if len(rounds) != len(floor):
        return median(rounds) / median(floor)
    return median(one / other for one, other in zip(rounds, floor, strict=True))


def _with(value: float, unit: str) -> str:
    digits = 0 if value >= 1000 else 1 if value >= 100 else 2
    text = f"{value:,.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}".strip()

"""The answer to a question in SQL: a table or records at a terminal, else values with tabs between, or CSV, or JSON."""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Raw
from rich.cells import cell_len
from rich.text import Text

from ..console import output
from ..console.text import visible
from .spreadsheet import cell

Columns: TypeAlias = Sequence[tuple[str, str]]
Write: TypeAlias = Callable[[Sequence[Sequence[Any]]], None]

WORDS: Final = 20
"""So many columns of a terminal a value is given before a table folds it."""

_encoder = msgspec.json.Encoder(enc_hook=str)


@contextmanager
def printing(columns: Columns, form: str) -> Iterator[Write]:
    """Give what writes rows of an answer to stdout, in parts."""
    if form == "json":
        everything: list[Any] = []
        yield lambda rows: everything.extend(_objects(columns, rows))
        output.write_json(everything, "json")
    elif form == "jsonl":
        yield lambda rows: _write_lines(columns, rows)
    elif form == "csv":
        _write_csv([[name for name, _ in columns]])
        yield _write_csv
    elif sys.stdout.isatty():
        yield _at_terminal(columns)
    else:
        yield _write_tabs


def _write_lines(columns: Columns, rows: Sequence[Sequence[Any]]) -> None:
    for each in _objects(columns, rows):
        output.write_json(each, "jsonl")


def _write_tabs(rows: Sequence[Sequence[Any]]) -> None:
    for row in rows:
        output.write_text("\t".join(_in_a_line(_shown(value)) for value in row))


def _in_a_line(text: str) -> str:
    r"""Return a value on one line: `\t`, `\n` and `\\` stand for a tab, a newline and a backslash."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _write_csv(rows: Sequence[Sequence[Any]]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(map(_cells, rows))
    output.write_code(written.getvalue().removesuffix("\n"))


def _cells(row: Sequence[Any]) -> list[str]:
    return [_shown(value) if isinstance(value, int | float | Decimal) else cell(_shown(value)) for value in row]


def _at_terminal(columns: Columns) -> Write:
    """Return what writes rows as a table, or each column on a line of its own where a table would be unreadable."""
    fits, written = False, 0

    def write(rows: Sequence[Sequence[Any]]) -> None:
        nonlocal fits, written
        if not written:
            fits = output.wide(_room(columns, rows))
        if fits:
            _write_table(columns, rows, heading=not written)
        else:
            _write_records(columns, rows, written)
        written += len(rows)

    return write


def _room(columns: Columns, rows: Sequence[Sequence[Any]]) -> int:
    """Return how many columns of a terminal a table needs where it folds what is longer than a word or two."""
    longest = [cell_len(name) for name, _ in columns]
    for row in rows:
        longest = [max(found, cell_len(_shown(value))) for found, value in zip(longest, row, strict=True)]
    return sum(min(found, WORDS) for found in longest) + 2 * (len(longest) - 1)


def _write_records(columns: Columns, rows: Sequence[Sequence[Any]], before: int) -> None:
    names = [visible(_in_a_line(name)) for name, _ in columns]
    room = max(map(cell_len, names))
    for number, row in enumerate(rows, before + 1):
        if number > 1:
            output.write_text("")
        output.write_text(f"row {number}")
        for name, value in zip(names, row, strict=True):
            output.write_text(f"{name}{' ' * (room - cell_len(name))}  {_in_a_line(_shown(value))}".rstrip())


def _write_table(columns: Columns, rows: Sequence[Sequence[Any]], *, heading: bool) -> None:
    table = output.table(heading=heading)
    for name, kind in columns:
        number = kind.startswith(("BIGINT", "INTEGER", "HUGEINT", "DOUBLE", "DECIMAL", "UBIGINT", "FLOAT"))
        table.add_column(Text(visible(name)), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(_shown(value))) for value in row))
    output.write_table(table)


def _shown(value: Any) -> str:
    """Return a value as text; nothing for NULL."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(" ", "milliseconds" if value.microsecond % 1000 == 0 else "microseconds")
        case bytes():
            return value.hex()
        case list() | dict() | tuple():
            return _encoder.encode(_plain(value)).decode()
        case _:
            return str(value)


def _objects(columns: Columns, rows: Sequence[Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows as objects; a name that stands there twice gets a number."""
    names: list[str] = []
    for name, _ in columns:
        times = sum(name == other for other, _ in columns[: len(names)])
        names.append(f"{name}_{times}" if times else name)
    kinds = [kind for _, kind in columns]
    for row in rows:
        yield {
            name: Raw(value.encode()) if kind == "JSON" and isinstance(value, str) else _plain(value)
            for name, kind, value in zip(names, kinds, row, strict=True)
        }


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: times in UTC, numbers as numbers."""
    match value:
        case datetime(tzinfo=None):
            return f"{value.isoformat(timespec='milliseconds' if value.microsecond % 1000 == 0 else 'microseconds')}Z"
        case Decimal():
            return Raw(str(value).encode()) if value.is_finite() else None
        case float() if not isfinite(value):
            return None
        case list() | tuple():
            return [_plain(each) for each in value]
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case None | int() | float() | str() | bytes() | date() | time() | timedelta() | UUID():
            return value
        case _:
            return str(value)

"""Rows as they are written: what each is about in a column of its own, the words beside it, under headings."""

import sys
from collections.abc import Iterable
from typing import Final, NamedTuple

from rich.console import Console
from rich.text import Text

from ..console import output

NARROW: Final = 16
"""Columns that the words are given at the narrowest terminal."""

LABEL: Final = 10
"""Columns of what a row is about."""


class Row(NamedTuple):
    """Is a row: what it is about, the words, and how they look."""

    label: str
    text: str
    style: str = ""


def row_writer() -> "RowWriter":
    """Return a writer that suits stdout."""
    return _AtTerminal() if sys.stdout.isatty() else RowWriter()


class RowWriter:
    """Writes to what is no terminal: no line is broken but where a text has one; blocks stand apart."""

    def __init__(self) -> None:
        self._block = ""

    def heading(self, text: str) -> None:
        """Write what a block begins with."""
        self._begin("heading")
        self._bold(text)

    def rows(self, rows: Iterable[Row]) -> None:
        """Write the rows of a block."""
        self._block = "rows"
        self._table(rows)

    def beside(self, rows: Iterable[Row]) -> None:
        """Write the rows of what is part of no turn."""
        if self._block != "beside":
            self._begin("beside")
        self._table(rows)

    def _begin(self, block: str) -> None:
        if self._block:
            self._bold("")
        self._block = block

    def _bold(self, text: str) -> None:
        output.write_code(text)

    def _table(self, rows: Iterable[Row]) -> None:
        for row in rows:
            first, *more = row.text.split("\n")
            output.write_code(f"{row.label:>{LABEL}} {first}".rstrip())
            for line in more:
                output.write_code(f"{'':>{LABEL}} {line}".rstrip())


class _AtTerminal(RowWriter):
    """Writes to a terminal: in colours, and wrapped beside what a row is about."""

    def __init__(self) -> None:
        super().__init__()
        self._console: Console = output.stdout()

    def _bold(self, text: str) -> None:
        self._console.print(Text(text, "bold"))

    def _table(self, rows: Iterable[Row]) -> None:
        block, room = Text(), max(self._console.width - LABEL - 1, NARROW)
        for row in rows:
            label = row.label
            for line in Text(row.text, row.style).wrap(self._console, room, overflow="fold"):
                block.append(f"{label:>{LABEL}} ", "dim").append_text(line).append("\n")
                label = ""
        # printed at once, because each print costs more than the lines in it
        self._console.print(block, end="", no_wrap=True, overflow="ignore", crop=False)

"""What goes to stdout, and what goes to stderr.

Stdout gets data only: text for people through rich, or JSON, which is UTF-8 whatever the terminal's encoding is.
Stderr gets everything else, a line at a time.
"""

import contextlib
import os
import sys
from collections.abc import AsyncIterable
from typing import Any, Final, NoReturn, TextIO

import msgspec
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from .options import Form
from .text import one_line, visible, without_password

UNFOLDED: Final = 1_000_000
"""So many columns a table has at most that is folded nowhere."""


class ClosedPipe(Exception):
    """Raised when nobody reads stdout any more: no error, there is just nothing left to do."""


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise ClosedPipe


def stdout() -> Console:
    """Return a console on stdout: no escape sequences where it is no terminal or `NO_COLOR` is set, markup off."""
    plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    return _Console(file=sys.stdout, color_system=None if plain else "auto", markup=False, highlight=False, emoji=False)


def authors_prints_apart() -> "contextlib.redirect_stdout[TextIO]":
    """Send to stderr what author code prints while the block runs, so that stdout has data only."""
    return contextlib.redirect_stdout(sys.stderr)


def wide(columns: int) -> bool:
    """Say whether a line may have so many columns: at a terminal that has them, and wherever else stdout goes."""
    return not sys.stdout.isatty() or stdout().width >= columns


def write_table(table: Table) -> None:
    """Write a table: folded into the terminal, but where stdout is none, each row on one line, as long as that is."""
    console = stdout()
    if sys.stdout.isatty():
        console.print(table)
        return
    console.width = max(1, Measurement.get(console, console.options.update(max_width=UNFOLDED), table).maximum)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        write_code(line.rstrip())


def table(*, heading: bool = True) -> Table:
    """Return an empty table as all of ours look."""
    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", show_header=heading)


def write_either(text: str, data: Any, form: Form) -> None:
    """Write what came of a command: as text, or as data in another form."""
    if form == "text":
        write_text(text)
    else:
        write_json(data, form)


def write_text(text: str) -> None:
    """Write text and a newline, whatever its width, with control characters written out."""
    try:
        sys.stdout.write(f"{visible(text)}\n")
    except BrokenPipeError:
        raise ClosedPipe from None


def write_code(text: str) -> None:
    """Write text that a program reads as it is."""
    try:
        sys.stdout.write(f"{text}\n")
    except BrokenPipeError:
        raise ClosedPipe from None


def write_bytes(data: bytes) -> None:
    """Write bytes that a program reads as they are."""
    try:
        sys.stdout.buffer.write(data)
    except BrokenPipeError:
        raise ClosedPipe from None


def write_piece(text: str) -> None:
    """Write a piece of text, with control characters written out, so that it is seen now."""
    try:
        sys.stdout.write(visible(text))
        sys.stdout.flush()
    except BrokenPipeError:
        raise ClosedPipe from None


def write_json(value: Any, form: Form) -> None:
    """Write one value: as a document of its own (`json`), or on one line (`jsonl`)."""
    data = msgspec.json.encode(value)
    _write(data if form == "jsonl" else msgspec.json.format(data, indent=2))


async def write_all(values: AsyncIterable[Any], form: Form) -> None:
    """Write many values: as one list (`json`), or each on a line as it comes (`jsonl`)."""
    if form == "json":
        write_json([value async for value in values], form)
        return
    async for value in values:
        write_json(value, form)


def flush() -> None:
    """See that all data was taken.

    Raises:
        ClosedPipe: nobody reads it.

    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise ClosedPipe from None


def discard_stdout() -> None:
    """Let go of a stdout that nobody reads, so that Python does not complain of it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    """Write one line to stderr, without passwords; nothing happens where nobody reads it any more."""
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(f"{one_line(without_password(text))}\n")
        sys.stderr.flush()


def _write(data: bytes) -> None:
    write_bytes(data + b"\n")

"""`arf log`: what is recorded of a conversation, one event a line."""

from collections.abc import AsyncIterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...events import check_token
from ...projections import Recorded
from . import output
from .options import Options
from .place import reading
from .summary import Summaries
from .times import iso, local

WIDE = 60
"""Columns from which time and turn are shown, too."""

_STYLES = {
    "user.spoke": "cyan",
    "agent.spoke": "green",
    "step.entered": "magenta",
    "tool.failed": "red",
    "model.failed": "red",
    "turn.failed": "red",
    "turn.cancelled": "red",
    "command.refused": "red",
}


def as_data(recorded: Recorded) -> dict[str, Any]:
    """Return one event as plain data, its own fields under `data`."""
    return {
        "id": recorded.id,
        "version": recorded.version,
        "type": recorded.type,
        "time": iso(recorded.time),
        "turn": recorded.turn,
        "cause": recorded.event.cause,
        "data": recorded.data,
    }


async def show_log(options: Options, conversation: str) -> None:
    """Write the events of a conversation to stdout."""
    check_token(conversation, "conversation id")
    async with reading(options) as client:
        events = client.events(conversation)
        if options.output != "text":
            await output.write_all(_data(events), options.output)
            return
        console, summaries = output.stdout(), Summaries()
        async for recorded in events:
            console.print(_line(recorded, summaries.of(recorded), console.width))


async def _data(events: AsyncIterator[Recorded]) -> AsyncIterator[dict[str, Any]]:
    async for recorded in events:
        yield as_data(recorded)


def _line(recorded: Recorded, summary: str, width: int) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{recorded.version:>4} ", "dim")
    if width >= WIDE:
        line.append(f"{local(recorded.time)} {recorded.turn:>3} ", "dim")
    line.append(f"{recorded.type:<15}", _STYLES.get(recorded.type, ""))
    return line.append(f" {summary}")


def print_table(console: Console, events: list[Recorded]) -> None:
    """Print the events as a table with a heading."""
    wide = console.width >= WIDE
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("#", justify="right", style="dim", no_wrap=True)
    if wide:
        table.add_column("time", style="dim", no_wrap=True)
        table.add_column("turn", justify="right", style="dim", no_wrap=True)
    table.add_column("event", no_wrap=True)
    table.add_column("what", no_wrap=True, overflow="ellipsis", ratio=1)
    summaries = Summaries()
    for recorded in events:
        event = Text(recorded.type, _STYLES.get(recorded.type, ""))
        when = (local(recorded.time), str(recorded.turn)) if wide else ()
        table.add_row(str(recorded.version), *when, event, Text(summaries.of(recorded)))
    console.print(table)

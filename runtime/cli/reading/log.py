"""`arf log`: what is recorded of a conversation, one event a line."""

import sys
from collections.abc import AsyncIterator
from typing import Any

from rich.console import Console
from rich.text import Text

from ....events import check_token
from ....projections import Recorded
from ...wire import Queued, place_in_line
from ..console import output
from ..console.options import Options
from ..console.place import reading
from .progress import progress
from .summary import Summaries
from .times import iso, local
from .withheld import say_withheld

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
    # lines that come at a terminal are progress enough
    quiet = options.output != "json" and sys.stdout.isatty()
    async with progress("reading events", shown=not quiet) as read, reading(options) as client:
        await say_withheld(client, conversation)
        events = read.of(client.events(conversation))
        if options.output != "text":
            await output.write_all(_data(events), options.output)
            return
        console, summaries = output.stdout(), Summaries()
        async for recorded in events:
            print_line(console, recorded, summaries.of(recorded))


async def _data(events: AsyncIterator[Recorded]) -> AsyncIterator[dict[str, Any]]:
    async for recorded in events:
        yield as_data(recorded)


def print_table(console: Console, events: list[Recorded]) -> None:
    """Print the events as a table with a heading."""
    summaries, room = Summaries(), max(len(recorded.type) for recorded in events)
    when = f"{'time':<8} turn " if console.width >= WIDE else ""
    _print_cut(console, Text(f"   # {when}{'event':<{room}} what", "bold"))
    for recorded in events:
        _print_cut(console, _line(recorded, summaries.of(recorded), console.width, room))


def print_line(console: Console, recorded: Recorded, summary: str) -> None:
    """Print one event on one line."""
    _print_cut(console, _line(recorded, summary, console.width))


def print_queued(console: Console, queued: Queued) -> None:
    """Print on one line that a message waits."""
    why = queued.reason or place_in_line(queued)
    _print_cut(console, Text(f"     queued: message {queued.message_id}: {why}", "dim"))


def _print_cut(console: Console, line: Text) -> None:
    console.print(line, no_wrap=True, overflow="ellipsis")


def _line(recorded: Recorded, summary: str, width: int, room: int = 15) -> Text:
    """Return the line of an event; its type is given `room` columns, which most need."""
    line = Text()
    line.append(f"{recorded.version:>4} ", "dim")
    if width >= WIDE:
        line.append(f"{local(recorded.time)} {recorded.turn:>4} ", "dim")
    line.append(f"{recorded.type:<{room}}", _STYLES.get(recorded.type, ""))
    return line.append(f" {summary}")

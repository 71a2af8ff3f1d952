"""`arf list`: the conversations of a namespace."""

import sys
from collections.abc import AsyncIterator
from typing import Any

from rich.table import Table
from rich.text import Text

from ...opening import NoNamespace
from ...summary import Summary
from ..console import output
from ..console.options import Options
from ..console.place import reading
from .log import WIDE
from .progress import progress
from .times import iso, local

FORKS_WIDE = 100
"""Columns from which it is shown what was forked from what: an id that is folded cannot be copied."""


async def show_list(options: Options) -> None:
    """Write the conversations to stdout, the last one active first; as `jsonl` in the order in which they are read."""
    try:
        quiet = options.output == "jsonl" and sys.stdout.isatty()
        async with progress("reading conversations", shown=not quiet) as read, reading(options) as client:
            await _show(options, read.of(client.conversations()))
    except NoNamespace as missing:  # nothing was ever kept in it, so it is as empty as can be
        if options.output == "json":
            output.write_json([], "json")
        output.say(str(missing))


async def _show(options: Options, conversations: AsyncIterator[Summary]) -> None:
    if options.output == "jsonl":
        await output.write_all(_data(conversations), "jsonl")
        return
    found = sorted([summary async for summary in conversations], key=lambda summary: -summary.time)
    if options.output == "json":
        output.write_json([as_data(summary) for summary in found], "json")
    elif found:
        output.write_table(_table(found, wide=output.wide(WIDE)))
    else:
        output.say("no conversations yet")


async def _data(conversations: AsyncIterator[Summary]) -> AsyncIterator[dict[str, Any]]:
    async for summary in conversations:
        yield as_data(summary)


def as_data(summary: Summary) -> dict[str, Any]:
    """Return one conversation as plain data."""
    return {
        "conversation": summary.conversation,
        "agent": summary.agent,
        "step": summary.step,
        "status": summary.status,
        "last_activity": iso(summary.time),
        "turns": summary.turns,
        "version": summary.version,
        "parent": summary.parent,
    }


def _table(found: list[Summary], *, wide: bool) -> Table:
    table = output.table()
    table.add_column("conversation", overflow="fold")
    if wide:
        table.add_column("agent", overflow="fold")
    table.add_column("step", overflow="fold")
    table.add_column("status", no_wrap=True)
    forks = output.wide(FORKS_WIDE) and any(summary.parent for summary in found)
    if wide:
        table.add_column("last activity", no_wrap=True)
        table.add_column("turns", justify="right", no_wrap=True)
    if forks:
        table.add_column("forked from", overflow="fold")
    for summary in found:
        more = (local(summary.time), str(summary.turns)) if wide else ()
        agent = (Text(summary.agent),) if wide else ()
        parent = (Text(summary.parent),) if forks else ()
        table.add_row(Text(summary.conversation), *agent, Text(summary.step), summary.status, *more, *parent)
    return table

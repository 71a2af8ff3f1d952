"""`arf doctor`: what is the case at a place, finding by finding, with what to do."""

import re
from typing import Final

from rich.table import Table
from rich.text import Text

from ...findings import Finding
from ...inspection import inspect
from ..console import output
from ..console.options import Options
from ..console.place import place_of
from ..console.text import one_line

SERVER_ID: Final = re.compile(r", N[A-Z2-7]{55}(?=,)")
"""The id that a server without a name of its own has for one; it tells people nothing."""

MARKS = {
    "ok": ("ok", ""),
    "warning": ("warning", "yellow"),
    "wrong": ("wrong", "bold red"),
    "unknown": ("unknown", "dim"),
}


async def examine(options: Options, *, strict: bool = False) -> int:
    """Write the findings to stdout; return 1 if something is wrong, where it is `strict` also for a warning, else 0."""
    findings = await inspect(place_of(options, create=False))
    if options.output == "text":
        output.write_table(_table(findings))
    elif options.output == "json":
        output.write_json([as_data(finding) for finding in findings], "json")
    else:
        for finding in findings:
            output.write_json(as_data(finding), "jsonl")
    bad = {"wrong", "warning"} if strict else {"wrong"}
    return int(any(finding.status in bad for finding in findings))


def as_data(finding: Finding) -> dict[str, str]:
    """Return one finding as plain data."""
    return {"name": finding.name, "value": finding.value, "status": finding.status, "advice": finding.advice}


def _table(findings: tuple[Finding, ...]) -> Table:
    table = output.table(heading=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.status]
        value = SERVER_ID.sub("", finding.value)
        words = f"{value}: {finding.advice}" if finding.advice else value
        table.add_row(Text(mark, style=style), Text(finding.name), Text(one_line(words)))
    return table

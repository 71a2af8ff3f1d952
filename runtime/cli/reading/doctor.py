"""`arf doctor`: what is the case at a place, finding by finding, with what to do."""

import sys

from rich.table import Table
from rich.text import Text

from ...findings import Finding
from ...inspection import inspect
from ..console import output
from ..console.options import Options
from ..console.place import place_of

MARKS = {
    "ok": ("ok", ""),
    "warning": ("warning", "yellow"),
    "wrong": ("wrong", "bold red"),
    "unknown": ("unknown", "dim"),
}


async def examine(options: Options) -> None:
    """Write the findings to stdout; exit with 1 if something is wrong."""
    findings = await inspect(place_of(options, create=False))
    if options.output == "text":
        output.stdout().print(_table(findings))
    elif options.output == "json":
        output.write_json([as_data(finding) for finding in findings], "json")
    else:
        for finding in findings:
            output.write_json(as_data(finding), "jsonl")
    if any(finding.status == "wrong" for finding in findings):
        sys.exit(1)


def as_data(finding: Finding) -> dict[str, str]:
    """Return one finding as plain data."""
    return {"name": finding.name, "value": finding.value, "status": finding.status, "advice": finding.advice}


def _table(findings: tuple[Finding, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.status]
        words = f"{finding.value}: {finding.advice}" if finding.advice else finding.value
        table.add_row(Text(mark, style=style), Text(finding.name), Text(words))
    return table

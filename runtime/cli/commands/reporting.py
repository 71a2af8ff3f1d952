"""The command that writes a report for people who were not there."""

import click

from ..console.options import Options
from ..group import command, run
from .audit import audit
from .seeing import PRICES


@command(
    "report",
    "arf audit report -o report.html",
    "arf audit report --since 7d --prices prices.json -o report.html",
    "arf audit report --agent bot --since 2026-08-01 --until 2026-09-01 -o august.html",
    of=audit,
)
@click.option("--since", metavar="TIME", help="From then on: 7d, 12h, or 2026-08-01T09:30.")
@click.option("--until", metavar="TIME", help="Before then.")
@click.option("--agent", metavar="KEY", help="Conversations of this agent.")
@PRICES
@click.option("-o", "--output", "path", metavar="FILE", required=True, help="Where the page goes; - is stdout.")
def audit_report(
    options: Options, *, since: str | None, until: str | None, agent: str | None, prices: str | None, path: str
) -> int:
    """Write a page of HTML: what was called, and what came of it.

    Calls by tool and verdict over time, failures, refusals, what is in doubt, latency, tokens and cost. The page stands
    alone: it has no script, asks no network, and can be printed. A file that is there is replaced when the page is
    whole. Exits with 1 if a conversation cannot be read; the page names it, and tells of the others.
    """
    from ..reading.reporting import Asked, write_report  # noqa: PLC0415

    return run(write_report(options, Asked(since, until, agent, prices), path))

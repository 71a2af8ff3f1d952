"""Commands that answer an auditor over all conversations; they change nothing."""

import click

from ..console.options import Options
from ..group import command, group, run
from .seeing import PRICES


@group("audit", "arf audit tools", "arf audit tools --verdict denied --since 7d", "arf audit tools -o csv > calls.csv")
def audit(options: Options) -> int:  # noqa: ARG001  there is nothing to do alone
    """Answer an auditor: what was done, over all conversations."""
    click.echo(click.get_current_context().get_help(), err=True)
    return click.UsageError.exit_code


@command(
    "tools",
    "arf audit tools",
    "arf audit tools --tool pay --arg amount=12 --since 7d",
    "arf audit tools --verdict denied,in_doubt -o jsonl | jq -c '[.conversation, .call]'",
    "arf audit tools --agent bot --prices prices.json -o csv > calls.csv",
    of=audit,
)
@click.option("--tool", "tools", metavar="NAME", multiple=True, help="Calls of this tool.")
@click.option("--agent", "agents", metavar="KEY", multiple=True, help="Conversations of this agent.")
@click.option("--conversation", "conversations", metavar="ID", multiple=True, help="This conversation.")
@click.option(
    "--verdict",
    "verdicts",
    metavar="VERDICT,...",
    multiple=True,
    help="run, in_doubt, not_offered, invalid, denied, unknown, not_run or undecided.",
)
@click.option(
    "--outcome",
    "outcomes",
    metavar="OUTCOME,...",
    multiple=True,
    help="returned, or the kind of failure, such as error or timeout; none for what is not over.",
)
@click.option("--since", metavar="TIME", help="Chosen since then: 7d, 12h, or 2026-08-01T09:30.")
@click.option("--until", metavar="TIME", help="Chosen before then.")
@click.option(
    "--arg",
    "arguments",
    metavar="NAME=VALUE",
    multiple=True,
    help="With this argument; dots lead into it, as in order.id=7. Of several all must fit.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest so many.")
@PRICES
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["text", "json", "jsonl", "csv"]),
    help="Form of the data on stdout; otherwise text.",
)
def audit_tools(
    options: Options,
    *,
    tools: tuple[str, ...],
    agents: tuple[str, ...],
    conversations: tuple[str, ...],
    verdicts: tuple[str, ...],
    outcomes: tuple[str, ...],
    since: str | None,
    until: str | None,
    arguments: tuple[str, ...],
    limit: int | None,
    prices: str | None,
    form: str | None,
) -> int:
    """Print what tools were called, and what came of it.

    One call a line, over all conversations, the newest last: what was decided of each and what it came to; `arf why`
    tells all of one. Of a filter that is given several
    times any one will do, but for --arg. A value of --arg is compared as JSON where it is some, and as text: 12 fits
    the number and the text. As csv a cell that a spreadsheet would take for a formula has an apostrophe before it.
    Exits with 1 if a conversation cannot be read; the others are told all the same.
    """
    from ..reading.auditing import Listing, show_tools  # noqa: PLC0415
    from ..reading.wanted import Filters  # noqa: PLC0415

    typed = Filters(
        tools=tools,
        agents=agents,
        conversations=conversations,
        verdicts=verdicts,
        outcomes=outcomes,
        since=since,
        until=until,
        arguments=arguments,
    )
    return run(show_tools(options, typed, Listing(form or options.output, limit, prices)))

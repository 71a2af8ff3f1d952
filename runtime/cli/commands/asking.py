"""Commands that ask all conversations at once."""

import click

from ..console.options import Options
from ..group import command, run


@command(
    "sql",
    'arf sql "select tool, verdict, count(*) from tool_calls group by all"',
    "arf sql --schema",
    "arf sql - -o csv < question.sql",
    'arf sql --parquet tables "select sum(tokens) from turns"',
)
@click.argument("query", required=False)
@click.option("--schema", is_flag=True, help="Print the tables and their columns.")
@click.option("--parquet", "directory", metavar="DIR", help="Ask what `arf export --parquet DIR` wrote, not the log.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["text", "json", "jsonl", "csv"]),
    help="Form of the data on stdout; otherwise text.",
)
def sql(options: Options, query: str | None, directory: str | None, form: str | None, *, schema: bool) -> int:
    """Ask all conversations in SQL.

    It is the SQL of DuckDB, about the tables events, turns, model_calls, tool_calls, steps and conversations. `-` reads
    the question from stdin. It is one SELECT, and can read nothing else. Where it is piped, an answer is lines of
    values with tabs between, without a heading. This needs the extra `analytics`.
    """
    from ..reading.sql import ask, show_schema  # noqa: PLC0415

    wanted = form or options.output
    if schema and query is not None:
        raise click.UsageError("ask a question, or give --schema", click.get_current_context())
    if query is None:
        return run(lambda: show_schema(wanted))
    return run(ask(options, query, directory, wanted))

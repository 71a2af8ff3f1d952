"""`arf sql`: a question to all conversations, answered by DuckDB."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table as RichTable

from ....projections.tables import TABLES, Table
from ...analytics import duck
from ...analytics.export import files_of, in_passing, tables_in
from ...analytics.processes import export_all
from ...analytics.question import Question, begin, question, rows, tables_of
from ..console import output
from ..console.options import Options
from ..console.place import place_of, reading
from ..console.stdin import text_of
from .answers import printing
from .progress import event_progress, progress

MANY = 1_000
"""So many rows are fetched at once."""


async def ask(options: Options, sql: str, directory: str | None, form: str) -> int:
    """Write the answer to a question to stdout, and return the exit code.

    Raises:
        InvalidInput: it is no question, or cannot be answered.
        NoDuckDB: DuckDB is not installed.

    """
    asked = question(text_of(sql))
    if directory is not None:
        await _answer(asked, files_of(Path(directory)), form)
        return 0
    if not asked.tables:
        await _answer(asked, {}, form)
        return 0
    async with reading(options) as client, in_passing(client.substrate, asked.tables) as export:
        async with event_progress("reading", total=export.behind) as done:
            place = place_of(options, create=False)
            exported = await export_all(client.substrate, place, export.jobs, export.behind, done.add)
        await _answer(asked, tables_in(export.new), form)
    withheld = sum(one.withheld for one in exported.values())
    if withheld:
        whose = "1 conversation is" if withheld == 1 else f"{withheld} conversations are"
        output.say(f"{whose} sealed: their content is not in the answer; set ARF_MASTER_KEY")
    faults = [fault for shard in sorted(exported) for fault in exported[shard].faults]
    for fault in faults:
        output.say(f"error: {fault}; it is not in the answer")
    return 1 if faults else 0


async def _answer(asked: Question, files: Mapping[str, Sequence[Path]], form: str) -> None:
    with duck.asking(tables_of(files, asked)) as connection:
        async with progress("asking"):
            answer = await duck.interruptible(connection, lambda: begin(connection, asked))
        found, some = await duck.interruptible(connection, lambda: rows(connection, MANY)), False
        with printing(answer.columns, form) as write:
            while found:
                some = True
                write(found)
                found = await duck.interruptible(connection, lambda: rows(connection, MANY))
    if not some:
        output.say("no rows")


def show_schema(form: str) -> None:
    """Write the tables and their columns to stdout."""
    if form in ("text", "csv"):
        for table in TABLES.values():
            output.write_text(f"{table.name}: {table.about}")
            output.write_table(_columns(table))
            output.write_text("")
        return
    for table in TABLES.values() if form == "jsonl" else ():
        output.write_json(_as_data(table), "jsonl")
    if form == "json":
        output.write_json([_as_data(table) for table in TABLES.values()], "json")


def _columns(table: Table) -> RichTable:
    shown = output.table(heading=False)
    for column in table.columns:
        shown.add_row(f"  {column.name}", column.type, column.about)
    return shown


def _as_data(table: Table) -> dict[str, object]:
    columns = [
        {"name": column.name, "type": column.type, "content": column.content, "about": column.about}
        for column in table.columns
    ]
    return {"table": table.name, "about": table.about, "columns": columns}

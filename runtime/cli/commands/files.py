"""Commands that take conversations out of a place and into another, as files."""

import click

from ..console.options import Options
from ..group import command, run

_FORMS = ("text", "json", "jsonl")


@command(
    "export",
    "arf export c-1 -o c-1.jsonl",
    "arf export --all -o all.jsonl",
    "arf export c-1 | arf import - --namespace test",
    "arf export --parquet tables",
)
@click.argument("conversations", metavar="[CONVERSATION...]", nargs=-1)
@click.option("-o", "--output", "file", metavar="FILE", help="Where to; otherwise, and for `-`, stdout.")
@click.option("--all", "all_", is_flag=True, help="Every conversation.")
@click.option(
    "--parquet", "directory", metavar="DIR", help="Write tables of all conversations, or what is new in them."
)
def export(
    options: Options, conversations: tuple[str, ...], file: str | None, directory: str | None, *, all_: bool
) -> int:
    """Write conversations to a file, to replay them elsewhere.

    With all that is needed for that, events and hashes, as JSON lines. FILE is replaced if it is there, once all is
    written; until then, and if something goes wrong, it stays as it was. A turn in progress is written as far as it is.

    With --parquet the events, turns, model calls, tool calls, steps and conversations are written as tables, to
    DIR/current/<table>/*.parquet, for `arf sql --parquet DIR` and whatever else reads Parquet. Run again it adds what
    is new, and takes out the words of what was erased.
    """
    from ..replaying.files import export_logs  # noqa: PLC0415

    context = click.get_current_context()
    if directory is not None:
        return _export_tables(options, directory, alone=not conversations and file is None)
    if all_ == bool(conversations):
        raise click.UsageError("name conversations, or give --all", context)
    if options.output == "json" or file in _FORMS:
        raise click.UsageError(
            f"what is exported always is JSON lines, and -o names a file{f': write ./{file} for it' if file else ''}",
            context,
        )
    return run(export_logs(options, None if all_ else conversations, None if file == "-" else file))


def _export_tables(options: Options, directory: str, *, alone: bool) -> int:
    from ..replaying.tables import export_tables  # noqa: PLC0415

    if not alone or options.output != "text":
        raise click.UsageError("--parquet DIR takes every conversation, and no -o", click.get_current_context())
    if not directory:
        raise click.UsageError("--parquet names a directory", click.get_current_context())
    return run(export_tables(options, directory))


@command("import", "arf import c-1.jsonl", "arf import logs/*.jsonl --namespace test")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def import_(options: Options, files: tuple[str, ...]) -> int:
    """Store conversations that `arf export` wrote to files.

    `-` is stdin.
    Each conversation is checked whole before any of it is written. One that is there already is left; one that is
    there with other events is refused, and the others are imported. Nobody is woken: a conversation goes on, also with
    a turn that was in progress, when somebody says something in it.
    """
    from ..replaying.files import import_logs, sources  # noqa: PLC0415

    return run(import_logs(options, sources(files)))

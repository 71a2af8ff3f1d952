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
)
@click.argument("conversations", metavar="[CONVERSATION...]", nargs=-1)
@click.option("-o", "--output", "file", metavar="FILE", help="Where to; otherwise, and for `-`, stdout.")
@click.option("--all", "all_", is_flag=True, help="Every conversation.")
def export(options: Options, conversations: tuple[str, ...], file: str | None, *, all_: bool) -> int:
    """Write conversations to a file, to replay them elsewhere.

    With all that is needed for that, events and hashes, as JSON lines. FILE is replaced if it is there, once all is
    written; until then, and if something goes wrong, it stays as it was. A turn in progress is written as far as it is.
    """
    from ..replaying.files import export_logs  # noqa: PLC0415

    context = click.get_current_context()
    if all_ == bool(conversations):
        raise click.UsageError("name conversations, or give --all", context)
    if options.output == "json" or file in _FORMS:
        raise click.UsageError(
            f"what is exported always is JSON lines, and -o names a file{f': write ./{file} for it' if file else ''}",
            context,
        )
    return run(export_logs(options, None if all_ else conversations, None if file == "-" else file))


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

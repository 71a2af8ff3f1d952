"""Commands that seal what is recorded, and verify it."""

from pathlib import Path

import click

from ..console.options import Options
from ..group import command, run
from .audit import audit

_file = click.Path(dir_okay=False, path_type=Path)


@command(
    "verify",
    "arf audit verify c-1",
    "arf audit verify --all -o json",
    "arf audit verify --seal seals.jsonl --key seal.pub.pem",
    "arf audit verify --file c-1.jsonl",
    of=audit,
)
@click.argument("conversations", metavar="[CONVERSATION...]", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="Every conversation, and the streams that hold them.")
@click.option("--seal", type=_file, metavar="FILE", help="Compare all with what was sealed in this file.")
@click.option(
    "--key", "keys", type=_file, multiple=True, metavar="PUBLIC.pem", help="Who seals; otherwise the key in the file."
)
@click.option("--file", "files", type=_file, multiple=True, metavar="FILE", help="A log file, instead of a place.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
def verify(
    options: Options,
    conversations: tuple[str, ...],
    seal: Path | None,
    keys: tuple[Path, ...],
    files: tuple[Path, ...],
    *,
    all_: bool,
    strict: bool,
) -> int:
    """Check that what is stored is what was recorded, byte for byte.

    Of each conversation that does not fit, the first frame that does not is named. With --seal also what was dropped,
    cut off or rewritten so that it fits, since it was sealed, and how much is not sealed yet. Exits with 1 if anything
    does not fit.
    """
    from ..reading.verifying import Wanted, verify_files, verify_place  # noqa: PLC0415

    ctx = click.get_current_context()
    if files:
        if conversations or all_ or seal or keys:
            raise click.UsageError("--file is for log files alone", ctx)
        return run(lambda: verify_files(options, files))
    if keys and not seal:
        raise click.UsageError("--key is for --seal FILE", ctx)
    if bool(conversations) == (all_ or seal is not None):
        raise click.UsageError("name conversations, or give --all or --seal FILE, which is about all", ctx)
    return run(verify_place(options, Wanted(conversations, seal, keys, strict=strict)))


@command("seal", "arf audit seal --key seal.pem -o seals.jsonl", of=audit)
@click.option("--key", envvar="ARF_SEAL_KEY", required=True, metavar="FILE", help="Ed25519 key, or ARF_SEAL_KEY.")
@click.option(
    "-o", "--output", "file", envvar="ARF_SEAL_FILE", metavar="FILE", help="Where seals are kept, or ARF_SEAL_FILE."
)
def seal(options: Options, key: str, file: str | None) -> int:
    """Seal where every conversation ends now, and print the seal.

    It is signed by the key, stored in the log, and appended to the file with the heads that changed. `arf worker
    --seal-key` makes one every 10 minutes.
    """
    from ..talking.sealing import make_seal  # noqa: PLC0415

    return run(make_seal(options, key, file))

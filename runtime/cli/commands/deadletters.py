"""Commands about commands that no worker is given again."""

import click

from ..console.options import Options
from ..group import command, group, run


@group("deadletters", "arf deadletters", "arf deadletters show c-1/m-1", "arf deadletters retry c-1/m-1")
def deadletters(options: Options) -> int:
    """Print the dead letters, which no worker is given again.

    The turn of such a command ended worker after worker, or nobody can decode it. Each is named CONVERSATION/ID.
    """
    from ..reading.deadletters import show_letters  # noqa: PLC0415

    return run(show_letters(options))


_letter = click.argument("letter", metavar="[CONVERSATION/ID]", required=False)


@command("show", "arf deadletters show c-1/m-1", "arf deadletters show c-1/m-1 -o json", of=deadletters)
@click.argument("letter", metavar="CONVERSATION/ID")
def show_letter(options: Options, letter: str) -> int:
    """Print a dead letter: what was sent to whom, and what was wrong."""
    from ..reading.deadletters import show_letter as shown  # noqa: PLC0415

    return run(shown(options, letter))


@command("retry", "arf deadletters retry c-1/m-1", "arf deadletters retry --all", of=deadletters)
@_letter
@click.option("--all", "all_", is_flag=True, help="Every one that can be sent again.")
def retry(options: Options, letter: str | None, *, all_: bool) -> int:
    """Send the message of a dead letter again under a new id, print the id, and remove the letter."""
    from ..talking.deadletters import retry as retried  # noqa: PLC0415

    return run(retried(options, _one_or_all(letter, all_=all_)))


@command("drop", "arf deadletters drop c-1/m-1", "arf deadletters drop --all", of=deadletters)
@_letter
@click.option("--all", "all_", is_flag=True, help="Every one.")
def drop(options: Options, letter: str | None, *, all_: bool) -> int:
    """Remove a dead letter; its command is then gone for good."""
    from ..talking.deadletters import drop as dropped  # noqa: PLC0415

    return run(dropped(options, _one_or_all(letter, all_=all_)))


def _one_or_all(letter: str | None, *, all_: bool) -> str | None:
    """Return the one that was named, None for all of them."""
    if all_ == (letter is not None):
        raise click.UsageError("name one dead letter, or give --all", click.get_current_context())
    return letter

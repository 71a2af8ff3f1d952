"""The command that takes away for good what was said."""

import click

from ..console.options import Options
from ..group import command, run


@command(
    "erase",
    "arf erase c-1 --reason 'asked by the customer'",
    "arf erase c-1 --reason 'case 4711' --with-forks --yes -o json > receipt.json",
)
@click.argument("conversation")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is recorded, and stays readable.")
@click.option("--with-forks", is_flag=True, help="Erase what was forked from it, too.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where stdin is no terminal.")
def erase(options: Options, conversation: str, reason: str, *, with_forks: bool, yes: bool) -> int:
    """Take away for good what was said in CONVERSATION.

    That it was there, its structure and its hashes stay; where it was sealed, its key is overwritten, otherwise every
    frame before its erasure. The receipt that is printed names every place that was touched, and what is out of reach.
    It cannot be undone. Done again it completes what was cut off.
    """
    from ..talking.erasing import erase as erased  # noqa: PLC0415

    return run(erased(options, conversation, reason, with_forks=with_forks, yes=yes))

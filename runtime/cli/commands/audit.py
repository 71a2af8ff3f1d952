"""Commands for who has to answer for what happened."""

import click

from ..console.options import Options
from ..group import group


@group("audit", "arf audit verify --all", "arf audit seal --key seal.pem -o seals.jsonl")
def audit(options: Options) -> int:  # noqa: ARG001  every command takes the options
    """Show that nobody rewrote what is recorded."""
    click.echo(click.get_current_context().get_help(), err=True)
    return click.UsageError.exit_code

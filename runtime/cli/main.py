"""The door of the command line: one command is run, and an error comes to one line and an exit code."""

from collections.abc import Sequence

import click

from . import commands as _commands  # noqa: F401  so that the group has them
from .console.options import Options
from .group import arf

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code; an error is one line on stderr."""
    options = Options()
    try:
        code = arf.main(arguments, prog_name="arf", standalone_mode=False, obj=options)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  the last to hear of it
        return _failed(error, debug=options.debug)
    return code if isinstance(code, int) else 0


def _failed(error: Exception, *, debug: bool) -> int:
    """Say what went wrong, and return the exit code."""
    import traceback  # noqa: PLC0415

    from ...events import FrameworkError  # noqa: PLC0415
    from .console.output import say  # noqa: PLC0415

    if debug:
        traceback.print_exception(error)
    match error:
        case FrameworkError():
            say(f"error: {error}")
            return error.exit_code
        case click.UsageError(ctx=click.Context() as ctx):
            say(f"error: {error.format_message()} (see `{ctx.command_path} --help`)")
            return error.exit_code
        case click.ClickException():
            say(f"error: {error.format_message()}")
            return error.exit_code
        case _:
            hint = "" if debug else "; run again with --debug for the traceback"
            say(f"error: {type(error).__name__}: {error}{hint}")
            return 1

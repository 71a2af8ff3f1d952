"""The command `arf`: the options that all its commands share, and how each becomes one."""

import asyncio
import functools
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import click

from .console.options import Options, shared_options

VERSION = "agent-runtime-framework"


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(
    invoke_without_command=True,
    epilog=_examples(
        "arf demo", "arf new bot", "arf chat bot.py:agent", "arf worker bot.py:agent", "arf log c-1 -o jsonl"
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name=VERSION, prog_name="arf", message="%(prog)s %(version)s")
@click.pass_context
def arf(ctx: click.Context) -> int:
    """Run journey agents, talk to them, and read what happened.

    Conversations are kept on a NATS server: the one at --nats, else one of arf's own, with its data in .arf/.
    Data goes to stdout, everything else to stderr.

    Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        return click.UsageError.exit_code
    return 0


arf.params.extend(shared_options(environment=True))


def command(
    name: str, *examples: str, level: int = logging.WARNING, of: click.Group = arf
) -> Callable[[Callable[..., int]], click.Command]:
    """Return a decorator that makes a function a command, with the shared options and these examples in its help.

    An option of its own takes the place of a shared one of that name.  What the library logs at `level` or above is
    shown while it runs.
    """

    def decorate(function: Callable[..., int]) -> click.Command:
        made = of.command(name, epilog=_examples(*examples))(click.pass_obj(_logged(function, level)))
        own = {name for param in made.params for name in param.opts}
        made.params.extend(one for one in shared_options(environment=False) if own.isdisjoint(one.opts))
        return made

    return decorate


def group(name: str, *examples: str) -> Callable[[Callable[[Options], int]], click.Group]:
    """Return a decorator that makes a function a command as `command` does, which others can be `of`; it runs alone."""

    def decorate(function: Callable[[Options], int]) -> click.Group:
        @functools.wraps(function)
        def alone(options: Options) -> int:
            if click.get_current_context().invoked_subcommand is not None:
                return 0
            return _logged(function, logging.WARNING)(options)

        made = arf.group(name, invoke_without_command=True, epilog=_examples(*examples))(click.pass_obj(alone))
        made.params.extend(shared_options(environment=False))
        return made

    return decorate


def _logged(function: Callable[..., int], level: int) -> Callable[..., int]:
    @functools.wraps(function)
    def logged(options: Options, **given: Any) -> int:
        from .console.logs import log_to_stderr  # noqa: PLC0415  here and below: loaded when a command runs

        log_to_stderr(level, debug=options.debug)
        return function(options, **given)

    return logged


def run(work: Coroutine[Any, Any, int | None] | Callable[[], int | None]) -> int:
    """Do the work, what awaits on a loop of its own, and return the exit code."""
    from .console.output import ClosedPipe, discard_stdout, flush  # noqa: PLC0415
    from .console.signals import until_a_signal  # noqa: PLC0415

    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal may know few characters
    try:
        code = (work() or 0) if callable(work) else asyncio.run(until_a_signal(work))
        flush()
    except ClosedPipe:
        discard_stdout()
        return 0
    return code

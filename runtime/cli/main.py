"""The command `arf`: its commands, their options and help, and what an error comes to.

Each command imports what it needs when it runs, so that the help is there at once.
"""

import asyncio
import functools
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import click

from .options import Options, shared_options

INTERRUPTED = 130

VERSION = "agent-runtime-framework"


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(
    invoke_without_command=True,
    epilog=_examples("arf demo", "arf worker bot.py:agent", "arf send onboarding c-1 'hello'", "arf log c-1 -o jsonl"),
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


def _command(name: str, *examples: str, level: int = logging.WARNING) -> Callable[[Callable[..., int]], click.Command]:
    """Return a decorator that makes a function a command, with the shared options and these examples in its help.

    What the library logs at `level` or above is shown while it runs.
    """

    def decorate(function: Callable[..., int]) -> click.Command:
        @functools.wraps(function)
        def logged(options: Options, **given: Any) -> int:
            from .logs import log_to_stderr  # noqa: PLC0415  here and below: loaded when a command runs

            log_to_stderr(level, debug=options.debug)
            return function(options, **given)

        command = arf.command(name, epilog=_examples(*examples))(click.pass_obj(logged))
        command.params.extend(shared_options(environment=False))
        return command

    return decorate


@_command("demo", "arf demo", r"printf 'hi\nI am Ada\nada@example.org\npro\n' | arf demo")
def demo(options: Options) -> int:
    """Talk to an onboarding agent, and see all that happened.

    At a terminal you type; otherwise each line of stdin is a message. The agent talks to OpenAI if OPENAI_API_KEY or
    OPENAI_BASE_URL is set, else to an offline model.
    """
    from .demo import play  # noqa: PLC0415

    return _run(play(options))


@_command(
    "worker",
    "arf worker bot:agent",
    "arf worker agents/bot.py:make_agent",
    "arf worker bot:agent other:Agents",
    level=logging.INFO,
)
@click.argument("agents", metavar="MODULE:ATTR...", nargs=-1, required=True)
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=200, show_default=True, help="Plain def tools at once."
)
@click.option("--grace", type=click.FloatRange(min=0), default=30.0, show_default=True, help="Seconds to finish in.")
def worker(options: Options, agents: tuple[str, ...], concurrency: int, grace: float) -> int:
    """Answer for agents, until SIGTERM or Ctrl-C.

    What runs then is finished first; a second signal ends that, too.

    MODULE is a dotted module or the path of a file; the current directory is importable. ATTR is an agent, a class of
    one, a list of these, or a function without arguments that returns one.
    """
    from .worker import agents_of, end_of_process, work  # noqa: PLC0415

    found = agents_of(agents)
    code = _run(work(options, found, concurrency=concurrency, grace=grace))
    return end_of_process(code)


@_command("send", "arf send onboarding c-1 'hello'", "arf send onboarding c-1 'hello' --no-wait")
@click.argument("agent")
@click.argument("conversation")
@click.argument("text")
@click.option("--wait/--no-wait", default=True, help="Wait for the reply; or print the command's id at once.")
@click.option("--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds to wait.")
@click.option("--id", "id_", metavar="ID", help="The message's id; sent again under it, it is not said twice.")
def send(
    options: Options, agent: str, conversation: str, text: str, *, wait: bool, timeout: float, id_: str | None
) -> int:
    """Say TEXT to AGENT in CONVERSATION, and print the reply.

    A conversation begins with its first message. A worker must be running for the agent.
    """
    from .send import send as sent  # noqa: PLC0415

    return _run(sent(options, agent, conversation, text, id_=id_, wait=wait, timeout=timeout))


@_command("log", "arf log c-1", "arf log c-1 -o jsonl | jq -c .type")
@click.argument("conversation")
def log(options: Options, conversation: str) -> int:
    """Print what is recorded of CONVERSATION, one event a line."""
    from .log import show_log  # noqa: PLC0415

    return _run(show_log(options, conversation))


@_command("state", "arf state c-1", "arf state c-1 --at 9 -o json")
@click.argument("conversation")
@click.option("--at", type=click.IntRange(min=1), metavar="VERSION", help="As it was after this event.")
def state(options: Options, conversation: str, at: int | None) -> int:
    """Print CONVERSATION as it is, or as it was.

    Its step, its state, what was said, what is owed.
    """
    from .state import show_state  # noqa: PLC0415

    return _run(show_state(options, conversation, at))


@_command("list", "arf list", "arf list -o jsonl", "arf list --nats nats://localhost:4222")
def list_(options: Options) -> int:
    """Print the conversations, the last one active first."""
    from .listing import show_list  # noqa: PLC0415

    return _run(show_list(options))


def _run(work: Coroutine[Any, Any, int | None]) -> int:
    from .output import ClosedPipe, discard_stdout, flush  # noqa: PLC0415
    from .signals import until_a_signal  # noqa: PLC0415

    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal may know few characters
    try:
        code = asyncio.run(until_a_signal(work))
        flush()
    except ClosedPipe:
        discard_stdout()
        return 0
    return code


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
    from .output import say  # noqa: PLC0415

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

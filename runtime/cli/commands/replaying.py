"""Commands that hold today's code to what is recorded."""

from pathlib import Path
from typing import Literal

import click

from ..console.options import Options
from ..group import command, run

IGNORE = click.option(
    "--ignore", metavar="ASPECT,...", default="", help="Tell, but do not count, what differs in these: prompt,tools."
)


@command(
    "replay",
    "arf replay c-1 --agent bot.py:agent",
    "arf replay c-1 c-2 --agent bot:agent --ignore prompt,tools",
    "arf replay logs/c-1.jsonl --agent bot:agent --tools run",
    "arf replay c-1 c-2 --agent bot:agent --model live --calls 50",
)
@click.argument("conversations", metavar="CONVERSATION...", nargs=-1, required=True)
@click.option("--agent", metavar="MODULE:ATTR", required=True, help="The agent as it is today; as for `arf worker`.")
@click.option(
    "--tools",
    type=click.Choice(["log", "run"]),
    default="log",
    show_default=True,
    help="Take what tools came to from the log, or really run them, on a state of the replay's own.",
)
@IGNORE
@click.option(
    "--model",
    type=click.Choice(["live"]),
    help="Ask the model again at each point, which costs what it costs; without it none is ever asked.",
)
@click.option("--calls", type=click.IntRange(min=1), help="With --model live: so many calls at most; otherwise 100.")
@click.option("--concurrency", type=click.IntRange(min=1), help="With --model live: calls at once; otherwise 4.")
def replay(
    options: Options,
    conversations: tuple[str, ...],
    agent: str,
    tools: Literal["log", "run"],
    ignore: str,
    model: str | None,
    calls: int | None,
    concurrency: int | None,
) -> int:
    """Decide CONVERSATION again with the code of today.

    Where that does something else than was done is printed. CONVERSATION may also be a log file of `arf export`.

    What people said, the model answered and tools came to is taken from the log: no model is asked, no tool is run, and
    nothing is written. So what changed inside a tool shows only with --tools run. What differs in behaviour comes
    first, what the model is given last. Exits with 1 if anything that counts differs.

    With --model live the model is asked again at each point where it was, with the conversation as it was recorded
    until then, and where it chooses otherwise is printed: another tool, other arguments, another step. No tool is run.
    """
    if model is not None:
        return _reask(options, conversations, agent, tools, ignore, calls, concurrency)
    if calls is not None or concurrency is not None:
        raise click.UsageError("--calls and --concurrency are for --model live; without it no model is asked")
    from ..replaying.replaying import show_replays  # noqa: PLC0415

    return run(show_replays(options, conversations, agent, tools=tools, ignore=ignore))


def _reask(
    options: Options,
    conversations: tuple[str, ...],
    agent: str,
    tools: str,
    ignore: str,
    calls: int | None,
    concurrency: int | None,
) -> int:
    if tools != "log" or ignore:
        raise click.UsageError("--model live compares what the model chooses: --tools run and --ignore are not for it")
    from ...replay import BUDGET, CONCURRENCY  # noqa: PLC0415
    from ..replaying.reasking import show_reasked  # noqa: PLC0415

    budget = BUDGET if calls is None else calls
    at_once = CONCURRENCY if concurrency is None else concurrency
    return run(show_reasked(options, conversations, agent, concurrency=at_once, budget=budget))


@command("check", "arf check bot.py:agent", "arf check bot:agent --since 7d --ignore prompt")
@click.argument("agent", metavar="MODULE:ATTR")
@click.option("--since", metavar="TIME", help="Only conversations that were active since, such as 7d, 12h or 30m.")
@IGNORE
def check(options: Options, agent: str, since: str | None, ignore: str) -> int:
    """Say what the code of today would do to open conversations.

    One is stranded if its next message could not be answered, and changed if it would have been led otherwise; `arf
    replay` shows all of that. No model is asked, no tool is run, and nothing is written. Exits with 1 if there is any.
    """
    from ..replaying.checking import show_check  # noqa: PLC0415

    return run(show_check(options, agent, since=since, ignore=ignore))


@command("save-test", "arf save-test c-1 --agent bot.py:agent", "arf save-test c-1 --update")
@click.argument("conversations", metavar="CONVERSATION...", nargs=-1, required=True)
@click.option("--agent", metavar="MODULE:ATTR", help="The agent that the test replays; needed for the first test only.")
@click.option(
    "--to",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the test goes; otherwise tests/, or the current directory if there is none.",
)
@click.option("--update", is_flag=True, help="Write a log anew that is there and has gone on since.")
def save_test(
    options: Options, conversations: tuple[str, ...], agent: str | None, directory: Path | None, *, update: bool
) -> int:
    """Keep CONVERSATION as a test of the agent.

    Its log goes to logs/AGENT/ beside the test, which pytest runs, and which replays each log there without a model.
    """
    from ..replaying.saving import save_test as saved  # noqa: PLC0415

    tests = directory if directory is not None else Path("tests") if Path("tests").is_dir() else Path()
    return run(saved(options, conversations, agent=agent, directory=tests, update=update))

"""Commands that show what happened in a conversation, and why; they change nothing."""

import click

from ..console.options import Options
from ..group import command, run

_conversation = click.argument("conversation")
_version = click.IntRange(min=1)


@command("show", "arf show c-1", "arf show c-1 --turn 2", "arf show c-1 -o jsonl | jq -c '[.turn, .outcome, .usage]'")
@_conversation
@click.option("--at", type=_version, metavar="VERSION", help="As far as it was after this event.")
@click.option("--turn", type=_version, metavar="N", help="This turn alone, texts and prompts whole.")
@click.option("--prompts", is_flag=True, help="Print each prompt whole, where it is first used.")
def show(options: Options, conversation: str, at: int | None, turn: int | None, *, prompts: bool) -> int:
    """Print what happened in each turn of CONVERSATION, and why.

    What was said; which step, prompt and tools the model was given, what it chose; what tools did to the state; the
    reply, the end, tokens and times. @7 is the event of version 7, as in `arf log`.
    """
    from ..reading.show import Wanted  # noqa: PLC0415
    from ..reading.show import show as shown  # noqa: PLC0415

    if at is not None and turn is not None:
        raise click.UsageError("give --at or --turn, not both", click.get_current_context())
    return run(shown(options, conversation, Wanted(at, turn, prompts=prompts)))


@command("diff", "arf diff c-1 4 12", "arf diff c-1 12 4", "arf diff c-1 4 12 -o json | jq .same")
@_conversation
@click.argument("a", type=_version)
@click.argument("b", type=_version)
def diff(options: Options, conversation: str, a: int, b: int) -> int:
    """Print what differs in CONVERSATION between versions A and B.

    State, step, journey, what is owed, and what was said in between. Where A is the later one it is told backwards.
    Exits with 0 whether or not they differ; -o json says so in `same`.
    """
    from ..reading.diff import show_diff  # noqa: PLC0415

    return run(show_diff(options, conversation, a, b))


@command("prompt", "arf prompt c-1 4 | jq .messages", "arf prompt c-1 4 | head -c -1 | sha256sum")
@_conversation
@click.argument("version", type=_version)
def prompt(options: Options, conversation: str, version: int) -> int:
    """Print the exact request that the model got at VERSION.

    VERSION is that of model.requested in CONVERSATION, or of the answer or failure that it came to. The request is
    rebuilt from the log, as canonical JSON and a newline, whatever -o says: messages, tools, model and parameters, the
    bytes whose SHA-256 the log has as `request`. Exits with 1 if they are not those, and says why.
    What the model's client adds by itself is not in the log.
    """
    from ..reading.prompt import show_prompt  # noqa: PLC0415

    return run(show_prompt(options, conversation, version))


PRICES = click.option(
    "--prices",
    envvar="ARF_PRICES",
    metavar="FILE",
    help="What a million tokens of each model cost, or ARF_PRICES; without it only tokens are told.",
)


@command("why", "arf why c-1", "arf why c-1 --tool save_name", "arf why c-1 --call 5.0 --prompt", "arf why c-1 -o json")
@_conversation
@click.option("--tool", metavar="NAME", help="A call of this tool.")
@click.option("--turn", type=_version, metavar="N", help="A call in this turn.")
@click.option("--call", metavar="ID", help="The call with this id, such as 5.0, as `arf log` prints it.")
@click.option("--prompt", is_flag=True, help="Print the prompt whole.")
@PRICES
def why(
    options: Options,
    conversation: str,
    *,
    tool: str | None,
    turn: int | None,
    call: str | None,
    prompt: bool,
    prices: str | None,
) -> int:
    """Print why a tool of CONVERSATION was called.

    The whole story of one call: the last one, or the last one that fits. Who asked, what the model was given, what it
    was offered and chose, what was checked, who ran it, what came of it, what it changed, and what it cost. FILE of
    --prices is JSON, such as {"gpt-4o": {"input": 2.5, "output": 10}}; the cost is that of the answer that chose the
    call, which may have chosen others too.
    """
    from ..reading.why import Asked, show_why  # noqa: PLC0415

    return run(show_why(options, conversation, Asked(tool, turn, call), prompts=prompt, prices=prices))

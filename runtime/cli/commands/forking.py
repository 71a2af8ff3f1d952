"""Commands that make a conversation out of another."""

import click

from ..console.options import Options
from ..group import command, run


@command(
    "fork",
    "arf fork c-1",
    "arf fork c-1 --at 9 --as c-1-again --say 'my name is Ada'",
    "arf fork c-1 --model gpt-4.1 --say 'and now?'",
    "arf fork c-1 --prompt - --say 'and now?' < prompt.txt",
)
@click.argument("conversation")
@click.option(
    "--at", type=click.IntRange(min=1), metavar="VERSION", help="The last event that the fork has; otherwise all."
)
@click.option("--as", "as_id", metavar="ID", help="The id of the fork; otherwise a new one.")
@click.option("--model", metavar="NAME", help="The model that answers in the fork.")
@click.option("--prompt", metavar="TEXT", help="The prompt of the step that it is in; - for stdin.")
@click.option("--say", metavar="TEXT", help="Say this in the fork, and print the reply; - for stdin.")
@click.option("--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds to wait.")
def fork(
    options: Options,
    conversation: str,
    at: int | None,
    *,
    as_id: str | None,
    model: str | None,
    prompt: str | None,
    say: str | None,
    timeout: float,
) -> int:
    """Go on from CONVERSATION in a new one, and print its id.

    The new one has its state, its step and what was said, up to now or to VERSION. Both go on, and neither hears of the
    other. A conversation is cut between two turns; where VERSION is inside one, the nearest cuts are named. With --say
    a worker must be running for the agent; the reply is printed after the id.
    """
    if prompt == say == "-":
        raise click.UsageError("only one text can be on stdin: give the prompt or what is said", None)
    from ..talking.forking import Wanted  # noqa: PLC0415
    from ..talking.forking import fork as forked  # noqa: PLC0415

    wanted = Wanted(conversation=conversation, at=at, as_id=as_id, model=model, prompt=prompt, say=say)
    return run(forked(options, wanted, timeout=timeout))

"""Commands that talk with agents."""

import click

from ..console.options import Options
from ..group import command, run

_agent = click.argument("agent", metavar="MODULE:ATTR")
_conversation_option = click.option("--conversation", metavar="ID", help="Go on with this one; otherwise a new one.")


@command("demo", "arf demo", r"printf 'hi\nI am Ada\nada@example.org\npro\n' | arf demo")
def demo(options: Options) -> int:
    """Talk to an onboarding agent, and see all that happened.

    At a terminal you type; otherwise each line of stdin is a message. The agent talks to OpenAI if OPENAI_API_KEY or
    OPENAI_BASE_URL is set, else to an offline model.
    """
    from ..talking.demo import play  # noqa: PLC0415

    return run(play(options))


@command("chat", "arf chat bot.py:agent", "arf chat bot:agent --conversation c-1", "arf chat bot:agent < lines.txt")
@_agent
@_conversation_option
def chat(options: Options, agent: str, conversation: str | None) -> int:
    """Talk with an agent.

    Server and worker are brought along. At a terminal you type, Ctrl-D or Ctrl-C ends the talk, and what was said is
    kept; otherwise each line of stdin is a message. An agent for which no model is configured talks to an offline one.

    MODULE is a dotted module or the path of a file; ATTR is as for `arf worker`.
    """
    from ..talking.chat import chat as talked  # noqa: PLC0415

    return run(talked(options, agent, conversation))


@command("dev", "arf dev bot.py:agent", "arf dev bot:agent --conversation c-1")
@_agent
@_conversation_option
def dev(options: Options, agent: str, conversation: str | None) -> int:
    """Talk with an agent while you write it.

    As `arf chat`; and when a Python file in the module's directory or below changes, the new code answers from the next
    message on. As long as it cannot be loaded, the old code does.
    """
    from ..talking.chat import chat as talked  # noqa: PLC0415

    return run(talked(options, agent, conversation, reload=True))


@command("send", "arf send bot c-1 'hello'", "arf send bot c-1 'hello' --no-wait", "arf send bot c-1 - < letter.txt")
@click.argument("agent")
@click.argument("conversation")
@click.argument("text")
@click.option("--wait/--no-wait", default=True, help="Wait for the reply; or print the command's id at once.")
@click.option("--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds to wait.")
@click.option("--id", "id_", metavar="ID", help="The message's id; sent again under it, it is not said twice.")
@click.option("--meta", metavar="KEY=VALUE", multiple=True, help="Recorded with it, and told to the agent; repeatable.")
def send(
    options: Options,
    agent: str,
    conversation: str,
    text: str,
    *,
    wait: bool,
    timeout: float,
    id_: str | None,
    meta: tuple[str, ...],
) -> int:
    """Say TEXT to AGENT in CONVERSATION, and print the reply.

    A conversation begins with its first message. A worker must be running for the agent. TEXT may be - for stdin.
    """
    from ..talking.send import Message  # noqa: PLC0415
    from ..talking.send import send as sent  # noqa: PLC0415

    message = Message(agent, conversation, text, id_, _pairs(meta))
    return run(sent(options, message, wait=wait, timeout=timeout))


@command("cancel", "arf cancel c-1", "arf cancel c-1 --reason 'asked for the wrong thing'")
@click.argument("conversation")
@click.option("--reason", default="", metavar="TEXT", help="Why; recorded with it.")
@click.option("--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds to wait.")
def cancel(options: Options, conversation: str, *, reason: str, timeout: float) -> int:
    """End the turn in progress in CONVERSATION.

    What was recorded of it stays. A worker must be running for the agent.
    """
    from ..talking.cancel import cancel as cancelled  # noqa: PLC0415

    return run(cancelled(options, conversation, reason=reason, timeout=timeout))


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{each!r} is not KEY=VALUE", param_hint="'--meta'")
        pairs[key] = value
    return pairs

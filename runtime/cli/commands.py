"""What `arf` can do: each command with its arguments, its options and its help.

Each imports what it needs when it runs, so that the help is there at once.
"""

import logging

import click

from .console.options import Options
from .group import arf, command, group, run

_agent = click.argument("agent", metavar="MODULE:ATTR")
_conversation_option = click.option("--conversation", metavar="ID", help="Go on with this one; otherwise a new one.")


@command("demo", "arf demo", r"printf 'hi\nI am Ada\nada@example.org\npro\n' | arf demo")
def demo(options: Options) -> int:
    """Talk to an onboarding agent, and see all that happened.

    At a terminal you type; otherwise each line of stdin is a message. The agent talks to OpenAI if OPENAI_API_KEY or
    OPENAI_BASE_URL is set, else to an offline model.
    """
    from .talking.demo import play  # noqa: PLC0415

    return run(play(options))


@command("new", "arf new bot && cd bot && arf dev agent.py:agent")
@click.argument("name")
def new(options: Options, name: str) -> int:
    """Make the directory NAME with an agent and a test of it.

    There is a README, too, and NAME becomes the agent's key. The agent talks and the test passes as they are.
    """
    from .running.new import make_new  # noqa: PLC0415

    return run(lambda: make_new(options, name))


@command("chat", "arf chat bot.py:agent", "arf chat bot:agent --conversation c-1", "arf chat bot:agent < lines.txt")
@_agent
@_conversation_option
def chat(options: Options, agent: str, conversation: str | None) -> int:
    """Talk with an agent.

    Server and worker are brought along. At a terminal you type, Ctrl-D or Ctrl-C ends the talk, and what was said is
    kept; otherwise each line of stdin is a message. An agent for which no model is configured talks to an offline one.

    MODULE is a dotted module or the path of a file; ATTR is as for `arf worker`.
    """
    from .talking.chat import chat as talked  # noqa: PLC0415

    return run(talked(options, agent, conversation))


@command("dev", "arf dev bot.py:agent", "arf dev bot:agent --conversation c-1")
@_agent
@_conversation_option
def dev(options: Options, agent: str, conversation: str | None) -> int:
    """Talk with an agent while you write it.

    As `arf chat`; and when a Python file in the module's directory or below changes, the new code answers from the next
    message on. As long as it cannot be loaded, the old code does.
    """
    from .talking.chat import chat as talked  # noqa: PLC0415

    return run(talked(options, agent, conversation, reload=True))


@command(
    "worker",
    "arf worker bot:agent",
    "arf worker agents/bot.py:make_agent",
    "arf worker bot:agent other:Agents",
    level=logging.INFO,
)
@click.argument("agents", metavar="MODULE:ATTR...", nargs=-1, required=True)
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=200, show_default=True, help="Turns at once; the rest waits."
)
@click.option("--grace", type=click.FloatRange(min=0), default=30.0, show_default=True, help="Seconds to finish in.")
@click.option("--offline", is_flag=True, help="Where no model is configured, talk to the offline one.")
@click.option("--child", is_flag=True, hidden=True, help="Leave also at the end of stdin.")
def worker(
    options: Options, agents: tuple[str, ...], concurrency: int, grace: float, *, offline: bool, child: bool
) -> int:
    """Answer for agents, until SIGTERM or Ctrl-C.

    What runs then is finished first; a second signal ends that, too. With -o jsonl a line on stdout says that it is
    ready, and where.

    MODULE is a dotted module or the path of a file; the current directory is importable. ATTR is an agent, a class of
    one, a list of these, or a function without arguments that returns one.
    """
    from .running.worker import end_of_process, loaded, work  # noqa: PLC0415

    found = loaded(agents, offline=offline)
    code = run(work(options, found, concurrency=concurrency, grace=grace, child=child))
    return end_of_process(code)


@command("diagram", "arf diagram bot.py:agent", "arf diagram bot:agent > bot.mmd", "arf diagram bot:agent --check")
@click.argument("agents", metavar="MODULE:ATTR...", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Print only what cannot work, and exit with 1 if there is anything.")
def diagram(options: Options, agents: tuple[str, ...], *, check: bool) -> int:
    """Print journeys as Mermaid state diagrams.

    Steps, their tools, where these are declared to lead, and the journeys that a router leads to. What cannot work is
    said on stderr: a step without a prompt or a way out, a tool for a step that does not exist, two tools of one name.
    No tool is run and no model is asked.
    """
    from .running.diagram import show_diagram  # noqa: PLC0415

    return run(lambda: show_diagram(options, agents, check=check))


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
    from .talking.send import Message  # noqa: PLC0415
    from .talking.send import send as sent  # noqa: PLC0415

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
    from .talking.cancel import cancel as cancelled  # noqa: PLC0415

    return run(cancelled(options, conversation, reason=reason, timeout=timeout))


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{each!r} is not KEY=VALUE", param_hint="'--meta'")
        pairs[key] = value
    return pairs


@command("log", "arf log c-1", "arf log c-1 -o jsonl | jq -c .type")
@click.argument("conversation")
def log(options: Options, conversation: str) -> int:
    """Print what is recorded of CONVERSATION, one event a line."""
    from .reading.log import show_log  # noqa: PLC0415

    return run(show_log(options, conversation))


@command("follow", "arf follow c-1", "arf follow c-1 --from 12 --tokens", "arf follow c-1 -o jsonl | jq -c .type")
@click.argument("conversation")
@click.option("--from", "start", type=click.IntRange(min=1), default=1, metavar="VERSION", help="The first event.")
@click.option("--tokens", is_flag=True, help="Print also what the model says, while it says it.")
def follow(options: Options, conversation: str, start: int, *, tokens: bool) -> int:
    """Print the events of CONVERSATION, and go on as they come.

    It ends with Ctrl-C.
    """
    from .reading.follow import show_follow  # noqa: PLC0415

    return run(show_follow(options, conversation, start, tokens=tokens))


@command("state", "arf state c-1", "arf state c-1 --at 9 -o json")
@click.argument("conversation")
@click.option("--at", type=click.IntRange(min=1), metavar="VERSION", help="As it was after this event.")
def state(options: Options, conversation: str, at: int | None) -> int:
    """Print CONVERSATION as it is, or as it was.

    Its step, its state, what was said, what is owed.
    """
    from .reading.state import show_state  # noqa: PLC0415

    return run(show_state(options, conversation, at))


@command("list", "arf list", "arf list -o jsonl", "arf list --nats nats://localhost:4222")
def list_(options: Options) -> int:
    """Print the conversations, the last one active first."""
    from .reading.listing import show_list  # noqa: PLC0415

    return run(show_list(options))


@command("workers", "arf workers", "arf workers -o jsonl | jq -c .agents")
def workers(options: Options) -> int:
    """Print the workers, and which partitions each owns.

    The conversations of an agent are divided into partitions; what nobody owns now is named.
    """
    from .reading.workers import show_workers  # noqa: PLC0415

    return run(show_workers(options))


@group("deadletters", "arf deadletters", "arf deadletters show c-1/m-1", "arf deadletters retry c-1/m-1")
def deadletters(options: Options) -> int:
    """Print the dead letters: commands that no worker is given again.

    The turn of such a command ended worker after worker, or nobody can decode it. Each is named CONVERSATION/ID.
    """
    from .reading.deadletters import show_letters  # noqa: PLC0415

    return run(show_letters(options))


_letter = click.argument("letter", metavar="[CONVERSATION/ID]", required=False)


@command("show", "arf deadletters show c-1/m-1", "arf deadletters show c-1/m-1 -o json", of=deadletters)
@click.argument("letter", metavar="CONVERSATION/ID")
def show_letter(options: Options, letter: str) -> int:
    """Print a dead letter: what was sent to whom, and what was wrong."""
    from .reading.deadletters import show_letter as shown  # noqa: PLC0415

    return run(shown(options, letter))


@command("retry", "arf deadletters retry c-1/m-1", "arf deadletters retry --all", of=deadletters)
@_letter
@click.option("--all", "all_", is_flag=True, help="Every one that can be sent again.")
def retry(options: Options, letter: str | None, *, all_: bool) -> int:
    """Send the message of a dead letter again under a new id, print the id, and remove the letter."""
    from .talking.deadletters import retry as retried  # noqa: PLC0415

    return run(retried(options, _one_or_all(letter, all_=all_)))


@command("drop", "arf deadletters drop c-1/m-1", "arf deadletters drop --all", of=deadletters)
@_letter
@click.option("--all", "all_", is_flag=True, help="Every one.")
def drop(options: Options, letter: str | None, *, all_: bool) -> int:
    """Remove a dead letter; its command is then gone for good."""
    from .talking.deadletters import drop as dropped  # noqa: PLC0415

    return run(dropped(options, _one_or_all(letter, all_=all_)))


def _one_or_all(letter: str | None, *, all_: bool) -> str | None:
    """Return the one that was named, None for all of them."""
    if all_ == (letter is not None):
        raise click.UsageError("name one dead letter, or give --all", click.get_current_context())
    return letter


@command("doctor", "arf doctor", "arf doctor --strict", "arf doctor --nats nats://localhost:4222 -o json")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
def doctor(options: Options, *, strict: bool) -> int:
    """Look at server, streams and workers, and say what to do.

    Exits with 1 if something is `wrong`; a warning is nothing wrong, unless --strict is given. What cannot be known
    from here is said to be unknown.
    """
    from .reading.doctor import examine  # noqa: PLC0415

    return run(examine(options, strict=strict))


@command("completion", 'eval "$(arf completion bash)"', "arf completion fish > ~/.config/fish/completions/arf.fish")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(options: Options, shell: str) -> int:  # noqa: ARG001  every command takes the options
    """Print what lets SHELL complete the words of arf."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    from .console.output import write_code  # noqa: PLC0415

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    script = found(arf, {}, "arf", "_ARF_COMPLETE").source()
    return run(lambda: write_code(script))

"""Commands about agents and what runs them."""

import logging

import click

from ..console.options import Options
from ..group import arf, command, run


@command("new", "arf new bot && cd bot && arf dev agent.py:agent")
@click.argument("name")
def new(options: Options, name: str) -> int:
    """Make the directory NAME with an agent and a test of it.

    There is a README, too, and NAME becomes the agent's key. The agent talks and the test passes as they are.
    """
    from ..running.new import make_new  # noqa: PLC0415

    return run(lambda: make_new(options, name))


@command(
    "worker",
    "arf worker bot:agent",
    "arf worker agents/bot.py:make_agent",
    "arf worker bot:agent other:Agents",
    "arf worker bot:agent --encrypt --seal-key seal.pem --seal-file seals.jsonl",
    level=logging.INFO,
)
@click.argument("agents", metavar="MODULE:ATTR...", nargs=-1, required=True)
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=200, show_default=True, help="Turns at once; the rest waits."
)
@click.option("--grace", type=click.FloatRange(min=0), default=30.0, show_default=True, help="Seconds to finish in.")
@click.option(
    "--idle",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds that a conversation stays in memory after somebody spoke to it.",
)
@click.option("--offline", is_flag=True, help="Where no model is configured, talk to the offline one.")
@click.option(
    "--seal-key",
    envvar="ARF_SEAL_KEY",
    metavar="FILE",
    help="Ed25519 key by which the heads of all conversations are sealed every 10 minutes, or ARF_SEAL_KEY.",
)
@click.option("--seal-file", envvar="ARF_SEAL_FILE", metavar="FILE", help="Where the seals are kept, or ARF_SEAL_FILE.")
@click.option(
    "--encrypt",
    is_flag=True,
    envvar="ARF_ENCRYPT",
    help="Seal conversations that begin, under the key in ARF_MASTER_KEY; or ARF_ENCRYPT=1.",
)
@click.option("--child", is_flag=True, hidden=True, help="Leave also at the end of stdin.")
def worker(
    options: Options,
    agents: tuple[str, ...],
    concurrency: int,
    grace: float,
    idle: float,
    seal_key: str | None,
    seal_file: str | None,
    *,
    offline: bool,
    encrypt: bool,
    child: bool,
) -> int:
    """Answer for agents, until SIGTERM or Ctrl-C.

    What runs then is finished first; a second signal ends that, too. With -o jsonl a line on stdout says that it is
    ready, and where.

    MODULE is a dotted module or the path of a file; the current directory is importable. ATTR is an agent, a class of
    one, a list of these, or a function without arguments that returns one.
    """
    from ..running.worker import end_of_process, loaded, sealing, work  # noqa: PLC0415

    seal = sealing(seal_key, seal_file)
    found = loaded(agents, offline=offline)
    working = work(
        options, found, concurrency=concurrency, grace=grace, idle=idle, seal=seal, encrypt=encrypt, child=child
    )
    return end_of_process(run(working))


@command("diagram", "arf diagram bot.py:agent", "arf diagram bot:agent > bot.mmd", "arf diagram bot:agent --check")
@click.argument("agents", metavar="MODULE:ATTR...", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Print only what cannot work, and exit with 1 if there is anything.")
def diagram(options: Options, agents: tuple[str, ...], *, check: bool) -> int:
    """Print journeys as Mermaid state diagrams.

    Steps, their tools, where these are declared to lead, and the journeys that a router leads to. What cannot work is
    said on stderr: a step without a prompt or a way out, a tool for a step that does not exist, two tools of one name.
    No tool is run and no model is asked.
    """
    from ..running.diagram import show_diagram  # noqa: PLC0415

    return run(lambda: show_diagram(options, agents, check=check))


@command("completion", 'eval "$(arf completion bash)"', "arf completion fish > ~/.config/fish/completions/arf.fish")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(options: Options, shell: str) -> int:  # noqa: ARG001  every command takes the options
    """Print what lets SHELL complete the words of arf."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    from ..console.output import write_code  # noqa: PLC0415

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    script = found(arf, {}, "arf", "_ARF_COMPLETE").source()
    return run(lambda: write_code(script))

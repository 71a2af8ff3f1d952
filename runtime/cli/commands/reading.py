"""Commands that read, and change nothing."""

import click

from ..console.options import Options
from ..group import command, run


@command("log", "arf log c-1", "arf log c-1 -o jsonl | jq -c .type")
@click.argument("conversation")
def log(options: Options, conversation: str) -> int:
    """Print what is recorded of CONVERSATION, one event a line."""
    from ..reading.log import show_log  # noqa: PLC0415

    return run(show_log(options, conversation))


@command("follow", "arf follow c-1", "arf follow c-1 --from 12 --tokens", "arf follow c-1 -o jsonl | jq -c .type")
@click.argument("conversation")
@click.option("--from", "start", type=click.IntRange(min=1), default=1, metavar="VERSION", help="The first event.")
@click.option("--tokens", is_flag=True, help="Print also what the model says, while it says it.")
def follow(options: Options, conversation: str, start: int, *, tokens: bool) -> int:
    """Print the events of CONVERSATION, and go on as they come.

    It ends with Ctrl-C.
    """
    from ..reading.follow import show_follow  # noqa: PLC0415

    return run(show_follow(options, conversation, start, tokens=tokens))


@command("state", "arf state c-1", "arf state c-1 --at 9 -o json")
@click.argument("conversation")
@click.option("--at", type=click.IntRange(min=1), metavar="VERSION", help="As it was after this event.")
def state(options: Options, conversation: str, at: int | None) -> int:
    """Print CONVERSATION as it is, or as it was.

    Its step, its state, what was said, what is owed.
    """
    from ..reading.state import show_state  # noqa: PLC0415

    return run(show_state(options, conversation, at))


@command("list", "arf list", "arf list -o jsonl", "arf list --nats nats://localhost:4222")
def list_(options: Options) -> int:
    """Print the conversations, the last one active first."""
    from ..reading.listing import show_list  # noqa: PLC0415

    return run(show_list(options))


@command("workers", "arf workers", "arf workers -o jsonl | jq -c .agents")
def workers(options: Options) -> int:
    """Print the workers, and which partitions each owns.

    The conversations of an agent are divided into partitions; what nobody owns now is named.
    """
    from ..reading.workers import show_workers  # noqa: PLC0415

    return run(show_workers(options))


@command("doctor", "arf doctor", "arf doctor --strict", "arf doctor --nats nats://localhost:4222 -o json")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
def doctor(options: Options, *, strict: bool) -> int:
    """Look at server, streams and workers, and say what to do.

    Exits with 1 if something is `wrong`; a warning is nothing wrong, unless --strict is given. What cannot be known
    from here is said to be unknown.
    """
    from ..reading.doctor import examine  # noqa: PLC0415

    return run(examine(options, strict=strict))

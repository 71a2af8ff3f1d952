"""`arf erase`: what was said in a conversation is taken away, and a receipt is written."""

import sys
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from ....events import InvalidInput, check_token
from ...erasing import Receipt
from ..console import output
from ..console.lines import Lines
from ..console.options import Options
from ..console.place import reading
from ..reading.progress import progress
from ..reading.times import iso


async def erase(options: Options, conversation: str, reason: str, *, with_forks: bool, yes: bool) -> int:
    """Erase a conversation and write the receipt to stdout; return 1 where somebody at the terminal says no.

    Raises:
        InvalidInput: nobody can be asked, and `yes` was not given; or the reason cannot be taken.
        NotFound: there is no such conversation.
        Refused: it has forks, which were not to be erased.

    """
    check_token(conversation, "conversation id")
    if not yes and not sys.stdin.isatty():
        raise InvalidInput("an erasure cannot be undone, and nobody can be asked here: give --yes")
    async with reading(options) as client:
        last = await client.last(conversation)
        if not (yes or await _asked(conversation, last.frame.turn, last.head.version)):
            output.say("nothing is erased")
            return 1
        async with progress("overwriting frames") as counted:

            def overwritten(_: int) -> None:
                counted.one()

            receipt = await client.erase(conversation, reason, with_forks, overwritten)
    if options.output == "text":
        for one in _all(receipt):
            output.write_table(_table(one))
    else:
        output.write_json(as_data(receipt), options.output)
    return 0


async def _asked(conversation: str, turns: int, version: int) -> bool:
    """Ask at the terminal whether it is to be erased."""
    what = f"{turns} turn{'' if turns == 1 else 's'}, {version} events"
    sys.stderr.write(f"erase {conversation} ({what}) for good? [y/N] ")
    sys.stderr.flush()
    answer = await Lines().next()
    return (answer or "").strip().lower() in ("y", "yes")


def as_data(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as plain data."""
    data: dict[str, Any] = msgspec.to_builtins(receipt)
    return {**data, "time": iso(receipt.time), "forks": [as_data(fork) for fork in receipt.forks]}


def _all(receipt: Receipt) -> list[Receipt]:
    return [receipt, *(each for fork in receipt.forks for each in _all(fork))]


def _table(receipt: Receipt) -> Table:
    table = output.table(heading=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    again = ", and completed now" if receipt.again else ""
    rows = [
        ("erased", f"{receipt.conversation} at version {receipt.version}, {iso(receipt.time)}{again}"),
        ("reason", receipt.reason),
        ("log", _log(receipt)),
        ("ended in", receipt.hash),
        ("key", receipt.key),
        ("commands", "left to be refused: they are sealed" if receipt.sealed else f"{receipt.commands} overwritten"),
        ("dead letters", f"{receipt.dead_letters} removed"),
        ("snapshots", f"{receipt.snapshots} overwritten" if receipt.snapshots else "none"),
        ("forks", ", ".join(fork.conversation for fork in receipt.forks) or "none"),
        *(("left", f"fork {each}, cut off meanwhile, which nobody can read: erase it, too") for each in receipt.left),
        *(("may remain", each) for each in receipt.remains),
        *(("not touched", f"store {each}, which is its author's") for each in receipt.stores),
        *(("out of reach", each) for each in receipt.out_of_reach),
    ]
    for name, text in rows:
        table.add_row(Text(name, style="bold"), Text(text))
    return table


def _log(receipt: Receipt) -> str:
    if receipt.sealed:
        return f"{_frames(receipt.frames_kept)} kept, which nobody can open any more"
    return f"{_frames(receipt.frames_removed)} overwritten, {_frames(receipt.frames_kept)} kept"


def _frames(count: int) -> str:
    return f"{count} frame{'' if count == 1 else 's'}"

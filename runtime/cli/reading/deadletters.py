"""`arf deadletters`: the commands that no worker is given again."""

from base64 import b64encode
from typing import Any

import msgspec
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from ....actors import SayToAgent
from ....events import CorruptLog, ModelRequested, NewerRelease, NotFound, ToolStarted, UserSpoke
from ...client import Client
from ...deadletters import DeadLetter, command_of
from ...opening import NoNamespace
from ..console import output
from ..console.options import Options
from ..console.place import reading
from ..console.text import SHOWN, one_line, visible
from .log import WIDE
from .progress import progress
from .summary import Summaries
from .times import iso, local

NONE = "no dead letters"


async def show_letters(options: Options) -> None:
    """Write the dead letters to stdout, the last one first."""
    try:
        async with progress("reading dead letters") as read, reading(options) as client:
            found = [letter async for letter in read.of(client.dead_letters())]
    except NoNamespace as missing:  # nothing was ever kept in it
        found = []
        output.say(str(missing))
    found.sort(key=lambda letter: (-letter.time, letter.name))
    if options.output == "json":
        output.write_json([as_data(letter) for letter in found], "json")
    elif options.output == "jsonl":
        for letter in found:
            output.write_json(as_data(letter), "jsonl")
    elif found:
        output.write_table(_table(found, wide=output.wide(WIDE)))
    else:
        output.say(NONE)


async def show_letter(options: Options, name: str) -> None:
    """Write one dead letter to stdout, with its command."""
    async with reading(options) as client:
        letter, data = await client.dead_letter(name)
        last = await _last(client, letter) if letter.reason == "poison" else None
    if options.output == "text":
        output.write_table(_whole(letter, data, last))
        return
    say = command_of(letter, data)
    said = (say.text, say.metadata) if isinstance(say, SayToAgent) else (None, None)
    output.write_json(
        {
            **as_data(letter),
            "text": said[0],
            "metadata": said[1],
            "last": None if last is None else msgspec.to_builtins(last),
            "data": b64encode(data).decode(),
        },
        options.output,
    )


class _Last(Struct, frozen=True):
    """Is what a turn did last: an event, and in words what it says."""

    version: int
    type: str
    what: str


async def _last(client: Client, letter: DeadLetter) -> _Last | None:
    """Return the last tool that the letter's turn started, or its last call of the model; None where no log says."""
    summaries, turn, last = Summaries(), None, None
    try:
        async for recorded in client.events(letter.conversation):
            event, summary = recorded.event, summaries.of(recorded)
            if isinstance(event, UserSpoke) and event.message_id == letter.id:
                turn = recorded.turn
            elif recorded.turn == turn and isinstance(event, ModelRequested | ToolStarted):
                last = _Last(recorded.version, recorded.type, summary)
    except (NotFound, CorruptLog, NewerRelease):  # the letter is shown all the same
        return last
    return last


def as_data(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter, without its command, as plain data."""
    return {
        "name": letter.name,
        "conversation": letter.conversation,
        "id": letter.id,
        "agent": letter.agent,
        "reason": letter.reason,
        "error": letter.error,
        "kept": iso(letter.time),
        "attempts": letter.attempts,
        "size": letter.size,
    }


def _table(found: list[DeadLetter], *, wide: bool) -> Table:
    table = output.table()
    table.add_column("conversation/id", overflow="fold")
    if wide:
        table.add_column("agent", overflow="fold")
    table.add_column("reason", no_wrap=True)
    if wide:
        table.add_column("kept", no_wrap=True)
    for letter in found:
        agent = (Text(one_line(letter.agent)),) if wide else ()
        kept = (local(letter.time),) if wide else ()
        table.add_row(Text(letter.name), *agent, letter.reason, *kept)
    return table


def _whole(letter: DeadLetter, data: bytes, last: _Last | None) -> Table:
    table = output.table(heading=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    say = command_of(letter, data)
    rows = {
        "conversation": one_line(letter.conversation, SHOWN),
        "id": letter.id,
        "agent": one_line(letter.agent, SHOWN),
        "reason": letter.reason,
        "error": one_line(letter.error, SHOWN),
        "kept": local(letter.time),
        "attempts": "" if letter.attempts is None else str(letter.attempts),
        "last": "" if last is None else f"{last.type} {last.what}, at {last.version}",
    }
    if isinstance(say, SayToAgent):
        rows["text"] = visible(say.text)
        rows["metadata"] = one_line(msgspec.json.encode(say.metadata).decode()) if say.metadata else ""
    else:
        rows["data"] = one_line(data[:SHOWN].decode(errors="backslashreplace"), SHOWN)
        rows["bytes"] = str(letter.size)
    for name, value in rows.items():
        if value:
            table.add_row(Text(name, style="bold"), Text(value))
    return table

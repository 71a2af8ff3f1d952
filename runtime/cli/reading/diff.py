"""`arf diff`: what differs between two versions of a conversation."""

from typing import Any

from rich.table import Table
from rich.text import Text

from ....events import check_token, not_to_be_had
from ....projections import Comparison, compared
from ..console import output
from ..console.options import Options
from ..console.place import reading
from ..console.text import SHOWN, one_line
from .changes import NONE, change_as_data, told_change
from .progress import progress
from .state import entry_as_data, owed_as_data, owing, words


async def show_diff(options: Options, conversation: str, a: int, b: int) -> None:
    """Write what differs between versions `a` and `b` to stdout.

    Raises:
        NotFound: nothing is recorded, or not these versions.
        Withheld: what was said is sealed and the key not here, or was erased.

    """
    check_token(conversation, "conversation id")
    async with progress("reading the conversation"), reading(options) as client:
        before, after = await client.conversation(conversation, a), await client.conversation(conversation, b)
        if before.withheld or after.withheld:  # what is not seen cannot be compared
            raise await client.withheld(conversation) or not_to_be_had(f"the content of {conversation!r}")
        found = compared(before, after)
    if options.output == "text":
        output.write_table(_table(found))
    else:
        output.write_json(as_data(conversation, found), options.output)


def as_data(conversation: str, found: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data; each pair is `before` and `after`."""
    names: dict[str, str] = {}
    return {
        "conversation": conversation,
        "before": found.before,
        "after": found.after,
        "backwards": found.backwards,
        "same": found.same,
        "journey": _pair(*found.journey),
        "step": _pair(*found.step),
        "status": _pair(*found.status),
        "owed": _pair(*map(owed_as_data, found.owed)),
        "state": [
            {"journey": journey, **change_as_data(change)}
            for journey, changes in found.state.items()
            for change in changes
        ],
        "said": [{"turn": turn, **entry_as_data(entry, names)} for turn, entry in found.said],
    }


def _pair(before: Any, after: Any) -> dict[str, Any]:
    return {"before": before, "after": after}


# --- for people


def _table(found: Comparison) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", overflow="fold")
    table.add_column(overflow="fold")
    back = ", backwards" if found.backwards else ""
    table.add_row("version", f"{found.before} -> {found.after}{back}{', nothing differs' if found.same else ''}")
    pairs = {
        "journey": found.journey,
        "step": found.step,
        "status": found.status,
        "owed": tuple(map(owing, found.owed)),
    }
    for name, (before, after) in pairs.items():
        if before != after:
            table.add_row(name, Text(one_line(f"{before or NONE} -> {after or NONE}", SHOWN), "magenta"))
    for journey, changes in found.state.items():
        for number, line in enumerate(line for change in changes for line in told_change(change)):
            elsewhere = "" if {journey} == set(found.journey) else f" of {journey}"
            table.add_row("" if number else one_line(f"state{elsewhere}"), Text(line))
    _said(table, found)
    return table


def _said(table: Table, found: Comparison) -> None:
    """Add what was said in between; read backwards, it is what has not been said any more, the last of it first."""
    if not found.said:
        return
    sign, style, title = ("-", "red", "unsaid") if found.backwards else ("+", "green", "said")
    table.add_row()
    table.add_row(Text(title, "bold"))
    names: dict[str, str] = {}
    told = [words(entry_as_data(entry, names)) for _, entry in found.said]
    for who, text in reversed(told) if found.backwards else told:
        table.add_row(Text(f"{sign} {one_line(who)}", style), Text(text))

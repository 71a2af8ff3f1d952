"""`arf workers`: who is there, and who owns what now."""

import asyncio
from typing import Any

from rich.table import Table
from rich.text import Text

from ...bus import PARTITIONS
from ...client import Client
from ...members import Member
from ...opening import NoNamespace
from ...owners import Owner, free, owners, ranges
from ..console import output
from ..console.options import Options
from ..console.place import reading
from ..console.text import one_line
from .log import WIDE
from .times import iso, local

NOBODY = "no worker is there: start one with `arf worker MODULE:ATTR`"


async def show_workers(options: Options) -> None:
    """Write the workers to stdout, one a line; in JSON what nobody owns comes last, with null for the worker."""
    found: list[Owner] = []
    try:
        async with reading(options) as client:
            found, of = await _look(client), client.substrate.bus.partitions
    except NoNamespace as missing:  # nothing was ever kept in it
        of = PARTITIONS
        output.say(str(missing))
    held = {(agent, each): one.worker for one in found for agent, owned in one.agents.items() for each in owned}
    left = free(held, (agent for one in found for agent in one.agents), of)
    if options.output != "text":
        rows = [as_data(owner) for owner in found]
        if left:
            rows.append({"worker": None, "partitions": sum(map(len, left.values())), "agents": left})
        _write(options, rows)
    elif found:
        output.write_table(_table(found, wide=output.wide(WIDE)))
    if not found:
        output.say(NOBODY)
    for agent, partitions in left.items():
        output.say(f"nobody owns {ranges(partitions)} of agent {agent}: look again in some seconds, or start a worker")


def as_data(owner: Owner) -> dict[str, Any]:
    """Return one worker as plain data."""
    said = owner.member or Member(worker=owner.worker, agents=())
    return {
        "worker": owner.worker,
        "partitions": owner.partitions,
        "agents": owner.agents,
        "host": said.host or None,
        "pid": said.pid or None,
        "since": iso(said.since) if said.since else None,
        "turns": said.turns if owner.member else None,
        "waiting": said.waiting if owner.member else None,
    }


async def _look(client: Client) -> list[Owner]:
    members, holders = await asyncio.gather(client.substrate.members.members(), client.substrate.leases.holders())
    return owners(members, holders)


def _write(options: Options, rows: list[dict[str, Any]]) -> None:
    if options.output == "json":
        output.write_json(rows, "json")
        return
    for row in rows:
        output.write_json(row, "jsonl")


def _table(found: list[Owner], *, wide: bool) -> Table:
    table = output.table()
    table.add_column("worker", overflow="fold")
    if wide:
        table.add_column("process", overflow="fold")
        table.add_column("since", no_wrap=True)
    table.add_column("turns", justify="right", no_wrap=True)
    table.add_column("partitions", overflow="fold")
    for owner in found:
        said = owner.member or Member(worker=owner.worker, agents=())
        process = Text(one_line(f"{said.host} {said.pid}") if said.pid else said.host)
        turns = f"{said.turns}+{said.waiting}" if said.waiting else str(said.turns)
        table.add_row(
            Text(owner.worker),
            *((process, local(said.since) if said.since else "") if wide else ()),
            turns if owner.member else "",
            Text("; ".join(f"{agent} {ranges(owned) or 'none'}" for agent, owned in owner.agents.items())),
        )
    return table

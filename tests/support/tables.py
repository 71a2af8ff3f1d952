"""Tables of logs, for tests: logs put into a place, exported, and read as any tool reads Parquet."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import msgspec

from agent_runtime_framework.events import START, ConversationId, Head, Stored, lineage_of, without_keys
from agent_runtime_framework.projections.tables import TABLES
from agent_runtime_framework.runtime.analytics.export import exporting
from agent_runtime_framework.runtime.analytics.processes import export_all
from agent_runtime_framework.runtime.analytics.shard import Exported
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.runtime.testing.simulation import random_journeys
from agent_runtime_framework.testing import random_script, simulate

T = TypeVar("T")

Logs = Mapping[ConversationId, Sequence[Stored]]
Rows = list[dict[str, Any]]


def simulated(seed: int) -> dict[ConversationId, list[Stored]]:
    """Return the logs of a random simulation, some of them forks."""
    agents = random_journeys(seed)
    run = in_a_thread(lambda: simulate(agents, random_script(seed, [agent.key for agent in agents]), seed, workers=2))
    return {chat: list(log) for chat, log in run.logs.items()}


def many(seeds: Iterable[int]) -> dict[ConversationId, list[Stored]]:
    """Return the logs of several simulations, without the forks, which name their parents."""
    found = {(chat, seed): log for seed in seeds for chat, log in simulated(seed).items()}
    return {
        ConversationId(f"{chat}-{seed}"): log
        for (chat, seed), log in found.items()
        if not any(one.inherited for one in log)
    }


def in_a_thread(work: Callable[[], T]) -> T:
    """Return what work comes to that runs a loop of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def in_turn(logs: Logs, seed: int = 0) -> list[tuple[ConversationId, Stored]]:
    """Return the own frames of all conversations in an order in which they may have been stored."""
    chance = random.Random(seed)
    waiting = {chat: [stored for stored in log if not stored.inherited] for chat, log in logs.items()}
    ended: dict[str, int] = {}
    order: list[tuple[ConversationId, Stored]] = []
    while waiting := {chat: log for chat, log in waiting.items() if log}:
        chat = chance.choice(sorted(chat for chat, log in waiting.items() if _can_be(log[0], ended)))
        for _ in range(min(chance.randint(1, 5), len(waiting[chat]))):
            stored = waiting[chat].pop(0)
            ended[chat] = stored.head.version
            order.append((chat, stored))
    return order


def _can_be(stored: Stored, ended: Mapping[str, int]) -> bool:
    """Say whether what a frame goes on from is stored; that of a fork is in its parent's log."""
    lineage = lineage_of(stored.frame)
    return lineage is None or ended.get(lineage.parent, 0) >= lineage.version


async def store(substrate: Substrate, frames: Iterable[tuple[ConversationId, Stored]]) -> None:
    """Store frames that other logs gave, in clear also where all that begins now is sealed."""
    log = without_keys(substrate.log)
    for conversation, stored in frames:
        last = await log.last(conversation)
        frame = stored.frame
        start = Head(frame.first - 1, 0, frame.prev) if frame.first > 1 else START
        await log.restore(conversation, stored.data, start if last is None else last.head)


async def export(substrate: Substrate, directory: Path, namespace: str = "n") -> dict[int, Exported]:
    """Bring an export up to date, in this process."""
    async with exporting(substrate, namespace, directory) as run:
        exported = await export_all(substrate, None, run.jobs, run.behind, lambda frames, events: None)
        if run.jobs or run.state.run == 1:
            run.finish(exported)
        return exported


def faults(exported: Mapping[int, Exported]) -> list[str]:
    """Return what could not be read."""
    return [fault for one in exported.values() for fault in one.faults]


def read(directory: Path, table: str, where: str = "true", by: str = "ALL") -> Rows:
    """Return the rows of a table as any tool reads them from the files."""
    files = f"{directory}/current/{table}/*.parquet"
    if not [*directory.glob(f"current/{table}/*.parquet")]:
        return []
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * FROM read_parquet('{files}') WHERE {where} ORDER BY {by}")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def everything(directory: Path) -> dict[str, Rows]:
    """Return the rows of all tables."""
    return {name: read(directory, name) for name in TABLES}


def without_positions(tables: Mapping[str, Rows]) -> dict[str, Rows]:
    """Return tables without what differs from one stream to another."""
    return {
        name: [{key: value for key, value in row.items() if key != "position"} for row in rows]
        for name, rows in tables.items()
    }


def told(log: Sequence[Stored]) -> list[dict[str, Any]]:
    """Return the events of a conversation's own frames as plain data, read by nothing but a JSON decoder."""
    return [event for one in log if not one.inherited for event in msgspec.json.decode(one.data)["events"]]


def bytes_in(directory: Path) -> bytes:
    """Return all that is in the files of a directory: as it stands there, and as Parquet gives it back."""
    raw = b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return raw + repr(everything(directory)).encode()

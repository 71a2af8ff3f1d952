"""What the logs hold: read past every proxy, and arranged as the checks need it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from agent_runtime_framework import Client
from agent_runtime_framework.events import (
    AnyEvent,
    CommandRefused,
    ConversationId,
    FrameworkError,
    ModelAnswered,
    ModelRequested,
    Stored,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnResumed,
)
from agent_runtime_framework.projections import Conversation, evolve, initial
from agent_runtime_framework.runtime.nats import connect
from agent_runtime_framework.runtime.nats.connection import api
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.testing.rules import Broken

from .ledger import Start
from .town import NAMESPACE, Town

Log = Sequence[Stored]

_READERS = 8


class Place(Struct, frozen=True):
    """Is an event where it stands: the conversation before and after it, and the frame that holds it."""

    event: AnyEvent
    version: int
    before: Conversation
    after: Conversation
    stored: Stored


def places(log: Log) -> Iterator[Place]:
    """Yield every event of a log where it stands."""
    now = initial(log[0].conversation) if log else initial(ConversationId(""))
    for stored in log:
        for version, event in stored.frame.numbered():
            after = evolve(now, event)
            yield Place(event, version, now, after, stored)
            now = after


async def read(town: Town) -> tuple[dict[ConversationId, Log], list[Broken]]:
    """Return every conversation's log, and what of it cannot be read."""
    logs: dict[ConversationId, Log] = {}
    broken: list[Broken] = []
    async with Client.connect(nats=town.direct, namespace=NAMESPACE, create=False) as client:
        names = [ConversationId(summary.conversation) async for summary in client.conversations()]
        gate = asyncio.Semaphore(_READERS)

        async def one(name: ConversationId) -> None:
            async with gate:
                try:
                    logs[name] = [stored async for stored in client.substrate.log.read(name)]
                except FrameworkError as error:
                    broken.append(Broken(2, name, f"the log cannot be read: {error}"))

        await asyncio.gather(*(one(name) for name in names))
    return logs, broken


async def waiting(town: Town) -> int:
    """Return how many commands are not acknowledged."""
    client = await connect(town.direct, name="chaos-waiting")
    try:
        info = msgspec.json.decode(await api(client, f"STREAM.INFO.{Names(NAMESPACE, 1).command_stream}"))
        return int(info["state"]["messages"])
    finally:
        await client.close()


def outcomes(log: Log) -> Mapping[str, list[str]]:
    """Return what became of each command, by its id: one outcome, if all is well."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for place in places(log):
        match place.event:
            case TurnCompleted():
                _turn_over(found, place, "replied")
            case TurnFailed():
                _turn_over(found, place, "failed")
            case TurnCancelled(command_id=command):
                _turn_over(found, place, "cancelled")
                if command:
                    found[command].append("done")
            case CommandRefused(command_id=command):
                found[command].append("refused")
            case _:
                pass
    return found


def _turn_over(found: defaultdict[str, list[str]], place: Place, how: str) -> None:
    if place.before.turn is not None:
        found[place.before.turn.message_id].append(how)


def rounds(log: Log) -> Mapping[tuple[str, int], int]:
    """Return how often the log says that the model is owed an answer, by message and round."""
    found: defaultdict[tuple[str, int], int] = defaultdict(int)
    answered: defaultdict[str, int] = defaultdict(int)
    for place in places(log):
        if place.before.turn is None:
            continue
        message = place.before.turn.message_id
        if isinstance(place.event, ModelRequested):
            found[message, answered[message]] += 1
        elif isinstance(place.event, ModelAnswered):
            answered[message] += 1
    return found


def takeovers(
    logs: Mapping[ConversationId, Log], starts: Sequence[Start], ends: Sequence[tuple[int, int]]
) -> list[float]:
    """Return the seconds from the end of a worker's life (process id and Unix milliseconds) to where a turn goes on.

    Which life a process is, is known of those that ran a tool: the log has the writer, the ledger the process.
    """
    pids = {start.key: start.pid for start in starts}
    lives: dict[str, int] = {}
    resumed: list[tuple[str, int]] = []
    for name, log in logs.items():
        before = ""
        for stored in log:
            for event in stored.frame.events:
                if isinstance(event, ToolStarted) and event.attempt == 1:
                    pid = pids.get(f"{name}@{event.call}")
                    if pid is not None and stored.frame.writer not in lives:
                        lives[stored.frame.writer] = pid
                elif isinstance(event, TurnResumed):
                    resumed.append((before, stored.frame.time))
            before = stored.frame.writer
    found = []
    for writer, time in resumed:
        at = [end for pid, end in ends if pid == lives.get(writer) and end <= time]
        if at:
            found.append((time - max(at)) / 1000)
    return found

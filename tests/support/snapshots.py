"""Snapshots in tests: kept after every turn, and logs that say from where they were read."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from msgspec import structs

from agent_runtime_framework.actors import NoSnapshots, Snapshots
from agent_runtime_framework.actors.current import Current
from agent_runtime_framework.events import START, ConversationId, EventLog, Frame, Head, Stored, Unavailable, Unreadable
from agent_runtime_framework.projections import Conversation
from agent_runtime_framework.runtime.snapshots import ConversationSnapshots, Parts
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import order_agent, working

NAMED = calls(("save_name", {"name": "Ada Lovelace"}))


def kept_often(substrate: Substrate, *, parts: Parts | None = None, log: EventLog | None = None) -> Substrate:
    """Return a place whose conversations are kept after every turn."""
    there = log or substrate.log
    snapshots = ConversationSnapshots(parts or parts_of(substrate), there, substrate.vault, versions=1)
    return structs.replace(substrate, log=there, snapshots=snapshots)


def parts_of(substrate: Substrate) -> Parts:
    """Return where a place's snapshots are stored."""
    assert substrate.snapshots is not None
    return substrate.snapshots.parts


async def stored_parts(substrate: Substrate, conversation: str = "c-1") -> list[bytes]:
    """Return what is kept of a conversation."""
    return [data for _, data in await parts_of(substrate).get(ConversationId(conversation))]


async def until_kept(substrate: Substrate, count: int, conversation: str = "c-1") -> list[bytes]:
    """Return what is kept of a conversation, once it has so many parts."""
    async with asyncio.timeout(20):
        while len(found := await stored_parts(substrate, conversation)) < count:  # nobody tells of it  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


async def talk(substrate: Substrate, turns: int, conversation: str = "c-1") -> None:
    """Hold a conversation of so many turns, each of which is kept."""
    answers: list[Any] = [NAMED, "Nice to meet you, Ada."] * turns
    with ScriptedLLM(*answers) as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            for turn in range(1, turns + 1):
                await rt.send("order", conversation, "I am Ada", timeout=20)
                await until_kept(substrate, turn, conversation)


async def replied(substrate: Substrate, conversation: str = "c-1") -> str:
    """Say something more, to a worker that has to open the conversation, and return the reply."""
    with ScriptedLLM("Good day.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            return (await rt.send("order", conversation, "hello", timeout=20)).text


async def _raised(error: Unavailable, _tries: int) -> None:
    raise error


async def opened(substrate: Substrate, *, conversation: str = "c-1", snapshots: bool = True) -> Conversation:
    """Return a conversation as an actor has it that opens it."""
    kept: Snapshots = substrate.snapshots or NoSnapshots() if snapshots else NoSnapshots()
    now = Current(ConversationId(conversation), log=substrate.log, snapshots=kept)
    await now.load(_raised)
    return now.conversation


async def is_used(substrate: Substrate, conversation: str = "c-1") -> bool:
    """Say whether the snapshot of a conversation is used."""
    assert substrate.snapshots is not None
    return (await substrate.snapshots.load(ConversationId(conversation))).snapshot.number > 0


class ReadLog:
    """Is a log that says after which versions it was read."""

    def __init__(self, inner: EventLog) -> None:
        self._inner = inner
        self.read_after: list[int] = []

    async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
        return await self._inner.append(conversation, frame, expected)

    async def restore(self, conversation: ConversationId, data: bytes, expected: Head) -> Stored:
        return await self._inner.restore(conversation, data, expected)

    def read(self, conversation: ConversationId, after: Head = START) -> AsyncIterator[Stored]:
        self.read_after.append(after.version)
        return self._inner.read(conversation, after)

    async def last(self, conversation: ConversationId) -> Stored | None:
        return await self._inner.last(conversation)

    def lasts(self) -> AsyncIterator[Stored | Unreadable]:
        return self._inner.lasts()


class Faulty:
    """Is a place of parts where each call fails that is told to."""

    def __init__(self, inner: Parts) -> None:
        self._inner = inner
        self.fails: set[str] = set()
        self.tried: list[str] = []

    def _try(self, what: str) -> None:
        self.tried.append(what)
        if what in self.fails:
            raise Unavailable("the server is away")

    async def get(self, conversation: ConversationId) -> list[tuple[int, bytes]]:
        self._try("get")
        return await self._inner.get(conversation)

    async def put(self, conversation: ConversationId, data: bytes, expected: int) -> int:
        self._try("put")
        return await self._inner.put(conversation, data, expected)

    async def remove(self, conversation: ConversationId, position: int) -> None:
        self._try("remove")
        await self._inner.remove(conversation, position)

    async def erase(self, conversation: ConversationId) -> int:
        self._try("erase")
        return await self._inner.erase(conversation)


async def tried(parts: Faulty, what: str, times: int) -> None:
    async with asyncio.timeout(20):
        while parts.tried.count(what) < times:  # nobody tells of it  # noqa: ASYNC110
            await asyncio.sleep(0.01)

"""Conversations written by hand, event by event, for tests of what an auditor is told of them."""

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from agent_runtime_framework.events import (
    START,
    AnyEvent,
    ConversationId,
    ConversationStarted,
    CorruptLog,
    EventLog,
    Frame,
    Head,
    ModelAnswered,
    ModelRequested,
    Stored,
    TurnStarted,
    UserSpoke,
)
from agent_runtime_framework.runtime.cli.console.options import Options
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.feed import End, Entry, Feed
from agent_runtime_framework.runtime.reader import Reader
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from support.journeys import tokens

TOOLS = tuple({"type": "function", "function": {"name": name}} for name in ("add", "pay"))
ASKED = ModelRequested(
    cause=3,
    model="m",
    prompt="Be kind.\nAlways.\nTo all.\nAnd brief.\nNever lie.",
    tools=TOOLS,
    effects={"add": "idempotent"},
    parameters={"seed": 7},
    last_turn=1,
    request="abc",
)
BEFORE = (
    ConversationStarted(agent="order", journey_hash="h" * 64, state={"n": Raw(b"1")}, step="name"),
    UserSpoke(message_id="m-1", text="two\nteas"),
    TurnStarted(number=1, cause=2),
)


def chose(*calls: tuple[str, Any], words: str = "") -> tuple[AnyEvent, ...]:
    """Return a conversation up to the answer, at version 5, in which the model makes these calls."""
    listed = [{"id": f"p-{at}", "name": name, "arguments": given} for at, (name, given) in enumerate(calls)]
    message = {"content": words, "tool_calls": listed}
    answered = ModelAnswered(
        cause=4, message=message, usage=tokens(1000, 100, 1100), latency_ms=1234, model="m-1", response_id="resp-1"
    )
    return (*BEFORE, ASKED, answered)


async def write(log: EventLog, events: Sequence[AnyEvent], conversation: str = "c-1", at: int = 0) -> None:
    """Record events, a millisecond and a frame each, from `at` on."""
    head = START
    agent = next((event.agent for event in events if isinstance(event, ConversationStarted)), "")
    for number, event in enumerate(events, 1):
        frame = Frame(
            first=number, time=at + number, writer=f"w-{number}", agent=agent, events=(event,), prev=head.hash
        )
        head = (await log.append(ConversationId(conversation), frame, head)).head


class Damaged:
    """Is a log that is damaged in some conversations behind what it holds of them."""

    def __init__(self, log: EventLog, *conversations: str) -> None:
        self._log = log
        self._damaged = conversations
        self.append, self.restore, self.last, self.lasts = log.append, log.restore, log.last, log.lasts

    async def read(self, conversation: ConversationId, after: Head = START) -> AsyncIterator[Stored]:
        async for stored in self._log.read(conversation, after):
            yield stored
        if conversation in self._damaged:
            raise CorruptLog("the log was changed")


class DamagedFeed:
    """Is a feed with bytes in some conversations that nobody stored, behind what it has of them."""

    def __init__(self, feed: Feed, *conversations: str) -> None:
        self._feed = feed
        self._damaged = conversations
        self.shards, self.follow = feed.shards, feed.follow

    async def end(self, shard: int) -> End:
        stream, position = await self._feed.end(shard)
        return End(stream, position + len(self._damaged))

    async def read(self, shard: int, after: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        async for batch in self._feed.read(shard, after):
            yield batch
        _, end = await self._feed.end(shard)
        yield [Entry(ConversationId(name), end + at, b"changed") for at, name in enumerate(self._damaged, 1)]


class Audited:
    """Is a place as a command of a module sees it."""

    def __init__(self, module: Any, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._substrate = in_memory(SystemClock())
        self._capture = capture
        patch.setattr(module, "reading", self._reading)

    async def has(self, *events: AnyEvent, conversation: str = "c-1", at: int = 0) -> None:
        """Record events in a conversation."""
        await write(self.log, events, conversation, at)

    def damage(self, *conversations: str) -> None:
        """Let these be damaged at their ends."""
        log, feed = Damaged(self.log, *conversations), DamagedFeed(self._substrate.feed, *conversations)
        self._substrate = replace(self._substrate, log=log, feed=feed)

    @property
    def log(self) -> EventLog:
        """The log of the place."""
        return self._substrate.log

    def printed(self) -> tuple[list[str], list[str]]:
        """Return the lines of stdout and of stderr since this was asked last."""
        heard = self._capture.readouterr()
        return heard.out.splitlines(), heard.err.splitlines()

    def rows(self) -> list[dict[str, str]]:
        """Return the rows of a CSV that was written to stdout since this was asked last."""
        return list(csv.DictReader(io.StringIO(self._capture.readouterr().out)))

    def _reading(self, options: Options) -> AbstractAsyncContextManager[Reader]:
        return _reader(self._substrate)


@asynccontextmanager
async def _reader(substrate: Substrate) -> AsyncIterator[Reader]:
    yield Reader(substrate)

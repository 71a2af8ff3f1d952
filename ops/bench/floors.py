"""The floors: what any program would pay on this machine for what a turn makes durable, in five commits.

They are fixed: the bytes said in a turn, the user's text once as a command and once in the first of four frames.  On
JetStream each commit is a publish whose acknowledgement is waited for, through plain nats-py, to streams as ours are,
on the same server; in SQLite it is a transaction that is synced.
"""

import asyncio
import sqlite3
import time
from pathlib import Path

from nats.aio.client import Client as Nats

from agent_runtime_framework.events import AgentKey, ConversationId, FrameworkError
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.topology import ensure

from .place import Place
from .work import AGENT, USUAL, Words

NAMESPACE = "floor"
TIMEOUT = 30.0


class JetStreamFloor:
    """Publishes what is said in a turn, and waits for each acknowledgement."""

    name = "JetStream"

    def __init__(self, plain: Nats, names: Names) -> None:
        self._plain = plain
        self._names = names
        self._words = Words()

    @classmethod
    async def on(cls, place: Place) -> "JetStreamFloor":
        """Return one on the server of a run, with streams of its own."""
        return cls(place.plain, await ensure(place.plain, NAMESPACE))

    async def turn(self, conversation: str) -> float:
        """Publish a command and four frames, one after another, and return the seconds that it took."""
        command, *frames = said(self._words)
        id_ = ConversationId(conversation)
        to_command, to_log = self._names.command_subject(AgentKey(AGENT), id_), self._names.event_subject(id_)
        began = time.perf_counter()
        await self._publish(to_command, command)
        for frame in frames:
            await self._publish(to_log, frame)
        return time.perf_counter() - began

    async def turns_a_second(self, conversations: int, turns: int) -> float:
        """Have so many turns in so many conversations at once."""

        async def one(number: int) -> None:
            for _ in range(turns):
                await self.turn(f"f-{number}")

        began = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(conversations)))
        return conversations * turns / (time.perf_counter() - began)

    async def two_commits(self) -> float:
        """Publish a command and a frame, which is what there must be before a model is asked."""
        command, frame, *_ = said(self._words)
        id_ = ConversationId("f-two")
        began = time.perf_counter()
        await self._publish(self._names.command_subject(AgentKey(AGENT), id_), command)
        await self._publish(self._names.event_subject(id_), frame)
        return time.perf_counter() - began

    async def _publish(self, subject: str, data: bytes) -> None:
        answer = await self._plain.request(subject, data, timeout=TIMEOUT)
        if b'"error"' in answer.data:
            raise FrameworkError(f"the server refused what was published to {subject}: {answer.data.decode()}")


class SQLiteFloor:
    """Commits what is said in a turn to a table that only grows, in a write-ahead log that is `synchronous=FULL`."""

    name = "SQLite"

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._connection.execute("pragma journal_mode=wal")
        self._connection.execute("pragma synchronous=full")
        self._connection.execute("create table log (position integer primary key, conversation text, data blob)")
        self._words = Words()

    def turn(self, conversation: str) -> float:
        """Commit five rows, one after another, and return the seconds that it took."""
        rows = said(self._words)
        began = time.perf_counter()
        for data in rows:
            self._connection.execute("insert into log (conversation, data) values (?, ?)", (conversation, data))
        return time.perf_counter() - began

    def turns_a_second(self, conversations: int, turns: int) -> float:
        """Have so many turns in so many conversations, one commit after another, since there is one writer.

        This blocks until it is done; call it in a thread.
        """
        began = time.perf_counter()
        for _ in range(turns):
            for number in range(conversations):
                self.turn(f"f-{number}")
        return conversations * turns / (time.perf_counter() - began)

    def kept(self) -> tuple[int, str]:
        """Return how many rows there are, and how they are synced."""
        (rows,) = self._connection.execute("select count(*) from log").fetchone()
        (level,) = self._connection.execute("pragma synchronous").fetchone()
        return rows, ("off", "normal", "full", "extra")[level]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def said(words: Words) -> list[bytes]:
    """Return what is said in a turn in five pieces: the command, and what each of the four frames has of it."""
    user, reply = words.text(USUAL.user), words.text(USUAL.reply)
    pieces = (user, user, words.arguments(USUAL.arguments), words.text(USUAL.result), reply)
    return [piece.encode() for piece in pieces]

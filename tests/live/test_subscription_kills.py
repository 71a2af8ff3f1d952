"""A process that runs a subscription is killed again and again, or runs twice: every count is exact in the end."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import msgspec

from agent_runtime_framework import Client, Conflict, MemorySink, SQLiteSink, Unavailable
from agent_runtime_framework.events import START, ConversationId, EventLog, Head, Stored
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.sinks import Row
from agent_runtime_framework.testing import NatsServer
from support.chains import frame_after
from support.subscriber import Sum, subscriber

NAMES = [ConversationId(f"c-{number}") for number in range(12)]
KILLS = 8


class Writing:
    """Appends frames of one to three events to all conversations, in turn, while the context lasts."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.heads: dict[ConversationId, Head] = dict.fromkeys(NAMES, START)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._write())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _write(self) -> None:
        number = 0
        while True:
            for name in NAMES:
                number += 1
                frame = frame_after(self.heads[name], *"abc"[: 1 + number % 3])
                self.heads[name] = (await self.log.append(name, frame, self.heads[name])).head

    async def versions(self) -> dict[str, int]:
        lasts = [await self.log.last(name) for name in NAMES]
        return {last.conversation: last.head.version for last in lasts if last is not None}


def kept(path: Path) -> dict[str, tuple[int, dict[str, int]]]:
    """Return version and state of each row of the file."""
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path, timeout=20)) as database:
        try:
            rows = database.execute("select conversation, version, state from states").fetchall()
        except sqlite3.OperationalError as error:  # it was made a moment ago, and has no tables yet
            assert "no such table" in str(error)
            return {}
    return {name: (version, msgspec.json.decode(state)) for name, version, state in rows}


async def grown(path: Path, since: int) -> int:
    """Return how many events were folded, once that is more than `since`."""
    async with asyncio.timeout(20):
        while (count := sum(version for version, _ in kept(path).values())) <= since:  # noqa: ASYNC110  a file tells nobody
            await asyncio.sleep(0.005)
    return count


def assert_exact(path: Path, versions: dict[str, int]) -> None:
    assert kept(path) == {
        name: (version, {"events": version, "sum": version * (version + 1) // 2}) for name, version in versions.items()
    }


async def test_it_is_killed_again_and_again_and_every_count_is_exact(nats_url: str, tmp_path: Path) -> None:
    namespace, path, count = new_id("kill"), tmp_path / "sum.db", 0
    async with Client.connect(nats_url, namespace=namespace) as client:
        writing = Writing(client.substrate.log)
        async with writing.going_on():
            for _ in range(KILLS):
                process = await subscriber(nats_url, namespace, path)
                try:
                    count = await grown(path, count)
                    count = await grown(path, count)
                finally:
                    process.kill()
                    assert await process.communicate() == (b"", b"")
        await client.subscribe(Sum(), "sum", sink=SQLiteSink(path)).catch_up()

        assert_exact(path, await writing.versions())
        assert count > KILLS


async def test_two_processes_under_one_name_double_nothing_and_the_earlier_one_says_why_it_ends(
    nats_url: str, tmp_path: Path
) -> None:
    namespace, path = new_id("twice"), tmp_path / "sum.db"
    async with Client.connect(nats_url, namespace=namespace) as client:
        writing = Writing(client.substrate.log)
        async with writing.going_on():
            both = [await subscriber(nats_url, namespace, path) for _ in range(2)]
            ends = [asyncio.create_task(process.communicate()) for process in both]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for process in both:
                    if process.returncode is None:
                        process.kill()
                said = [(await end)[1].decode() for end in ends]
        await client.subscribe(Sum(), "sum", sink=SQLiteSink(path)).catch_up()

        assert sorted(process.returncode or 0 for process in both) == [-9, Conflict.exit_code], said
        (why,) = [text for text in said if text]
        assert "another subscription" in why
        assert why.count("\n") == 1
        assert_exact(path, await writing.versions())


async def test_a_running_one_outlives_its_server(tmp_path: Path) -> None:
    with NatsServer(tmp_path) as server:
        async with Client.connect(server.url) as client:
            log, sink = client.substrate.log, MemorySink()
            running = asyncio.create_task(client.subscribe(Sum(), "sum", sink=sink).run())
            head = (await _stored(log, START)).head
            await _reached(sink, head, running)
            for stop in (server.kill, server.stop):
                head = (await _stored(log, head)).head
                await asyncio.to_thread(stop)
                await asyncio.to_thread(server.start)
            head = (await _stored(log, head)).head
            await _reached(sink, head, running)
            running.cancel()
            await asyncio.wait([running])

    assert msgspec.json.decode(sink.rows("sum")[NAMES[0]].state) == {"events": 4, "sum": 1 + 2 + 3 + 4}


async def _reached(sink: MemorySink, head: Head, running: "asyncio.Task[None]") -> None:
    """Return once the projection is at this head."""
    async with asyncio.timeout(30):
        while sink.rows("sum").get(NAMES[0], Row("", 0, b"")).version < head.version:
            assert not running.done()
            await asyncio.sleep(0.01)


async def _stored(log: EventLog, head: Head) -> Stored:
    async with asyncio.timeout(30):
        while True:
            try:
                return await log.append(NAMES[0], frame_after(head), head)
            except Unavailable:
                await asyncio.sleep(0.05)

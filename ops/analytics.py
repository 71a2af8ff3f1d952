"""How long tables take: `make tables EVENTS=1000000`.

A conversation is recorded by a worker.  Its frames are then stored under so many ids that there are that many events,
and so that all conversations are in progress at once, which is the worst case for whoever reads the streams.  Then the
commands are run as they are typed, and their times and the memory that they and their processes took are told; the
seconds of the processor say more where others are at work on the machine.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.long_conversation import CONVERSATION, record

from agent_runtime_framework import Client
from agent_runtime_framework.events import ConversationId, Stored, frame_hash
from agent_runtime_framework.runtime.nats import connect
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.records import JetStreamRecords
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.testing import NatsServer

AT_ONCE = 500


async def template(directory: Path, turns: int) -> list[Stored]:
    """Return the frames of a recorded conversation."""
    await record(directory, turns)
    async with Client.connect(home=directory) as client:
        return [stored async for stored in client.frames(CONVERSATION)]


async def fill(url: str, frames: list[Stored], events: int) -> int:
    """Store the frames under as many ids as there have to be, with other words in each; return how many events."""
    each = frames[-1].head.version
    conversations = [ConversationId(f"c-{number}") for number in range(max(events // each, 1))]
    client = await connect(url)
    names: Names = await ensure(client, "arf")
    records = JetStreamRecords(names, appends=client, reads=client)
    last, previous = dict.fromkeys(conversations, 0), dict.fromkeys(conversations, "")
    room = asyncio.Semaphore(AT_ONCE)

    async def put(conversation: ConversationId, stored: Stored) -> None:
        async with room:
            data = stored.data.replace(b"words", f"{zlib.crc32(conversation.encode()) % 100_000:05}".encode())
            if stored.frame.prev:
                data = data.replace(stored.frame.prev.encode(), previous[conversation].encode())
            key = previous[conversation] = frame_hash(data)
            last[conversation] = await records.put(conversation, data, id=key, expected=last[conversation])

    for stored in frames:
        await asyncio.gather(*(put(conversation, stored) for conversation in conversations))
    await client.close()
    return len(conversations) * each


class Memory:
    """Watches how much memory the descendants of this process take at most, each by itself and all together."""

    def __init__(self) -> None:
        self.largest = self.together = 0
        self._ended = threading.Event()

    @contextmanager
    def watched(self, process: int) -> Iterator[None]:
        """Watch a process and its children while the block runs."""
        watching = threading.Thread(target=self._watch, args=(process,))
        watching.start()
        try:
            yield
        finally:
            self._ended.set()
            watching.join()

    def _watch(self, process: int) -> None:
        while not self._ended.wait(0.05):
            sizes = [_resident(each) for each in (process, *_children(process))]
            self.largest = max(self.largest, *sizes)
            self.together = max(self.together, sum(sizes))


def _children(process: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _used() -> float:
    """Return how many seconds of a processor the processes took that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(*words: str, nats: str) -> None:
    """Run a command of arf, and print its time and memory."""
    memory, began, used = Memory(), time.perf_counter(), _used()
    command = [sys.executable, "-m", "agent_runtime_framework.runtime.cli", *words, "--nats", nats]
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process,
        memory.watched(process.pid),
    ):
        _, said = process.communicate()
    took, shown = time.perf_counter() - began, " ".join(words)
    print(
        f"{shown[:70]:70} {took:7.1f} s, {_used() - used:7.1f} s of processor, "
        f"{memory.largest >> 20:5} MB the largest process, {memory.together >> 20:5} MB together"
    )
    if process.returncode:
        raise SystemExit(said)


def audits(nats: str, page: str) -> None:
    """Run what audits all conversations."""
    timed("audit", "tools", nats=nats)
    timed("audit", "tools", "--since", "1m", nats=nats)
    timed("audit", "tools", "--agent", "nobody", nats=nats)
    timed("audit", "report", "-o", page, nats=nats)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def main() -> int:
    """Fill a server, run the commands, and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("events", type=int, nargs="?", default=100_000)
    parser.add_argument("--turns", type=int, default=10, help="turns of a conversation")
    parser.add_argument("--audits", action="store_true", help="time the audits of all conversations alone")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, NatsServer(_made(Path(directory) / "server")) as server:
        began = time.perf_counter()
        frames = asyncio.run(template(Path(directory) / ".arf", given.turns))
        stored = asyncio.run(fill(server.url, frames, given.events))
        print(f"{stored:,} events stored in {time.perf_counter() - began:.0f} s")
        audits(server.url, str(Path(directory) / "report.html"))
        if given.audits:
            return 0
        tables = str(Path(directory) / "tables")
        timed("export", "--parquet", tables, nats=server.url)
        timed("export", "--parquet", tables, nats=server.url)
        timed("sql", "--parquet", tables, "select verdict, count(*) from tool_calls group by all", nats=server.url)
        timed("sql", "select type, count(*) from events group by all", nats=server.url)
        timed("sql", "select verdict, count(*) from tool_calls group by all", nats=server.url)
    return 0


if __name__ == "__main__":
    sys.exit(main())

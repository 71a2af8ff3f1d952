"""How long verifying and sealing take: `make audit FRAMES=100000`.

On a server of its own, so many frames are stored in conversations of some length; then all are verified, and sealed
several times, and each time is told.  How long the event loop was held up meanwhile is told, too: others wait so long.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent_runtime_framework.events import ConversationId, Frame, UserSpoke, WriterId, encode_frame, frame_hash
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.crypto.signing import SealKey
from agent_runtime_framework.runtime.nats import nats_substrate
from agent_runtime_framework.runtime.nats.client import Connection
from agent_runtime_framework.runtime.nats.connection import connect
from agent_runtime_framework.runtime.nats.records import JetStreamRecords
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.runtime.sealing import Sealer, SealFile, evidence_in
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.runtime.verifying import Verification
from agent_runtime_framework.testing import NatsServer

AT_ONCE = 200
TEXT = "Something that somebody said. " * 10
LOOK = 0.001


class Loop:
    """Knows for how long the event loop was held up at most."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(LOOK)
            self.longest = max(self.longest, time.perf_counter() - began - LOOK)


@asynccontextmanager
async def told(what: str, loop: Loop) -> AsyncIterator[None]:
    """Tell how long the block took."""
    await asyncio.sleep(2 * LOOK)  # what was held up before is not counted
    loop.longest, began = 0.0, time.perf_counter()
    yield
    await asyncio.sleep(2 * LOOK)
    print(f"{what}: {time.perf_counter() - began:.2f} s, the loop held up for {loop.longest * 1000:.0f} ms at most")


async def store(records: JetStreamRecords, first: int, conversations: int, frames: int) -> None:
    """Store conversations of so many frames each."""

    async def one(number: int) -> None:
        conversation, prev, position = ConversationId(f"c-{number}"), "", 0
        for index in range(frames):
            said = UserSpoke(message_id=f"m-{index}", text=TEXT)
            frame = Frame(first=index + 1, time=1_795_663_922_024, writer="w", agent="agent", prev=prev, events=(said,))
            data = encode_frame(frame)
            prev = frame_hash(data)
            position = await records.put(conversation, data, id=prev, expected=position)

    for begin in range(first, first + conversations, AT_ONCE):
        await asyncio.gather(*(one(number) for number in range(begin, min(begin + AT_ONCE, first + conversations))))


async def measure(frames: int, length: int) -> None:
    """Store, verify and seal."""
    with tempfile.TemporaryDirectory() as directory, NatsServer(Path(directory)) as server:
        connection: Connection = await connect(server.url)
        names = await ensure(connection, "arf")
        records = JetStreamRecords(names, appends=connection, reads=connection)
        found = await nats_substrate(
            "arf",
            WriterId("auditor"),
            appends=connection,
            reads=connection,
            more=lambda: connect(server.url),
            shards=names.shards,
            create=False,
        )
        if found is not None:
            await _measured(found[0], records, Path(directory, "seals.jsonl"), frames, length)
        await connection.close()


async def _measured(substrate: Substrate, records: JetStreamRecords, file: Path, frames: int, length: int) -> None:
    loop = Loop()
    watching = asyncio.create_task(loop.watch())
    conversations = frames // length
    async with told(f"store {frames} frames in {conversations} conversations", loop):
        await store(records, 0, conversations, length)
    async with told("verify all", loop):
        faults = [one.fault async for one in Verification(substrate).all() if one.fault is not None]
    key = SealKey(Ed25519PrivateKey.generate())
    if substrate.seals is None:
        return
    sealer = Sealer(substrate.log, substrate.seals, namespace="arf", key=key, file=SealFile(file), clock=SystemClock())
    async with told(f"seal {conversations} heads, the first time", loop):
        await sealer.seal()
    size = await asyncio.to_thread(file.stat)
    print(f"the file has {size.st_size / 1e6:.1f} MB")
    await store(records, conversations, 100, 1)
    async with told("seal again, with 100 new", loop):
        await sealer.seal()
    again = Sealer(substrate.log, substrate.seals, namespace="arf", key=key, file=SealFile(file), clock=SystemClock())
    async with told("seal again by a new worker, which reads the file first", loop):
        await again.seal()
    began = time.perf_counter()
    *_, evidence = evidence_in(file, [key.public])
    print(f"verify a file of {len(evidence.seals)} seals: {time.perf_counter() - began:.2f} s")
    async with told("verify all against the seals", loop):
        faults += [one.fault async for one in Verification(substrate, evidence).all() if one.fault is not None]
    print(f"faults: {len(faults) + len(evidence.faults)}")
    watching.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", type=int)
    parser.add_argument("--length", type=int, default=1, help="frames of a conversation")
    given = parser.parse_args()
    asyncio.run(measure(given.frames, given.length))

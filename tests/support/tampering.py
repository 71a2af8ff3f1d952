"""Someone with full rights on the server: what he takes away, and what he puts in its place, as he likes it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs

from agent_runtime_framework import Client, Runtime
from agent_runtime_framework.events import ConversationId, Fault, Frame, Stored, WriterId, encode_frame, frame_hash
from agent_runtime_framework.events.codec import decode_frame
from agent_runtime_framework.runtime.clock import SystemClock, new_id
from agent_runtime_framework.runtime.crypto.signing import SealKey
from agent_runtime_framework.runtime.logfiles import Recording
from agent_runtime_framework.runtime.nats import nats_substrate
from agent_runtime_framework.runtime.nats.client import Connection
from agent_runtime_framework.runtime.nats.connection import api, connect, publish
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.records import messages_of
from agent_runtime_framework.runtime.nats.topology import event_stream, seal_stream
from agent_runtime_framework.runtime.sealing import Evidence, Sealer, SealFile, compare, evidence_in
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.runtime.verifying import Verdict, Verification
from agent_runtime_framework.testing import OnboardingAgent, ScriptedLLM
from support.recorded_logs import log_of

ONE, TWO, FORK, IMPORTED = map(ConversationId, ("c-1", "c-2", "c-3", "c-4"))


class Kept(NamedTuple):
    """Is a message as a stream has it: the bytes and the message id; None where it has none."""

    data: bytes
    id: str | None

    def with_its_id(self, conversation: str) -> "Kept":
        return Kept(self.data, f"{conversation}.{frame_hash(self.data)}")


def changed(kept: Kept, at: int = -40) -> Kept:
    """Return a message with one byte changed, its id as it was."""
    data = bytearray(kept.data)
    data[at] ^= 1
    return Kept(bytes(data), kept.id)


def retold(frames: Sequence[Kept], conversation: str, start: int) -> list[Kept]:
    """Return a log whose frames from `start` on were decided by another, with right hashes and right ids throughout."""
    told, prev = list(frames[:start]), frame_hash(frames[start - 1].data) if start else ""
    for kept in frames[start:]:
        data = encode_frame(Frame(**{**fields(kept), "writer": "w-forged", "prev": prev}))  # type: ignore[arg-type]
        told.append(Kept(data, None).with_its_id(conversation))
        prev = frame_hash(data)
    return told


def fields(kept: Kept) -> dict[str, object]:
    """Return what a frame says."""
    return structs.asdict(decode_frame(kept.data))


class Attacked:
    """Is a namespace on a real server, its seals, and what its attacker can do there."""

    def __init__(self, connection: Connection, names: Names, substrate: Substrate, directory: Path) -> None:
        self.names = names
        self.substrate = substrate
        self.file = directory / "seals.jsonl"
        self.key = SealKey(Ed25519PrivateKey.generate())
        self._connection = connection

    # --- what is there

    async def seal(self) -> None:
        await self.sealer(SealFile(self.file)).seal()

    def sealer(self, file: SealFile | None, key: SealKey | None = None) -> Sealer:
        seals = self.substrate.seals
        assert seals is not None
        namespace = self.names.namespace
        return Sealer(
            self.substrate.log, seals, namespace=namespace, key=key or self.key, file=file, clock=SystemClock()
        )

    async def evidence(self) -> Evidence:
        *_, evidence = evidence_in(self.file, [self.key.public])
        assert self.substrate.seals is not None
        await compare(evidence, self.substrate.seals.all())
        return evidence

    async def verdicts(self, evidence: Evidence | None = None) -> tuple[list[Verdict], list[Fault], list[str]]:
        verification = Verification(self.substrate, evidence)
        verdicts = [verdict async for verdict in verification.all()]
        return verdicts, *verification.streams()

    async def found(self) -> list[str]:
        """Return what verifying finds by itself, a line each."""
        verdicts, missing, _ = await self.verdicts()
        return [fault.line for fault in [*missing, *(one.fault for one in verdicts if one.fault is not None)]]

    async def found_by_seals(self) -> list[str]:
        """Return what it finds with the seals."""
        evidence = await self.evidence()
        verdicts, missing, _ = await self.verdicts(evidence)
        faults = [one.fault for one in verdicts if one.fault is not None]
        return [fault.line for fault in [*evidence.faults, *missing, *faults]]

    async def kept(self, conversation: ConversationId) -> list[Kept]:
        return [
            Kept(message.data, (message.headers or {}).get("Nats-Msg-Id"))
            async for messages in messages_of(self._connection, self.names, conversation, 0)
            for message in messages
        ]

    # --- what he does

    async def put(self, conversation: ConversationId, frames: Sequence[Kept]) -> None:
        """Put these frames in place of what is there."""
        await self.purge(conversation)
        await self.add(self.names.event_subject(conversation), frames)

    async def purge(self, conversation: ConversationId) -> None:
        stream = self.names.event_stream(self.names.shard(conversation))
        await api(self._connection, f"STREAM.PURGE.{stream}", {"filter": self.names.event_subject(conversation)})

    async def add(self, subject: str, frames: Sequence[Kept]) -> None:
        for kept in frames:
            headers = {} if kept.id is None else {"Nats-Msg-Id": kept.id}
            for attempt in range(100):
                if not (await publish(self._connection, subject, kept.data, headers)).duplicate:
                    break
                # told of another window, the server looks at once which ids it still has to know
                await self.forget_ids(100_000_000 + attempt * 1_000_000)
                await asyncio.sleep(0.1)
            else:
                raise AssertionError(f"the server does not forget {kept.id}")

    async def forget_ids(self, window: int = 100_000_000) -> None:
        """Have the streams forget the message ids that they know."""
        for shard in range(self.names.shards):
            config = event_stream(self.names, shard) | {"duplicate_window": window}
            await api(self._connection, f"STREAM.UPDATE.{config['name']}", config)

    async def drop(self, stream: str) -> None:
        await api(self._connection, f"STREAM.DELETE.{stream}")

    async def make(self, shard: int) -> None:
        config = event_stream(self.names, shard)
        await api(self._connection, f"STREAM.CREATE.{config['name']}", config)

    async def seals(self) -> list[bytes]:
        assert self.substrate.seals is not None
        return [data async for data in self.substrate.seals.all()]

    async def put_seals(self, seals: Sequence[bytes]) -> None:
        """Drop the stream of seals, and make it anew with these."""
        await self.drop(self.names.seal_stream)
        config = seal_stream(self.names)
        await api(self._connection, f"STREAM.CREATE.{config['name']}", config)
        await self.add(self.names.seal_subject, [Kept(data, None) for data in seals])


@asynccontextmanager
async def attacked(url: str, directory: Path) -> AsyncIterator[Attacked]:
    """Give a namespace with four conversations, one a fork and one imported, sealed in between and at the end.

    `c-1` has four turns; two of them were sealed before, at version 11.
    """
    namespace = new_id("tampered")
    async with Runtime([_agent()], nats=url, namespace=namespace) as runtime:
        names = Names(namespace, 8)
        connection = await connect(url)
        writer = WriterId("auditor")
        found = await nats_substrate(
            namespace, writer, appends=connection, reads=connection, more=lambda: connect(url), shards=8, create=False
        )
        assert found is not None
        place = Attacked(connection, names, found[0], directory)
        await _talked(runtime, place)
        try:
            yield place
        finally:
            await connection.close()


def _agent() -> OnboardingAgent:
    return OnboardingAgent(ScriptedLLM(*["Hello!"] * 20))


async def _talked(runtime: Runtime, place: Attacked) -> None:
    working = asyncio.create_task(runtime.run_worker())
    try:
        for text in ("hi", "there"):
            await runtime.send("onboarding", ONE, text)
        await runtime.send("onboarding", TWO, "hi")
        await place.seal()
        await runtime.fork(ONE, as_id=FORK)
        await runtime.send("onboarding", FORK, "and you?")
        for text in ("how", "are you?"):
            await runtime.send("onboarding", ONE, text)
        await _imported(runtime)
        await place.seal()
    finally:
        working.cancel()
        await asyncio.wait([working])


async def _imported(client: Client) -> None:
    recorded: list[Stored] = await log_of(_agent(), "hi", "there", conversation=IMPORTED)
    await client.restore(Recording(IMPORTED, tuple(recorded)))

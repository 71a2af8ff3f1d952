"""Verifying what is stored: every frame of one conversation or of all, and what was sealed of them.

All are read in one pass, stream by stream, because that is quickest and finds what was put where nobody looks.  What
does not fit there is read again by itself before it is said: a conversation may be erased, and its frames go, while
the pass is under way.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from msgspec import Struct

from ..events import (
    Chain,
    ConversationId,
    Fault,
    FrameworkError,
    RawFrame,
    Sealed,
    Unavailable,
    not_found,
    without_keys,
)
from .archive import Archive, StreamState
from .sealing import Evidence
from .substrate import Substrate

PIECE = 200
"""After so many verdicts the loop gets to do something else."""


class Verdict(Struct, frozen=True):
    """Says how far the log of a conversation is what was recorded.

    Attributes:
        conversation: whose.
        version, hash: where what fits ends.
        frames, events: how many of its own fit.
        erased: the version at which its content was erased, None if it was not.
        unsealed: how many events came after the last seal, where it was compared with seals.
        fault: the first thing that does not fit, None if all does.
        notes: what an erasure leaves open.

    >>> import asyncio
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(ScriptedLLM("Hello!"))) as rt:
    ...         await rt.send("onboarding", "c-1", "hi")
    ...         return await rt.verify("c-1")
    >>> verdict = asyncio.run(main())
    >>> verdict.fault, verdict.version, verdict.frames
    (None, 7, 2)

    """

    conversation: ConversationId
    version: int
    hash: str
    frames: int
    events: int
    erased: int | None = None
    unsealed: int = 0
    fault: Fault | None = None
    notes: tuple[str, ...] = ()


class _Walk:
    """Checks a conversation, and compares it with what was sealed of it, frame by frame."""

    __slots__ = ("_sealed", "_to", "chain", "unsealed")

    def __init__(self, conversation: ConversationId, evidence: Evidence | None) -> None:
        self.chain = Chain(conversation)
        self.unsealed = 0
        self._sealed: Sealed | None = None
        self._to = 0
        if evidence is not None:
            self._sealed = evidence.sealed(conversation)
            sealed = evidence.latest.get(conversation)
            self._to = 0 if sealed is None else sealed.version

    def add(self, raw: RawFrame) -> None:
        """Go on with a frame."""
        stored = self.chain.add(raw)
        if stored is not None and self._sealed is not None:
            self._sealed.passes(stored)
            if stored.head.version > self._to:
                self.unsealed += len(stored.frame.events)

    def verdict(self, fault: Fault | None = None) -> Verdict:
        """Return what came of it, `fault` being in what it inherits."""
        chain = self.chain
        fault = chain.fault or fault
        if fault is None and self._sealed is not None:
            fault = self._sealed.ended(chain.head.version)
        return Verdict(
            chain.conversation,
            chain.head.version,
            chain.head.hash,
            chain.frames,
            chain.events,
            chain.erased,
            self.unsealed,
            fault,
            () if fault is not None else tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        """Yield what an erasure leaves open."""
        if self._sealed is not None and self._sealed.passed_over:
            yield f"what was sealed up to {self._sealed.passed_over} cannot be compared any more"
        if self.chain.unfinished:
            yield "erasing was not completed, run `arf erase` again"


class Verification:
    """Verifies conversations of a place, and compares them with what was sealed where there is evidence of it."""

    def __init__(self, substrate: Substrate, evidence: Evidence | None = None) -> None:
        if substrate.archive is None:
            raise FrameworkError("this place cannot be verified: its substrate has no `archive`")
        self._archive: Archive = substrate.archive
        self._log = without_keys(substrate.log)  # what is wrong with a key is no fault of the log
        self._evidence = evidence
        self._gone: dict[str, int] = {}
        self._streams: Sequence[StreamState] = ()

    async def one(self, conversation: ConversationId) -> Verdict:
        """Return the verdict on one conversation.

        Raises:
            NotFound: nothing is recorded of it, and nothing was sealed.
            Unavailable: the server did not answer.

        """
        verdict = await self._alone(_Walk(conversation, self._evidence))
        if not verdict.version and verdict.fault is None:
            raise not_found(conversation)
        return verdict

    async def all(self, count: Callable[[int], object] = int) -> AsyncIterator[Verdict]:
        """Yield the verdict on each conversation, in the order of their names; `count` hears how many frames came.

        Raises:
            Unavailable: the server did not answer.

        """
        self._streams = await self._archive.streams()
        walks: dict[ConversationId, _Walk] = {}
        async for frames in self._archive.everything():
            for raw in frames:
                walk = walks.get(raw.conversation)
                if walk is None:
                    walk = walks[raw.conversation] = _Walk(raw.conversation, self._evidence)
                walk.add(raw)
            count(len(frames))
        sealed = () if self._evidence is None else self._evidence.heads
        for number, name in enumerate(sorted({*walks, *map(ConversationId, sealed)})):
            if number % PIECE == 0:
                await asyncio.sleep(0)
            walk = walks.pop(name, None) or _Walk(name, self._evidence)
            verdict = await self._verdict(walk)
            if verdict.frames and verdict.fault is not None and verdict.fault.kind != "astray":
                walk = _Walk(name, self._evidence)
                verdict = await self._alone(walk)
            if verdict.fault is None:  # an erasure that is not believed explains nothing
                self._gone[walk.chain.stream] = self._gone.get(walk.chain.stream, 0) + walk.chain.gone
            yield verdict

    def streams(self) -> tuple[list[Fault], list[str]]:
        """Return, after all were verified, which streams are missing, and from which more was removed than erased."""
        faults, warnings = [], []
        for stream in self._streams:
            if stream.removed is None:
                expected, found = "the stream, with every conversation that it had", "none of that name"
                faults.append(Fault(kind="missing", what=f"stream {stream.name}", expected=expected, found=found))
            elif stream.removed:
                warnings += _unexplained(stream.name, stream.removed, self._gone.get(stream.name, 0))
        return faults, warnings

    async def _alone(self, walk: _Walk) -> Verdict:
        async for frames in self._archive.frames(walk.chain.conversation):
            for raw in frames:
                walk.add(raw)
        return await self._verdict(walk)

    async def _verdict(self, walk: _Walk) -> Verdict:
        inherited = await self._inherited(walk.chain) if walk.chain.fork and walk.chain.fault is None else None
        return walk.verdict(inherited)

    async def _inherited(self, chain: Chain) -> Fault | None:
        """Return what is wrong with what a fork has from its ancestors, by reading it as everybody does."""
        try:
            async for stored in self._log.read(chain.conversation):
                if not stored.inherited:
                    break
        except FrameworkError as error:
            if isinstance(error, Unavailable) and all(stream.removed is not None for stream in self._streams):
                raise
            return Fault(
                kind="lineage",
                conversation=chain.conversation,
                what=f"what it inherits, before version {chain.head.version - chain.events + 1}",
                version=None,
                expected="the parent's frames up to the cut",
                found=str(error),
            )
        return None


def _unexplained(stream: str, removed: int, erased: int) -> list[str]:
    """Return the warning where more messages are missing than erased conversations can have had; each had an event."""
    if removed <= erased:
        return []
    messages = "1 message" if removed == 1 else f"{removed} messages"
    were = "was" if removed == 1 else "were"
    if not erased:
        return [f"{messages} of stream {stream} {were} removed, and no erased conversation explains that"]
    return [f"{messages} of stream {stream} {were} removed, and erased conversations explain {erased} at most"]

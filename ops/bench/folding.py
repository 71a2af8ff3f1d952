"""Folding: how fast a recorded conversation is read, checked and understood, in memory and on one core."""

import hashlib
import time
from collections.abc import Sequence

import msgspec

from agent_runtime_framework import Client
from agent_runtime_framework.events import START, ConversationId, FrameworkError, MemoryLog, Stored
from agent_runtime_framework.projections import fold, initial

from .place import Place
from .results import Reach, Row, row

TURNS = 100
AT_LEAST = 0.25
"""Seconds of processor that a round takes at least."""


class Folding:
    """Folds a conversation as a worker does that opens it, from a log in memory."""

    def __init__(self, conversation: str, log: MemoryLog, events: int) -> None:
        self._conversation = ConversationId(conversation)
        self._log = log
        self.events = events

    @classmethod
    async def of(cls, frames: Sequence[Stored]) -> "Folding":
        """Return one of these frames, which are stored as their very bytes."""
        log, head = MemoryLog(), START
        for stored in frames:
            head = (await log.restore(stored.conversation, stored.data, head)).head
        return cls(frames[0].conversation, log, head.version)

    async def microseconds(self) -> float:
        """Return the time of the processor that an event takes."""
        began, times = time.process_time(), 0
        while time.process_time() - began < AT_LEAST:
            now = initial(self._conversation)
            async for stored in self._log.read(self._conversation):
                now = fold(now, [stored.frame])
            if now.version != self.events:
                raise FrameworkError(f"{now.version} of {self.events} events were folded")
            times += 1
        return 1e6 * (time.process_time() - began) / (times * self.events)


def floor_of(frames: Sequence[Stored]) -> float:
    """Return the microseconds an event to hash the same bytes and to decode them as plain JSON, and no more."""
    decode = msgspec.json.Decoder().decode
    began, times = time.process_time(), 0
    while time.process_time() - began < AT_LEAST:
        for stored in frames:
            hashlib.sha256(stored.data).hexdigest()
            decode(stored.data)
        times += 1
    return 1e6 * (time.process_time() - began) / (times * frames[-1].head.version)


async def folded(place: Place) -> list[Row]:
    """Measure a conversation of a hundred turns, and all of the long one."""
    long = await place.long()
    async with Client.connect(home=place.home, namespace=long.namespace) as client:
        frames = [stored async for stored in client.frames(long.conversation)]
    some = [stored for stored in frames if stored.frame.turn <= TURNS]
    short, whole = await Folding.of(some), await Folding.of(frames)
    floor: list[float] = []
    early: list[float] = []
    late: list[float] = []
    for number in range(place.settings.rounds):
        place.say(f"fold: round {number + 1} of {place.settings.rounds}")
        floor.append(floor_of(some))
        early.append(await short.microseconds())
        late.append(await whole.microseconds())
    return [
        row(
            "fold",
            f"events decoded, hash-checked and folded, {TURNS} turns ({short.events:,} events)",
            "events/s",
            [1e6 / each for each in early],
            Reach(200_000, at_least=True),
            floors=[("SHA-256 and plain JSON", [1e6 / each for each in floor])],
        ),
        row(
            "fold",
            f"an event of {long.turns:,} turns against one of {TURNS}",
            "µs",
            late,
            Reach(1.2, of_ratio=True),
            floors=[(f"{TURNS} turns", early)],
        ),
    ]

"""The world: one truth in memory that all processes share, and that tells the rules of whatever happens in it."""

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Coroutine, Iterator
from random import Random
from typing import Any, TypeVar

from msgspec import Struct

from ....events import (
    START,
    Cipher,
    ConversationId,
    CorruptLog,
    Head,
    InvalidInput,
    MemoryRecords,
    Stored,
    WriterId,
    check_token,
    decode_frame,
    frame_hash,
)
from ...bus import MemoryBus
from ...leases import MemoryLeases
from ...live import MemoryLive
from ...members import MemoryMembers
from ...snapshots import MemoryParts
from ...vault import KeyVault
from ...wire import decode_stored
from ..accounts import inherited_by
from ..rules import Checker, Command, Effect
from .faults import Faults
from .loop import PROCESS, Process, VirtualLoop

T = TypeVar("T")

EPOCH = 1_700_000_000_000
"""The Unix milliseconds at which every simulation begins."""

CONVERSATION: contextvars.ContextVar[ConversationId] = contextvars.ContextVar("CONVERSATION")
"""The conversation that a task last read or wrote, and whatever that one has begun since: what it is at work for."""


class VirtualClock:
    """Tells the loop's time, on a wall clock that may be wrong by some milliseconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, skew: int = 0) -> None:
        self._loop = loop
        self._skew = skew

    def now(self) -> int:
        """Return Unix milliseconds."""
        return EPOCH + self._skew + round(self._loop.time() * 1000)

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Waiting(Struct, frozen=True):
    """Is author code that a process awaits."""

    process: Process | None
    what: str
    conversation: ConversationId
    since: float


class World:
    """Holds what is stored, who holds what, and what was counted.

    Attributes:
        logs: the frames of each conversation, as they were stored; of a fork, first those that it inherits.
        commands: what was acknowledged to its sender, in order.
        vault: has the keys of conversations, where they are sealed; None where none is.
        spoiled: conversations whose logs were damaged on purpose.
        pace: seconds that models and tools may take.
        did: hears of whatever a process did that counts: an append, an effect, an acknowledgement.
        raised: what the author's model function raised, which is for the author to see.
        closed: whether the run is over, so that nothing counts any more and every port refuses.

    """

    def __init__(self, loop: VirtualLoop, faults: Faults, random: Random, checker: Checker) -> None:
        self.loop = loop
        self.faults = faults
        self.random = random
        self.checker = checker
        self.clock = VirtualClock(loop)
        self.records = MemoryRecords()
        self.parts = MemoryParts()
        self.bus = MemoryBus(partitions=random.randint(1, 4))
        self.leases = MemoryLeases(self.clock)
        self.members = MemoryMembers(self.clock)
        self.live = MemoryLive()
        self.vault: KeyVault | None = None
        self.logs: dict[ConversationId, list[Stored]] = {}
        self.commands: dict[Command, None] = {}
        self.effects: list[Effect] = []
        self.spoiled: set[ConversationId] = set()
        self._counted = 0
        self._stored: list[tuple[float, int]] = []
        self.pace = random.choice((0.05, 0.5, 3.0))
        self.did: Callable[[int, Process], None] | None = None
        self.raised: BaseException | None = None
        self.closed = False
        self._awaited: dict[int, Waiting] = {}
        self._open: dict[Command, None] = {}

    def act(self, what: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do something to the shared truth, at once and in nobody's name."""
        return contextvars.Context().run(lambda: at_once(what()))

    def put(self, conversation: ConversationId, data: bytes, id_: str, expected: int) -> int:
        """Store bytes, and tell of them."""
        position = self.act(lambda: self.records.put(conversation, data, id=id_, expected=expected))
        self.told(conversation, position, data)
        self.counts()
        return position

    def told(self, conversation: ConversationId, position: int, data: bytes) -> None:
        """Tell of bytes that are stored now."""
        self._stored.append((self.loop.time(), position))
        cipher = None if self.vault is None else self.act(lambda: self.key_of(conversation))
        try:
            frame = decode_frame(data, conversation=conversation, cipher=cipher)
        except CorruptLog:
            self.checker.spoil(conversation)
            return
        stored = Stored(conversation, frame, Head(frame.last, position, frame_hash(data)), data)
        if conversation not in self.logs:
            self.logs[conversation] = inherited_by(stored, self.logs)
        self.logs[conversation].append(stored)
        self.checker.frame(stored)

    async def key_of(self, conversation: ConversationId) -> Cipher | None:
        """Return what opens a conversation, None if it is in clear."""
        return None if self.vault is None else await self.vault.cipher(conversation, anew=True)

    def counts(self) -> None:
        """Hear that the process which is at work did something that counts."""
        process = PROCESS.get()
        if process is not None:
            self._counted += 1
            if self.did is not None:
                self.did(self._counted, process)

    def position_at(self, time: float) -> int:
        """Return the last position that was stored by then."""
        return max((position for at, position in self._stored if at <= time), default=0)

    def head(self, conversation: ConversationId) -> Head:
        """Return where a log ends."""
        log = self.logs.get(conversation)
        return log[-1].head if log else START

    def acknowledged(self, conversation: ConversationId, data: bytes) -> None:
        """Hear that a command is stored, and that its sender knows."""
        command = command_in(conversation, data)
        if command is not None:
            self.commands[command] = None
            self._open[command] = None
            self.checker.command(command)

    def finished(self, conversation: ConversationId, data: bytes) -> None:
        """Hear that a worker says that nothing is owed for a command."""
        command = command_in(conversation, data)
        if command is not None and not self.closed:
            self.checker.finished(command)
            self.counts()

    def effect(self, effect: Effect) -> None:
        """Hear that a tool or a model was called."""
        if not self.closed:
            self.effects.append(effect)
            self.checker.effect(effect)
            self.counts()

    @contextlib.contextmanager
    def awaiting(self, what: str, conversation: ConversationId) -> Iterator[None]:
        """Remember what is awaited meanwhile."""
        one = Waiting(PROCESS.get(), what, conversation, self.loop.time())
        self._awaited[id(one)] = one
        try:
            yield
        finally:
            del self._awaited[id(one)]

    def waiting(self) -> tuple[str, ...]:
        """Say what author code is still awaited by a process that lives."""
        return tuple(self._said(one) for one in self._awaited.values() if one.process is None or one.process.alive)

    def _said(self, one: Waiting) -> str:
        log = self.logs.get(one.conversation)
        where = f" of turn {log[-1].frame.turn}" if log else ""
        waited = f"still waits after {self.loop.time() - one.since:.0f} virtual seconds"
        return f"{one.what}{where} in {one.conversation!r} {waited}"

    def over(self) -> bool:
        """Say whether every command has its outcome, and no turn is in progress."""
        for command in tuple(self._open):
            if self.checker.over(command.conversation, command.id):
                del self._open[command]
        return not self._open and not self.checker.running()


def command_in(conversation: ConversationId, data: bytes) -> Command | None:
    """Return the command that these bytes hold, None if they hold none that a worker can take."""
    try:
        command = decode_stored(data)
        check_token(command.id, "command id")
        check_token(conversation, "conversation id")
    except InvalidInput:
        return None
    return Command(command.agent, conversation, command.id)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run what never waits to its end."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("the shared truth waits for something")


def writer_of(name: str) -> WriterId:
    """Return the writer id of a life."""
    return WriterId(f"w-{name}")

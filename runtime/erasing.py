"""Erasing: the content of a conversation is taken away for good; that it was there, and its structure, stay.

First the tombstone is recorded: `conversation.erased`, under the fence of the log, so that from then on every writer
meets it and nothing is said in it any more.  Then the content goes.  Where it is sealed its key is overwritten, and the
log stays as it is.  Where it is in clear every frame before the tombstone is overwritten, and the log begins with that.

What ended in between can be done again, and goes on; done again after its end it changes nothing.

A fork cannot be read without the log that it was cut from, so forks are named first, or erased with it.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from msgspec import Raw, Struct

from ..actors import CancelTurn, EraseConversation, decide, refusals
from ..actors.sizes import REASON_LIMIT, cut
from ..events import (
    START,
    AgentKey,
    Conflict,
    ConversationErased,
    ConversationId,
    CorruptLog,
    EventLog,
    Frame,
    FrameworkError,
    Head,
    InvalidInput,
    KnownEvent,
    Refused,
    Stored,
    TurnCancelled,
    WriterId,
    not_found,
    without_keys,
)
from ..events.codec import in_clear
from ..projections import Conversation, fold, initial
from .clock import SystemClock, new_id
from .deadletters import DeadLetters
from .reader import Reader
from .substrate import Substrate
from .wire import LiveFrame, decode_stored, encode

logger = logging.getLogger("agent_runtime_framework.erasing")

ATTEMPTS = 100
"""So often the tombstone is decided again because another writer came first."""

OUT_OF_REACH: Final = (
    "backups, snapshots and replicas of the server's disk that were made before",
    "the model's provider, which was sent the prompts",
    "log files of workers and other telemetry, and what tools sent elsewhere",
)
"""What no erasure reaches."""

Told: TypeAlias = Callable[[int], object]
"""Hears how many frames are overwritten so far."""


class Receipt(Struct, frozen=True, kw_only=True):
    """Says what was erased of a conversation, and what cannot be.

    Attributes:
        conversation: its id.
        reason: why, as it is recorded.
        version, time: of `conversation.erased`, the time in Unix milliseconds.
        hash: of the frame that stood before it: where the log ended.
        again: whether it was recorded before; this completed what was left, if anything.
        sealed: whether the content was sealed, so that the log stays and nobody can open it.
        key: `overwritten`; `was overwritten` before; or `none`, for a conversation in clear.
        frames_kept, frames_removed: of its own log, now.
        commands: how many of those that were waiting are overwritten; sealed ones are left to be refused.
        dead_letters: how many are removed.
        snapshots: how many parts of its snapshot are overwritten; no more are stored.
        remains: places in which bytes that were removed may still be on the server's disk.
        stores: buckets in which authors keep what they want; nothing in them is touched.
        out_of_reach: what this cannot erase.
        forks: the receipts of those that were erased with it.
        left: forks that were cut off while it was erased, and that nobody can read; they are to be erased, too.

    >>> import asyncio
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(ScriptedLLM("Hello!"))) as rt:
    ...         await rt.send("onboarding", "c-1", "hi")
    ...         return await rt.erase("c-1", "asked by the customer")
    >>> receipt = asyncio.run(main())
    >>> receipt.sealed, receipt.frames_removed, receipt.version
    (False, 2, 8)

    """

    conversation: str
    reason: str
    version: int
    time: int
    hash: str
    again: bool
    sealed: bool
    key: str
    frames_kept: int
    frames_removed: int
    commands: int
    dead_letters: int
    snapshots: int = 0
    remains: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    out_of_reach: tuple[str, ...] = OUT_OF_REACH
    forks: tuple["Receipt", ...] = ()
    left: tuple[str, ...] = ()


async def erase(reader: Reader, conversation: ConversationId, reason: str, *, with_forks: bool, told: Told) -> Receipt:
    """Erase a conversation, and return what was done.

    Raises:
        InvalidInput: the reason cannot be taken.
        NotFound: there is no such conversation.
        Refused: it has forks, and they are not to be erased with it; or this place cannot erase.
        Conflict: others wrote each of many times before the tombstone was stored.
        Unavailable: it is not known to be done; the same call may be made again, and goes on.

    """
    if not isinstance(reason, str):
        raise InvalidInput(f"the reason must be a text, not {type(reason).__name__}")
    if not reason.strip():
        raise InvalidInput("an erasure needs a reason, which is recorded: say one without personal data")
    try:
        reason.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the reason is not valid Unicode: {error}") from error
    if reader.substrate.shredder is None:
        raise Refused("conversations in this place cannot be erased: it has no shredder")
    if await reader.substrate.log.last(conversation) is None:
        raise not_found(conversation)
    forks = await reader.forks(conversation)
    if not with_forks and (living := await _living(reader, forks)):
        raise Refused(
            f"{conversation!r} has forks, which cannot be read without it: {', '.join(map(repr, living))}; "
            "erase them first, or with it: --with-forks"
        )
    erasing = _Erasing(reader.substrate, conversation, reason, told)
    with_it = [await erase(reader, fork, reason, with_forks=True, told=told) for fork in forks if with_forks]
    recorded = await erasing.recorded()
    # from here on nobody cuts one off without being told; those that came before are known now
    late = await _living(reader, [fork for fork in await reader.forks(conversation) if fork not in forks])
    with_it += [await erase(reader, fork, reason, with_forks=True, told=told) for fork in late if with_forks]
    return await erasing.done(*recorded, tuple(with_it), () if with_forks else tuple(late))


async def _living(reader: Reader, forks: Sequence[ConversationId]) -> list[ConversationId]:
    """Return those of these conversations that are not erased."""
    lasts = [(fork, await reader.substrate.log.last(fork)) for fork in forks]
    return [fork for fork, last in lasts if last is not None and last.frame.status != "erased"]


class _Erasing:
    """Is the erasure of one conversation, apart from its forks."""

    def __init__(self, substrate: Substrate, conversation: ConversationId, reason: str, told: Told) -> None:
        assert substrate.shredder is not None  # noqa: S101  checked at the door
        self._substrate = substrate
        self._log = without_keys(substrate.log)  # nobody's key is needed, nor stands in the way
        self._shredder = substrate.shredder
        self._id = conversation
        self._reason = cut(reason.strip(), REASON_LIMIT)
        self._told = told
        self._writer = WriterId(new_id("client"))

    async def done(
        self, tombstone: Stored, again: bool, forks: tuple[Receipt, ...], left: tuple[ConversationId, ...]
    ) -> Receipt:
        """Take away what was said before the tombstone, and return the receipt."""
        clear = await self._in_clear()
        had_key = await self._overwrite_key()
        kept = self._substrate.snapshots
        parts = 0 if kept is None else await kept.erase(self._id)
        removed = 0
        if clear:
            async for _ in self._shredder.frames(self._id, tombstone.head.position):
                removed += 1
                self._told(removed)
        commands = await self._refuse_waiting() if clear else 0
        letters, surely = await DeadLetters(self._substrate.store, self._substrate.vault).erase(self._id)
        sealed = had_key is not None and not clear
        if not again and any(isinstance(event, TurnCancelled) for event in tombstone.frame.events):
            await self._wake(tombstone.frame.agent)
        return Receipt(
            conversation=self._id,
            reason=_reason_in(tombstone.frame),
            version=tombstone.head.version,
            time=tombstone.frame.time,
            hash=tombstone.frame.prev,
            again=again,
            sealed=sealed,
            key="none" if had_key is None else "overwritten" if had_key else "was overwritten",
            frames_kept=await self._own(),
            frames_removed=removed,
            commands=commands,
            dead_letters=letters,
            snapshots=parts,
            remains=self._remains(clear=clear, surely=surely),
            stores=await self._shredder.stores(),
            forks=forks,
            left=left,
        )

    def _remains(self, *, clear: bool, surely: bool) -> tuple[str, ...]:
        """Return where the server may still have bytes that it does not give out any more."""
        queue = "the work queue: commands that workers acknowledged, until the server rewrites its files"
        letters = "dead letters: their buckets are of an earlier release, which could not overwrite"
        return (*((queue,) if clear else ()), *(() if surely else (letters,)))

    async def recorded(self) -> tuple[Stored, bool]:
        """Return the frame with the tombstone, which is stored now, and whether it was before."""
        for _ in range(ATTEMPTS):
            now, head, tombstone = await self._folded()
            if tombstone is not None:
                return tombstone, True
            events = decide(now, EraseConversation(id=new_id("e"), reason=self._reason))
            try:
                stored = await self._append(now, head, events)
            except Conflict:
                continue
            return stored, False
        raise Conflict(f"{self._id!r} was written to by others {ATTEMPTS} times in a row: nothing is erased yet")

    async def _append(self, now: Conversation, head: Head, events: tuple[KnownEvent, ...]) -> Stored:
        frame = Frame(
            first=head.version + 1,
            time=SystemClock().now(),
            writer=self._writer,
            agent=now.agent,
            turn=now.turns,
            step=now.step,
            status="erased",
            prev=head.hash,
            parent="" if now.lineage is None else now.lineage.parent,
            events=events,
        )
        stored = await self._log.append(self._id, frame, head)
        await self._substrate.live.publish(self._id, encode(LiveFrame(stored.head.position, Raw(stored.data))))
        return stored

    async def _wake(self, agent: str) -> None:
        """Let the worker that goes on with the turn find out: it decides a command, meets the tombstone, and stops."""
        wake = CancelTurn(id=new_id("e"), agent=agent)
        await self._substrate.bus.publish(AgentKey(agent), self._id, encode(wake), id=wake.id)

    async def _folded(self) -> tuple[Conversation, Head, Stored | None]:
        """Return the conversation, where its log ends, and the frame that erased it, if one did."""
        try:
            return await self._read(self._substrate.log)  # with the key, the calls of a turn in progress are known, too
        except FrameworkError as error:
            logger.debug("%s is erased by its structure: %s", self._id, error)
        try:
            return await self._read(self._log)
        except CorruptLog:  # what is damaged can be erased, too
            last = await self._log.last(self._id)
            if last is None or (last.frame.status == "erased" and not last.frame.erases):
                raise
            frame, tombstone = last.frame, last if last.frame.erases else None
            now = Conversation(self._id, last.head.version, frame.agent, turns=frame.turn, step=frame.step)
            return now, last.head, tombstone

    async def _read(self, log: EventLog) -> tuple[Conversation, Head, Stored | None]:
        now, head, tombstone = initial(self._id), START, None
        async for stored in log.read(self._id):
            now, head = fold(now, [stored.frame]), stored.head
            tombstone = stored if stored.frame.erases else tombstone
        return now, head, tombstone

    async def _in_clear(self) -> bool:
        """Say whether any content that the conversation reads is in clear, or was."""
        own = 0
        try:
            async for stored in self._log.read(self._id):
                if in_clear(stored.frame, stored.data) or (
                    stored.frame.erases and not own
                ):  # one that begins so was in clear
                    return True
                own += not stored.inherited
        except CorruptLog:
            return True
        return False

    async def _own(self) -> int:
        """Return how many frames its own log has."""
        return sum([not stored.inherited async for stored in self._log.read(self._id)])

    async def _overwrite_key(self) -> bool | None:
        """Overwrite the key; return whether that was done now, None where there never was one."""
        vault = self._substrate.vault
        if vault is None or not await vault.encrypted():
            return None
        had = await vault.known(self._id)
        overwritten = await vault.erase(self._id)
        return overwritten if had else None

    async def _refuse_waiting(self) -> int:
        """Record that the commands which wait are refused, and overwrite them; return how many."""
        waiting = await self._shredder.waiting(self._id)
        ids = tuple(dict.fromkeys(id_ for data in waiting.values() for id_ in _ids_in(data)))
        for _ in range(ATTEMPTS if ids else 0):
            now, head, _tombstone = await self._folded()
            events = refusals(now, ids)
            if not events:
                break
            try:
                await self._append(now, head, events)
            except Conflict:
                continue
            break
        for position in waiting:
            await self._shredder.command(position)
        return len(waiting)


def _ids_in(data: bytes) -> tuple[str, ...]:
    try:
        return (decode_stored(data).id,)
    except FrameworkError:
        return ()


def _reason_in(frame: Frame) -> str:
    event = frame.events[-1]
    return event.reason if isinstance(event, ConversationErased) else ""

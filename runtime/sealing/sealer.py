"""Making a seal: read all heads, sign one hash over them, store that as the next seal, and append it to the file.

Whoever stores the seal first made it; nobody else's is.  The last seal is read before the heads are, so no seal has a
head that is older than in the seal before.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from ...events import (
    Conflict,
    EventLog,
    FrameworkError,
    PositionMoved,
    Seal,
    SealedHead,
    Stored,
    Unavailable,
    decode_seal,
    root_of,
)
from ..clock import Clock
from ..crypto.signing import SealKey
from ..seals import SealLog
from ..substrate import Substrate
from .file import SealFile

logger = logging.getLogger("agent_runtime_framework.sealing")

PIECE = 64 * 1024
"""After so many bytes of frames the loop gets to do something else."""

ATTEMPTS = 5

LEAVING = 5.0
"""Seconds that who is to leave waits for the file."""

T = TypeVar("T")


class Sealer:
    """Seals a namespace, with one key; without a file a seal is in the log only."""

    def __init__(
        self, log: EventLog, seals: SealLog, *, namespace: str, key: SealKey, file: SealFile | None, clock: Clock
    ) -> None:
        self._log = log
        self._seals = seals
        self._namespace = namespace
        self._key = key
        self._file = file
        self._clock = clock

    async def last(self) -> Seal | None:
        """Return the last seal; None before the first.

        Raises:
            CorruptLog: what stands there is none.
            Unavailable: the server did not answer.

        """
        _, data = await self._seals.last()
        return decode_seal(data) if data else None

    async def seal(self) -> Seal:
        """Make the next seal, and return it.

        Raises:
            PositionMoved: another was first; the log has that one now.
            CorruptLog: the last seal is none.
            Unavailable: the server did not answer.
            FrameworkError: it is in the log, and cannot be appended to the file.

        """
        position, data = await self._seals.last()
        before = decode_seal(data) if data else None
        heads = await self._heads()
        seal = await asyncio.to_thread(self._signed, before, heads)
        await self._store(seal, position)
        if self._file is not None:
            await self._append(self._file, seal, heads)
        return seal

    async def seal_now(self) -> Seal:
        """Make a seal, also where others make some at the same time; errors as `seal`."""
        for _ in range(ATTEMPTS):
            with contextlib.suppress(PositionMoved):
                return await self.seal()
        raise Conflict(f"{ATTEMPTS} times in a row others made the next seal first: the log is sealed by theirs")

    def _signed(self, before: Seal | None, heads: dict[str, SealedHead]) -> Seal:
        seal = Seal(
            number=1 if before is None else before.number + 1,
            time=self._clock.now(),
            namespace=self._namespace,
            conversations=len(heads),
            root=root_of(heads),
            before="" if before is None else before.hash,
            key=self._key.public,
        )
        return replace(seal, signature=self._key.sign(seal.statement))

    async def _heads(self) -> dict[str, SealedHead]:
        heads: dict[str, SealedHead] = {}
        damaged, size = [], 0
        async for last in self._log.lasts():
            if isinstance(last, Stored):
                heads[last.conversation] = SealedHead(last.head.version, last.head.hash)
                size += len(last.data) + 1_000
            else:
                damaged.append(last.conversation)
            if size > PIECE:
                size = 0
                await asyncio.sleep(0)
        if damaged:
            logger.error(
                "not sealed, because their last frames are damaged: %.300s; see `arf audit verify`", ", ".join(damaged)
            )
        return heads

    async def _store(self, seal: Seal, position: int) -> None:
        try:
            await self._seals.append(seal.stored, position)
        except Unavailable:
            if (await self._seals.last())[1] != seal.stored:
                raise

    async def _append(self, file: SealFile, seal: Seal, heads: dict[str, SealedHead]) -> None:
        try:
            lost = await _finished(asyncio.to_thread(file.append, seal, heads, self._key))
        except OSError as error:
            raise FrameworkError(
                f"seal {seal.number} is in the log, but cannot be appended to {file.path}: {error.strerror}; make room "
                "or give the right to write there: the next seal has what this one has"
            ) from error
        for what in lost:
            logger.error("seal %d: %s; see `arf audit verify --seal %s`", seal.number, what, file.path)


async def _finished(work: Coroutine[Any, Any, T]) -> T:
    """Return what work comes to; whoever is cancelled meanwhile waits for it for some seconds: it is done by halves."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=LEAVING)
        raise


def sealer_for(substrate: Substrate, *, namespace: str, key: SealKey, file: str | Path | None, clock: Clock) -> Sealer:
    """Return what seals a namespace of a place.

    Raises:
        InvalidInput: the file cannot be written.
        FrameworkError: the place keeps no seals.

    """
    if substrate.seals is None:
        raise FrameworkError("this place keeps no seals: its substrate has no `seals`")
    kept = None if file is None else SealFile(Path(file))
    if kept is not None:
        kept.check()
    return Sealer(substrate.log, substrate.seals, namespace=namespace, key=key, file=kept, clock=clock)

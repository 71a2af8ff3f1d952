"""Being there and holding leases, again and again, and the way to do it on the loop that everything else runs on.

What holds leases must not wait for what the worker does.  So a place may bring a heart that beats apart from the event
loop; what each beat came to is told on the loop.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from msgspec import Struct

from ..events import FrameworkError
from .clock import Clock
from .leases import Lease, Leases
from .members import Member, Members


class Held(Struct, frozen=True):
    """Is what is to be kept: the member, None if it is none any more, and its leases."""

    member: Member | None
    leases: tuple[Lease, ...]


class Beat(Struct, frozen=True):
    """Is what one beat came to.

    Attributes:
        asked: seconds on the monotonic clock, before anything was asked for.
        kept: leases that live from then on for as long as leases do.
        lost: leases that are gone.
        errors: why it is not known of the others.

    """

    asked: float
    kept: tuple[Lease, ...]
    lost: tuple[Lease, ...]
    errors: tuple[str, ...] = ()


class Heart(Protocol):
    """Beats."""

    def beats(self, held: Callable[[], Held]) -> AbstractAsyncContextManager[AsyncIterator[Beat]]:
        """Keep what `held` says each time, until the context is left; yield what each beat came to.

        `held` may be called in another thread.
        """


async def beat(held: Held, leases: Leases, members: Members, *, now: Callable[[], float]) -> Beat:
    """Keep all that is held for another while."""
    asked = now()
    joining = () if held.member is None else (members.join(held.member),)
    renewed = await asyncio.gather(*map(leases.renew, held.leases), *joining, return_exceptions=True)
    for result in renewed:
        if isinstance(result, BaseException) and not isinstance(result, FrameworkError):
            raise result
    known = dict(zip(held.leases, renewed, strict=False))
    return Beat(
        asked,
        tuple(lease for lease, kept in known.items() if kept is True),
        tuple(lease for lease, kept in known.items() if kept is False),
        tuple(sorted({str(result) for result in renewed if isinstance(result, FrameworkError)})),
    )


class LoopHeart:
    """Beats on the event loop: where that is held up, it is late."""

    def __init__(self, leases: Leases, members: Members, clock: Clock) -> None:
        self._leases = leases
        self._members = members
        self._clock = clock

    @asynccontextmanager
    async def beats(self, held: Callable[[], Held]) -> AsyncIterator[AsyncIterator[Beat]]:
        """Keep what `held` says each time, until the context is left."""
        yield self._beats(held)

    async def _beats(self, held: Callable[[], Held]) -> AsyncIterator[Beat]:
        while True:
            yield await beat(held(), self._leases, self._members, now=self._clock.monotonic)
            await self._clock.sleep(self._leases.ttl / 4)

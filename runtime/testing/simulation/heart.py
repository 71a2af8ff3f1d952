"""A heart that beats beside its process, as in a thread: what blocks the loop of the process does not stop it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ...heartbeat import Beat, Held, beat
from ...substrate import Substrate
from .loop import Process
from .world import World

DEAD = 10.0
"""Virtual seconds after which a process that has not moved holds nothing any more."""


class SimulatedHeart:
    """Keeps a worker there and its leases held, over a connection of its own; implements `Heart`."""

    def __init__(self, world: World, process: Process, thread: Process, substrate: Substrate) -> None:
        self._world = world
        self._process = process
        self._thread = thread
        self._substrate = substrate

    @asynccontextmanager
    async def beats(self, held: Callable[[], Held]) -> AsyncIterator[AsyncIterator[Beat]]:
        """Keep what `held` says each time, until the context is left."""
        told = asyncio.Queue[Beat]()

        async def every() -> AsyncIterator[Beat]:
            while True:
                yield await told.get()

        beating = self._thread.context.run(asyncio.ensure_future, self._beat(held, told))
        try:
            yield every()
        finally:
            beating.cancel()

    async def _beat(self, held: Callable[[], Held], told: "asyncio.Queue[Beat]") -> None:
        loop, leases, members = self._world.loop, self._substrate.leases, self._substrate.members
        while not self._world.closed:
            if loop.time() - self._process.moved < DEAD:
                told.put_nowait(await beat(held(), leases, members, now=loop.time))
            await asyncio.sleep(leases.ttl / 4)

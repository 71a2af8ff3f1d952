"""The log that is held to today's code: read from wherever it comes, without holding up the loop."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Final

from ...events import InvalidInput, Stored, check_content
from ..agents import Journeys

PAUSE: Final = 0.05
"""Seconds after which others on the loop get their turn."""


async def each(log: AsyncIterable[Stored] | Iterable[Stored]) -> AsyncIterator[Stored]:
    """Yield the frames of a log; now and then others on the loop get their turn.

    Raises:
        Withheld: their content is sealed and the key not here, or was erased.

    """
    loop = asyncio.get_running_loop()
    breath = loop.time()
    first = True
    async for stored in _each(log):
        check_content(stored, first=first)
        first = False
        yield stored
        if loop.time() - breath > PAUSE:
            await asyncio.sleep(0)
            breath = loop.time()


def check_is_of(journeys: Journeys, stored: Stored) -> None:
    """Check that a conversation with this frame is the agent's, or nobody's yet.

    Raises:
        InvalidInput: it is another's.

    """
    agent = stored.frame.agent
    if agent not in ("", journeys.agent.key):
        raise InvalidInput(
            f"conversation {stored.conversation!r} is of agent {agent!r}, not of {journeys.agent.key!r}: name that one"
        )


async def _each(log: AsyncIterable[Stored] | Iterable[Stored]) -> AsyncIterator[Stored]:
    if isinstance(log, AsyncIterable):
        async for stored in log:
            yield stored
        return
    for stored in log:
        yield stored

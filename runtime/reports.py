"""What a worker says of its partitions: what befalls many of them is one line, and is not said again and again."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence

from ..events import AgentKey
from .clock import Clock
from .leases import Key
from .owners import ranges

logger = logging.getLogger("agent_runtime_framework.worker")

TOGETHER = 0.1
"""Seconds in which what befalls partitions counts as one thing."""

AGAIN = 30.0
"""Seconds after which it is said once more that something still cannot be done."""


class Reports:
    """Says what befalls partitions."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}
        self._lost: list[Key] = []
        self._dropped = 0
        self._left: set[str] = set()
        self._taken: list[Key] = []
        self._waits: asyncio.TimerHandle | None = None

    def cannot(self, what: str, errors: Sequence[str]) -> None:
        """Hear why something cannot be done now; no errors where it can."""
        if not errors:
            if self._said.pop(what, None) is not None:
                logger.warning("can %s again", what)
            return
        now = self._clock.monotonic()
        if now < self._said.get(what, now):
            return
        self._said[what] = now + AGAIN
        more = f" (and {len(errors) - 1} more such errors)" if len(errors) > 1 else ""
        logger.warning("cannot %s: %s%s; trying again", what, errors[0].removesuffix("; try again"), more)

    def lost(self, key: Key, conversations: int) -> None:
        """Hear of a partition that another worker has now, and how many conversations were let go of with it."""
        self._lost.append(key)
        self._dropped += conversations
        self._soon()

    def let_go(self, conversation: str) -> None:
        """Hear of a conversation that was let go of before it was known that its partition is lost."""
        self._left.add(conversation)
        self._soon()

    def taken_again(self, key: Key) -> None:
        """Hear of a partition whose lease had lapsed and was taken again."""
        self._taken.append(key)
        self._soon()

    def flush(self) -> None:
        """Say what was not said yet."""
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None
        count = self._dropped + len(self._left)
        dropped = f"{count} conversation{'' if count == 1 else 's'}"
        if self._lost:
            logger.warning("lost %s to other workers, and let go of %s", _named(self._lost), dropped)
        elif self._left:
            logger.warning("another worker wrote in conversations of ours: let go of %s", dropped)
        if self._taken:
            logger.warning("the leases of %s had lapsed, and were taken again", _named(self._taken))
        self._lost, self._dropped, self._taken = [], 0, []
        self._left.clear()

    def _soon(self) -> None:
        if self._waits is None:
            self._waits = asyncio.get_running_loop().call_later(TOGETHER, self.flush)


def _named(keys: Iterable[Key]) -> str:
    """Return partitions of agents in few words, such as `partitions 3-5 of bot`."""
    found: defaultdict[AgentKey, list[int]] = defaultdict(list)
    for agent, partition in keys:
        found[agent].append(partition)
    owned = sorted(found.items())
    return ", ".join(f"partition{'s' * (len(each) > 1)} {ranges(each)} of {agent}" for agent, each in owned)

"""The latest of many, and what is said of one: as much as a page shows."""

import heapq
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from ...projections import Call, ToolDecision, called
from .report import CallLine, Fate, Listed, Words

T = TypeVar("T")

KEPT: Final = 400
"""So many characters of a text are kept."""


class Latest(Generic[T]):
    """Keeps the latest of what it is given."""

    def __init__(self, limit: int) -> None:
        self.total = 0
        self._limit = limit
        self._kept: list[tuple[int, int, T]] = []

    def add(self, time: int, make: Callable[[], T]) -> None:
        """Take one more; it is only made if it is kept."""
        self.total += 1
        if len(self._kept) < self._limit:
            heapq.heappush(self._kept, (time, self.total, make()))
        elif time > self._kept[0][0]:
            heapq.heapreplace(self._kept, (time, self.total, make()))

    def listed(self) -> Listed[T]:
        """Return what is kept, the newest first; of the same time in the order in which it came."""
        newest = sorted(self._kept, key=lambda kept: (-kept[0], kept[1]))
        return Listed(tuple(one for _, _, one in newest), self.total)

    def __iter__(self) -> Iterator[T]:
        return (one for _, _, one in self._kept)


def words(text: str) -> Words:
    """Return the beginning of a text."""
    return Words(text[:KEPT], len(text))


def line_of(decision: ToolDecision, fate: Fate, *, hidden: bool) -> CallLine:
    """Return what is told of a call in a list; of what is hidden only structure."""
    arguments, reason = ("", "") if hidden else (_arguments(decision), _reason(decision))
    return CallLine(
        conversation=decision.conversation,
        agent=decision.agent,
        turn=decision.turn,
        call=decision.call,
        tool="" if hidden else decision.tool[:KEPT],
        arguments=words(arguments),
        time=decision.chosen,
        fate=fate,
        kind=decision.outcome or decision.verdict,
        by=_by(decision),
        reason=words(reason),
        effect=decision.effect,
        key=decision.key,
        attempts=len(decision.attempts),
        started=decision.attempts[-1].time if decision.attempts else None,
        hidden=hidden,
    )


def _arguments(decision: ToolDecision) -> str:
    """Return the arguments as they are written in Python, without the name."""
    if decision.problem is not None:
        return "(?)"
    return called(Call(0, "", decision.arguments))


def _reason(decision: ToolDecision) -> str:
    if decision.policy == "denied":
        return decision.policy_reason or decision.content
    said = decision.content
    return said if not decision.error or decision.error in said else f"{said} ({decision.error})"


def _by(decision: ToolDecision) -> str:
    if not decision.refused:
        return ""
    return "the agent's policy" if decision.policy == "denied" else "the runtime"

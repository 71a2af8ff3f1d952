"""How many turns run at once in one process: the rest waits in order.

A turn in which two lives ended already is a suspect: something in it may end this one too.  Suspects begin one at a
time, so that they take few others with them, and before whoever waits, since they have waited longest.
"""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

SUSPECT = 3
"""From this life on, a turn is a suspect."""


class Admission(Generic[T]):
    """Admits at most `limit` of those who ask; whoever leaves lets the next one in, who is returned.

    >>> from agent_runtime_framework.actors import Admission
    >>> room = Admission[str](limit=1)
    >>> room.enter("a"), room.enter("b"), room.enter("b"), room.waiting
    (True, False, False, 1)
    >>> room.leave("a"), room.enter("b")
    ('b', True)
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._within: dict[T, bool] = {}
        self._suspects: deque[T] = deque()
        self._others: deque[T] = deque()
        self._asking: dict[T, bool] = {}

    @property
    def within(self) -> int:
        """How many are admitted."""
        return len(self._within)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._asking)

    def ahead(self, one: T) -> int:
        """Return how many are let in before `one`, as far as can be said now."""
        if one not in self._asking:
            return len(self._asking)  # it asks again only when its own turn is over
        queue = self._suspects if self._asking[one] else self._others
        return queue.index(one) + (0 if self._asking[one] else len(self._suspects))

    def queue(self) -> tuple[T, ...]:
        """Return who waits, in order."""
        return (*self._suspects, *self._others)

    def enter(self, one: T, *, suspect: bool = False) -> bool:
        """Return whether `one` is admitted now; otherwise it waits."""
        if one in self._within:
            return True
        if one not in self._asking:
            queue = self._suspects if suspect else self._others
            if not queue and self._free(suspect=suspect):
                self._within[one] = suspect
                return True
            self._asking[one] = suspect
            queue.append(one)
        return False

    def leave(self, one: T) -> T | None:
        """Leave, or wait no more; return who is admitted instead, if anybody is."""
        if one in self._asking:
            (self._suspects if self._asking.pop(one) else self._others).remove(one)
        self._within.pop(one, None)
        return self._next()

    def _free(self, *, suspect: bool) -> bool:
        return len(self._within) < self._limit and not (suspect and any(self._within.values()))

    def _next(self) -> T | None:
        for queue, suspect in ((self._suspects, True), (self._others, False)):
            if queue and self._free(suspect=suspect):
                one = queue.popleft()
                del self._asking[one]
                self._within[one] = suspect
                return one
        return None

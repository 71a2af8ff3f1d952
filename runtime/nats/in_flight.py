"""Requests whose answers are awaited, and that end at once when no answer can come."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator

import nats.errors
from nats.aio.msg import Msg

from ...events import Unavailable

LOOK = 0.05
"""Seconds between two looks whether what is awaited took too long."""


class Forbidden(Unavailable):
    """Raised when the server's permissions do not let this user do what a request needs."""


class InFlight:
    """Is a request whose answer is awaited, and the subject that it needs."""

    __slots__ = ("forbidden", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.forbidden = ""

    def end(self) -> None:
        """Wait no more."""
        raise NotImplementedError


class Block(InFlight):
    """Is a block of code in which an answer is awaited."""

    __slots__ = ("awaited",)

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.awaited = asyncio.timeout(None)

    def end(self) -> None:
        """End the block."""
        self.awaited.reschedule(asyncio.get_running_loop().time())


class Asked(InFlight):
    """Is a request whose answers go to `take`, until that says that it was the last, or none came for a while.

    `until` is when that while is over, by the loop's clock.
    """

    __slots__ = ("_heard", "_seen", "_silence", "_take", "over", "unanswered", "until")

    def __init__(self, subject: str, take: Callable[[Msg], bool], silence: float) -> None:
        super().__init__(subject)
        loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = loop.create_future()
        self.unanswered: TimeoutError | None = None
        self.until = loop.time() + silence
        self._take = take
        self._silence = silence
        self._heard = self._seen = 0

    def hear(self, message: Msg) -> None:
        """Take an answer."""
        if self.over.done():
            return
        self._heard += 1
        try:
            last = self._take(message)
        except Exception as error:  # noqa: BLE001  whoever asked raises it; the connection is others', too
            self.over.set_exception(error)
            return
        if last:
            self.over.set_result(None)

    def end(self) -> None:
        """Say that no more answers come, because the connection was lost."""
        self._end(TimeoutError())

    def look(self, now: float) -> None:
        """End it if nothing came for the while, which is over now."""
        if self._heard != self._seen:
            self._seen, self.until = self._heard, now + self._silence
        elif self._heard:
            self._end(TimeoutError(f"silence after {self._heard} answers"))
        else:
            self._end(nats.errors.TimeoutError())

    def _end(self, why: TimeoutError) -> None:
        if not self.over.done():
            self.unanswered = why
            self.over.set_result(None)


class Awaiting:
    """Keeps what is in flight on one connection.

    Attributes:
        deaf: why no answer can be heard at all; empty where they can.

    """

    def __init__(self) -> None:
        self.deaf = ""
        self._requests: set[InFlight] = set()
        self._looking: asyncio.TimerHandle | None = None

    def enter(self, request: InFlight) -> None:
        """Await the answer to one more; it is entered before it is sent.

        Raises:
            Forbidden: no answer can be heard.

        """
        if self.deaf:
            raise Forbidden(self.deaf)
        self._requests.add(request)
        if self._looking is None and isinstance(request, Asked):
            self._look()

    def leave(self, request: InFlight) -> None:
        """Await it no more."""
        self._requests.discard(request)

    def lost(self) -> None:
        """Say that no answer will come to any of them."""
        self.deaf = ""
        self._end(self._requests)

    def forbid(self, subject: str, says: Callable[[str], str]) -> bool:
        """End those that need what the server forbids, all if that is to hear answers; say whether there were any."""
        hit = [request for request in self._requests if self.deaf or subject == request.subject.lower()]
        for request in hit:
            request.forbidden = self.deaf or says(request.subject)
        self._end(hit)
        return bool(hit)

    def _end(self, requests: Iterable[InFlight]) -> None:
        ended = set(requests)
        self._requests -= ended  # one that has ended cannot be told twice
        for request in ended:
            request.end()

    def _look(self) -> None:
        """Look now and then, as long as anything is awaited, for how long: one timer serves all requests."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        asked = [request for request in self._requests if isinstance(request, Asked)]
        for request in asked:
            if request.until <= now:
                request.look(now)
        self._looking = loop.call_later(LOOK, self._look) if asked else None


def cancels() -> int:
    """Return how often the current task was asked to end."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


@contextlib.contextmanager
def cancellable() -> Iterator[None]:
    """Raise what asyncio forgot: `wait_for` of some releases loses a cancellation to an answer of the same moment."""
    before = cancels()
    yield
    if cancels() > before:
        raise asyncio.CancelledError

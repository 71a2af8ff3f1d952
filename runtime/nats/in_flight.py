"""Requests whose answers are awaited, and that end at once when no answer can come."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import nats.errors
from nats.aio.msg import Msg


class InFlight:
    """Is a request whose answer is awaited, and the subject that it needs."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.forbidden = ""

    def end(self) -> None:
        """Wait no more."""
        raise NotImplementedError


class Block(InFlight):
    """Is a block of code in which an answer is awaited."""

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.awaited = asyncio.timeout(None)

    def end(self) -> None:
        """End the block."""
        self.awaited.reschedule(asyncio.get_running_loop().time())


class Asked(InFlight):
    """Is a request whose answers go to `take`, until that says that it was the last, or none came for a while."""

    def __init__(self, subject: str, take: Callable[[Msg], bool], silence: float) -> None:
        super().__init__(subject)
        self._take = take
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self.unanswered: TimeoutError | None = None
        self._heard = self._seen = 0
        self._look = self._loop.call_later(silence, self._looked)

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

    def close(self) -> None:
        """Look no more whether answers come."""
        self._look.cancel()
        self.over.cancel()

    def _end(self, why: TimeoutError) -> None:
        if not self.over.done():
            self.unanswered = why
            self.over.set_result(None)

    def _looked(self) -> None:
        if self._heard == self._seen:
            self._end(
                TimeoutError(f"silence after {self._heard} answers") if self._heard else nats.errors.TimeoutError()
            )
            return
        self._seen = self._heard
        self._look = self._loop.call_later(self._silence, self._looked)


@contextlib.contextmanager
def cancellable() -> Iterator[None]:
    """Raise what asyncio forgot: `wait_for` of some releases loses a cancellation to an answer of the same moment."""
    task = asyncio.current_task()
    cancels = 0 if task is None else task.cancelling()
    yield
    if task is not None and task.cancelling() > cancels:
        raise asyncio.CancelledError

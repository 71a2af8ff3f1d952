"""A pykka actor whose mailbox is drained on the running asyncio loop.

Pykka leaves three things to whoever implements a new kind of actor: the inbox, the future and the loop.  Here an idle
actor is no task and no thread: putting a message into an empty inbox starts a task that drains it.

What differs from pykka's own actors, on purpose:
  - `on_receive` may be a coroutine; messages are still handled one after another.
  - Actors are not registered: pykka's registry is a list that is searched at each stop, and one CancelledError in one
    actor would stop all that are in it.  Whoever starts an actor keeps its reference.
  - A future is awaited without blocking the loop.
  - What an idle actor needs is small, since a process may have many: no lock, and lists instead of deques, of which an
    empty one takes 760 bytes; few messages ever wait for one actor.
"""

import asyncio
import sys
import threading
from collections.abc import Generator
from inspect import isawaitable
from typing import Any, Self, TypeVar

import pykka
from pykka import Actor, ActorRef, Future

T = TypeVar("T")


class AsyncioFuture(Future[T]):
    """Is pykka's future over asyncio's; `get` never waits, so await it."""

    def __init__(self) -> None:
        super().__init__()
        self._future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def get(self, *, timeout: float | None = None) -> T:  # noqa: ARG002  pykka's signature
        """Return the value if it is there.

        Raises:
            pykka.Timeout: it is not; waiting here would block the loop.

        """
        if not self._future.done():
            raise pykka.Timeout("the value is not there yet; await the future instead of blocking the loop")
        value: T = self._future.result()
        return value

    def set(self, value: T | None = None) -> None:
        """Give the future its value."""
        if not self._future.done():
            self._future.set_result(value)

    def set_exception(self, exc_info: Any = None) -> None:
        """Give the future an exception, the one being handled if none is given."""
        _, error, _ = exc_info or sys.exc_info()
        if not self._future.done() and error is not None:
            self._future.set_exception(error)

    def __await__(self) -> Generator[Any, None, T]:
        return self._future.__await__()


class Stopped(threading.Event):
    """Says whether an actor has stopped; all who ask are on the loop and none waits, so it has no lock."""

    def __init__(self) -> None:
        self._stopped = False

    def is_set(self) -> bool:
        """Say whether it has."""
        return self._stopped

    def set(self) -> None:
        """Say that it has."""
        self._stopped = True

    def clear(self) -> None:
        """Say that it has not."""
        self._stopped = False

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002  threading's signature
        """Say whether it has: waiting here would block the loop."""
        return self._stopped


class AsyncioInbox:
    """Holds envelopes, and wakes its actor when the first one comes."""

    __slots__ = ("_actor", "_envelopes", "_task")

    def __init__(self) -> None:
        self._envelopes: list[Any] = []
        self._actor: AsyncioActor | None = None
        self._task: asyncio.Task[None] | None = None

    def attach(self, actor: "AsyncioActor") -> None:
        """Say whose inbox this is; what is waiting is handled from now on."""
        self._actor = actor
        self._wake()

    def detach(self) -> None:
        """Forget whose inbox this is; what comes is handled by nobody."""
        self._actor = None

    def put(self, envelope: Any, /) -> None:
        """Add an envelope."""
        self._envelopes.append(envelope)
        self._wake()

    def get(self) -> Any:
        """Return the oldest envelope; there must be one."""
        return self._envelopes.pop(0)

    def empty(self) -> bool:
        """Say whether nothing is waiting."""
        return not self._envelopes

    @property
    def draining(self) -> "asyncio.Task[None] | None":
        """What handles messages now, or None while none is there."""
        return self._task

    def taken(self) -> bool:
        """Let the current task handle messages, by `drain`, if none does now; say whether it is to."""
        task = asyncio.current_task()
        if self._actor is None or self._task is not None or task is None or task.cancelling():
            return False
        self._task = task
        return True

    def _wake(self) -> None:
        if self._actor is not None and self._task is None and self._envelopes:
            self._task = asyncio.get_running_loop().create_task(self.drain(self._actor))

    async def drain(self, actor: "AsyncioActor") -> None:
        """Handle what is waiting, in the task that calls this."""
        try:
            while self._envelopes and not actor.actor_stopped.is_set():
                await actor.handle(self.get())
        finally:
            self._task = None
        if actor.actor_stopped.is_set():
            actor.discard()


class AsyncioActor(Actor):
    """Is an actor on the running loop."""

    def __init__(self) -> None:
        super().__init__()
        self.actor_stopped = self.actor_ref.actor_stopped = Stopped()

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> ActorRef[Self]:
        """Start the actor and return its reference; it is in no registry, and lives as long as someone holds it."""
        actor = cls(*args, **kwargs)
        actor.begin()
        return actor.actor_ref

    def begin(self) -> None:
        """Handle messages from now on."""
        self._start_actor_loop()

    def end(self) -> None:
        """Handle nothing that comes from now on.

        Nothing here refers to the actor then, so it is gone with whoever holds it, and what it holds with it: a cycle
        would stay until the collector comes, which in a process of many objects may take long.
        """
        self._inbox.detach()

    async def go_on_with(self, message: Any) -> None:
        """Tell itself something, and handle that in the task that calls this, unless messages are handled already.

        It costs no task, and no turn of the loop.
        """
        mine = self._inbox.taken()
        self.actor_ref.tell(message)
        if mine:
            await self._inbox.drain(self)

    @staticmethod
    def _create_actor_inbox() -> AsyncioInbox:
        return AsyncioInbox()

    @staticmethod
    def _create_future() -> Future[Any]:
        return AsyncioFuture()

    def _start_actor_loop(self) -> None:
        self.on_start()
        self._inbox.attach(self)

    @property
    def _inbox(self) -> AsyncioInbox:
        if not isinstance(self.actor_inbox, AsyncioInbox):
            raise TypeError(f"{type(self).__name__} needs the inbox that it creates")
        return self.actor_inbox

    async def handle(self, envelope: Any) -> None:
        """Handle one message; an exception stops this actor, after `on_failure`, and no other."""
        try:
            response = self._handle_receive(envelope.message)
            if isawaitable(response):
                response = await response
        except BaseException as error:
            # whatever a subclass raises stops only this actor; what ends the task ends it after that
            if envelope.reply_to is not None:
                envelope.reply_to.set_exception()
            elif not isinstance(error, asyncio.CancelledError) or not self.actor_stopped.is_set():
                self._handle_failure(*sys.exc_info())
                self.on_failure(*sys.exc_info())
            if not isinstance(error, Exception):
                raise
        else:
            if envelope.reply_to is not None:
                envelope.reply_to.set(response)

    def discard(self) -> None:
        """Answer what is left in the inbox of a stopped actor, as pykka does."""
        self._actor_loop_teardown()

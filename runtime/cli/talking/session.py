"""What `arf chat`, `arf dev` and `arf demo` have in common: a worker beside this process, and a talk with its agent.

The worker is a process of its own.  So a tool that blocks, or dies, takes nothing along: what is typed is seen, and a
Ctrl-C is heard.  And this process is a client like any other.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from ....events import InvalidInput, Unavailable
from ....projections import Conversation
from ...clock import SystemClock
from ...opening import Place
from ..console.place import client_at
from ..console.signals import Signals
from ..running.child import GRACE, WorkerEnded
from ..running.ready import Ready
from .talk import Talk
from .terminal import Terminal


class Worker(Protocol):
    """Is a worker beside this process."""

    async def ready(self) -> Ready:
        """Return what it says once it is ready; raise WorkerEnded if it ends before."""

    async def died(self) -> None:
        """Return never; raise WorkerEnded when it ends."""

    def kill(self) -> None:
        """End it at once."""

    async def end(self) -> None:
        """Have it finish what runs and leave; return once it is gone."""


@asynccontextmanager
async def talking(
    worker: Worker, place: Place, conversation: str, terminal: Terminal, signals: Signals
) -> AsyncIterator[Talk | None]:
    """Give a talk with the worker's agent once it is ready, or None if a signal came before; then end the worker.

    The client that the talk is held through is opened after the worker, so that nothing is created for an agent that
    cannot be loaded; and it outlives it, so that however the worker ends, an embedded server has a last user who stops
    it.

    Raises:
        InvalidInput: no agent can be loaded, or more than one is named.
        FrameworkError: the worker ended at its start.
        Refused: the conversation is another agent's.

    """
    since = SystemClock().now()  # the worker may go on with a turn at once, and that is news
    try:
        await signals.first(worker.ready())
    except WorkerEnded as ended:
        raise ended.cause() from ended
    if signals.number:
        yield None
        return
    async with client_at(place) as client:
        signals.again = worker.kill
        try:
            ready = await worker.ready()
            agent, model = _only(ready)
            talk = Talk(client, agent, model, conversation, terminal, since=since)
            await talk.open()
            if ready.partitions < ready.of:
                terminal.teller.notice(
                    f"another worker holds {ready.of - ready.partitions} of {ready.of} partitions of agent {agent!r}: "
                    "as long as it lives it answers there, with the code that it has"
                )
            yield talk
        finally:
            await worker.end()


async def hold(
    talk: Talk,
    worker: Worker,
    terminal: Terminal,
    signals: Signals,
    until: Callable[[Conversation], bool] | None = None,
) -> None:
    """Hold the talk until stdin ends, `until` says so after a reply, or a signal comes; then end the worker.

    Raises:
        WorkerEnded: the worker ended by itself.
        Unavailable: the server did not come back.

    """
    try:
        await signals.first(talk.hold(until), talk.follow(), worker.died())
    except (WorkerEnded, Unavailable):
        terminal.prompt.step_aside()
        raise
    if signals.number:
        terminal.prompt.interrupted()
    if talk.waits:
        terminal.teller.notice(
            f"the turn in progress gets {GRACE:g} s to finish, later the next worker goes on; Ctrl-C again ends it now"
        )
    await worker.end()


def _only(ready: Ready) -> tuple[str, str]:
    (agent, model), *others = ready.agents.items()
    if others:
        raise InvalidInput(
            f"that is {len(ready.agents)} agents ({', '.join(ready.agents)}), and a talk is with one: name the one"
        )
    return agent, model

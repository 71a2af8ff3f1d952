"""Agents at work in a test: a runtime whose worker owns what is free, and is stopped in good order at the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

from ..agents import JourneyAgent
from ..clock import SystemClock, new_id
from ..runtime import Runtime
from ..substrate import Substrate, in_memory


class AgentsAtWork:
    """Opens runtimes whose agents are at work; the pytest fixture `agent_runtime` is one of these.

    A call takes the agents, and the options of `Runtime`; with `memory=True` no server is used.  All runtimes of one
    test share a namespace, so what one left behind the next goes on with.  What ends the worker ends the block, and is
    raised.

    >>> from agent_runtime_framework.testing import OnboardingAgent, ScriptedLLM
    >>> async def talk(agent_runtime):
    ...     async with agent_runtime(OnboardingAgent(ScriptedLLM("Hello!")), memory=True) as rt:
    ...         return await rt.send("onboarding", "c-1", "hi")
    >>> asyncio.run(talk(AgentsAtWork(lambda: "nats://127.0.0.1:4222"))).text
    'Hello!'
    """

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._namespace = new_id("test")
        self._memory: Substrate | None = None

    def __call__(
        self, *agents: JourneyAgent[Any, Any, Any], memory: bool = False, **options: Any
    ) -> AbstractAsyncContextManager[Runtime]:
        """Return what opens a runtime at work.

        Raises:
            InvalidInput: there is no agent, or a key cannot be used.
            Unavailable: no server answers.

        """
        if memory:
            self._memory = self._memory or in_memory(SystemClock())
            options = {"substrate": self._memory, **options}
        elif not options.keys() & {"nats", "home", "substrate"}:
            options = {"nats": self._url(), **options}
        return at_work(Runtime(agents, **{"namespace": self._namespace, **options}))


@asynccontextmanager
async def at_work(runtime: Runtime) -> AsyncIterator[Runtime]:
    """Open a runtime, and give it once its worker owns its partitions; at the end the worker finishes what runs.

    What ends the worker ends the block, and is raised.
    """
    async with runtime:
        worker = runtime.worker()
        working = asyncio.ensure_future(worker.run())
        try:
            if not await worker.owned(working):
                working.result()
            with _while_it_works(working):
                yield runtime
        finally:
            worker.stop()
            await working


@contextmanager
def _while_it_works(working: "asyncio.Future[None]") -> Iterator[None]:
    """Cancel the block when `working` raises, and raise that: whoever waits for a reply there would wait in vain."""
    block = asyncio.current_task()
    cancelled = False

    def ended(work: "asyncio.Future[None]") -> None:
        nonlocal cancelled
        if block is not None and not work.cancelled() and work.exception() is not None:
            cancelled = block.cancel()

    working.add_done_callback(ended)
    try:
        yield
    except asyncio.CancelledError:
        if block is not None and cancelled and block.uncancel() == 0:
            working.result()
        raise
    finally:
        working.remove_done_callback(ended)

"""A journey under `django_agent_runtime`: what an author subclasses there.  Nothing of Django is imported."""

import importlib
import traceback
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

from ...actors import shown
from ..agents.authored import StateT, StepT, ToolsT
from ..memory import StateStore
from ..models import LLMClient
from .adapted import AdaptedJourney
from .django_run import DjangoRun
from .run_context import RunContext
from .run_result import RunError, RunResult

COMPANION = "agent_runtime_core"
"""The package whose `interfaces.AgentRuntime` a runner asks for, where it is installed."""

AdapterT = TypeVar("AdapterT", bound="DjangoRuntimeAdapter[Any, Any, Any]")


class DjangoRuntimeAdapter(AdaptedJourney[StateT, ToolsT, StepT]):
    """Leads a person through steps, inside a Django project.

    It is written like a `JourneyAgent`, but for `create_tools`, which is given the backend client too.  One instance
    serves concurrent runs.

    A run's checkpoints end with the run, so give it a `state_store`: it keeps the state from one message of a
    conversation to the next.

    >>> import asyncio
    >>> from types import SimpleNamespace
    >>> from agent_runtime_framework import BaseJourneyTools, DjangoRuntimeAdapter, tool
    >>> from agent_runtime_framework.testing import ScriptedLLM, calls
    >>> import msgspec
    >>> class State(msgspec.Struct):
    ...     step: str = "name"
    ...     name: str = ""
    >>> class Tools(BaseJourneyTools[State]):
    ...     @tool(steps="name")
    ...     async def save_name(self, name: str) -> str:
    ...         '''Save the user's name.'''
    ...         self.state.name, self.state.step = name, "done"
    ...         return "Saved."
    >>> class Greeter(DjangoRuntimeAdapter[State, Tools, str]):
    ...     key = "greeter"
    ...     prompts = {"name": "Ask for the name, then call save_name.", "done": "Say good-bye."}
    >>> class Run(SimpleNamespace):  # what django_agent_runtime hands over
    ...     async def emit(self, type, payload):
    ...         print(type, payload.get("result", payload.get("arguments", payload.get("content"))))
    ...     async def checkpoint(self, state):
    ...         print("checkpoint", state)
    ...     async def get_state(self):
    ...         return None
    ...     def cancelled(self):
    ...         return False
    >>> run = Run(run_id="r-1", conversation_id=None, input_messages=[{"role": "user", "content": "I am Ada"}])
    >>> llm = ScriptedLLM(calls(("save_name", {"name": "Ada"})), "Good-bye, Ada!")
    >>> result = asyncio.run(Greeter(llm).run(run))
    tool.call {'name': 'Ada'}
    tool.result Saved.
    checkpoint {'step': 'done', 'name': 'Ada'}
    checkpoint {'step': 'done', 'name': 'Ada'}
    assistant.message Good-bye, Ada!
    >>> result.final_output["response"]
    'Good-bye, Ada!'

    """

    def __init__(
        self,
        llm_client: LLMClient | None = None,
        backend_client: Any = None,
        max_tool_iterations: int = 10,
        terminal_tools: Iterable[str] | None = None,
        *,
        state_store: StateStore | None = None,
    ) -> None:
        self._require_all(DjangoRuntimeAdapter)
        super().__init__(llm_client, backend_client, max_tool_iterations, terminal_tools, state_store=state_store)
        self._running: defaultdict[str, list[DjangoRun]] = defaultdict(list)
        _count_as_runtime()

    async def run(self, ctx: RunContext) -> RunResult:
        """Answer the last user message of a run.

        A run that is cancelled ends before its next model call, and gives what it has.

        Raises:
            NoReply: the turn ended without a reply.
            Exception: what the run's context raised; in debug, what a tool raised.

        """
        id_, run = str(ctx.run_id), DjangoRun(self, ctx)
        self._running[id_].append(run)  # a runner that lost sight of a run may begin it again
        try:
            return await run.result()
        finally:
            self._running[id_].remove(run)
            if not self._running[id_]:
                del self._running[id_]

    async def cancel(self, ctx: RunContext) -> None:
        """End a run of this process before its next model call or tool."""
        for run in self._running.get(str(ctx.run_id), ()):
            run.halt()

    async def on_error(self, ctx: RunContext, error: BaseException) -> RunError | None:
        """Return None where the run may be tried again, else why it must not: it started a tool of class `once`."""
        started = self.started_once(ctx.run_id)
        if not started:
            return None
        return RunError(
            type=type(error).__name__,
            message=shown(error),
            stack="".join(traceback.format_exception(error)),
            retriable=False,
            details={"started": started, "reason": "a tool was started that must not be repeated"},
        )


def create_django_runtime(cls: type[AdapterT], **kwargs: Any) -> AdapterT:
    """Return an adapter of this class, which is checked to be one; the rest goes to its constructor.

    >>> from agent_runtime_framework import create_django_runtime
    >>> create_django_runtime(dict)
    Traceback (most recent call last):
    TypeError: <class 'dict'> is no DjangoRuntimeAdapter: subclass that
    """
    if not issubclass(cls, DjangoRuntimeAdapter):
        raise TypeError(f"{cls!r} is no DjangoRuntimeAdapter: subclass that")
    return cls(**kwargs)


def _count_as_runtime() -> None:
    """Count adapters as the companion's runtimes, where it is installed; a runner checks that they are."""
    try:
        interfaces = importlib.import_module(f"{COMPANION}.interfaces")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != COMPANION:
            raise  # it is installed, but lacks something
        return
    interfaces.AgentRuntime.register(DjangoRuntimeAdapter)

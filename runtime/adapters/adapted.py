"""A journey inside another runtime: what its author writes, and what a run asks of it."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Iterable
from typing import Any

from ...actors.journey import AgentContext
from ..agents import JourneyConfig
from ..agents.authored import AuthoredJourney, StateT, StepT, ToolsT, tools_class_of
from ..memory import StateStore
from ..models import LLMClient, get_llm_client
from .run_context import RunContext

logger = logging.getLogger("agent_runtime_framework.adapters")

REMEMBERED = 10_000
"""Of so many runs, the last ones, it is known that they started a tool which must not be repeated."""


class AdaptedJourney(AuthoredJourney[StateT, ToolsT, StepT]):
    """Is an authored journey with the clients, the limits and the store that its runs have."""

    def __init__(
        self,
        llm_client: LLMClient | None = None,
        backend_client: Any = None,
        max_tool_iterations: int = 10,
        terminal_tools: Iterable[str] | None = None,
        *,
        state_store: StateStore | None = None,
    ) -> None:
        self.llm_client = llm_client
        self.backend_client = backend_client
        self.config = JourneyConfig(max_tool_iterations, set(terminal_tools or ()))
        self.state_store = state_store
        self._once: OrderedDict[str, list[str]] = OrderedDict()
        self._warned = False

    def create_tools(self, state: StateT, ctx: AgentContext, backend_client: Any) -> ToolsT:  # noqa: ARG002  for overriding
        """Return the tools for one call, over a state made for it alone; `ctx` has all that the run's context has."""
        found = tools_class_of(type(self))
        tools: ToolsT = found(state=state, backend_client=backend_client)  # type: ignore[misc]  # it was found when this was made
        return tools

    def get_llm_client(self, ctx: RunContext) -> Awaitable[LLMClient] | LLMClient:  # noqa: ARG002  for overriding
        """Return the model client of a run; it is asked at the run's first model call, and may be async."""
        return self.llm_client if self.llm_client is not None else get_llm_client()

    def get_backend_client(self, ctx: RunContext) -> Any:  # noqa: ARG002  for overriding
        """Return the backend client of a run; it may be async."""
        return self.backend_client

    def on_state_change(self, ctx: RunContext, state: StateT) -> Awaitable[None] | None:
        """See a state that was checkpointed because it changed; `async def`, or `def`, which runs in a thread."""

    def note_once(self, run_id: Any, tool: str) -> None:
        """Remember that a run started a tool which must not be repeated."""
        self._once.setdefault(str(run_id), []).append(tool)
        if len(self._once) > REMEMBERED:
            self._once.popitem(last=False)

    def warn_of_lost_states(self) -> None:
        """Say once that nothing keeps the state from one message to the next."""
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s has no state_store, so its journey begins anew with each message of a conversation: "
                "give it one, such as %s(state_store=StateStore(...))",
                self.key,
                type(self).__name__,
            )

    def started_once(self, run_id: Any) -> list[str]:
        """Return the tools that a run started and that must not be repeated."""
        return list(self._once.get(str(run_id), ()))

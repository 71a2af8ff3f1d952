"""A journey with what it runs with: what the loop of model and tools asks of an agent."""

from collections.abc import Awaitable, Mapping
from types import MappingProxyType
from typing import Any

from ...actors.journey import AgentContext, IntentRouter, ToolSchema
from ..models import LLMClient
from .authored import AuthoredJourney, StateT, StepT, ToolsT, tools_class_of
from .hooks import ExecutorHooks
from .journey_config import JourneyConfig


class EquippedJourney(AuthoredJourney[StateT, ToolsT, StepT]):
    """Is an authored journey with its model client, configuration, hooks, and the journeys that it leads to."""

    # not ClassVar: an agent may also be given them when it is made
    router: IntentRouter[Any] | None = None
    journeys: Mapping[Any, "EquippedJourney[Any, Any, Any]"] = MappingProxyType({})

    def __init__(
        self,
        llm_client: LLMClient | None = None,
        config: JourneyConfig | None = None,
        hooks: ExecutorHooks | None = None,
    ) -> None:
        self.llm_client = llm_client
        self.config = config if config is not None else JourneyConfig()
        self.hooks = hooks

    def get_tool_schemas(self, state: StateT) -> list[ToolSchema]:
        """Return the tools that the model is offered in this state.

        Unless written, these are the tools that are declared for its step, and those of the router.
        """
        return [*super().get_tool_schemas(state), *(self.router.get_tool_schemas() if self.router is not None else ())]

    @property
    def offers_by_step(self) -> bool:
        """Whether tools are offered by the step alone: no `get_tool_schemas` was written, and there is no router."""
        own, inherited = self.get_tool_schemas, super().get_tool_schemas
        return (
            self.router is None
            and getattr(own, "__func__", None) is EquippedJourney.get_tool_schemas
            and getattr(inherited, "__func__", None) is AuthoredJourney.get_tool_schemas
        )

    def create_tools(self, state: StateT, ctx: AgentContext) -> ToolsT:  # noqa: ARG002  for overriding
        """Return the tools for one call, over a state made for it alone."""
        tools: ToolsT = tools_class_of(type(self))(state=state)  # type: ignore[misc]  # it was found as above
        return tools

    def load_state(self, ctx: AgentContext) -> Awaitable[StateT | None] | StateT | None:  # noqa: ARG002  for overriding
        """Return the state to begin with, None for the initial one; it may be `async def` or `def`."""
        return None

    def save_state(self, ctx: AgentContext, state: StateT) -> Awaitable[None] | None:
        """Keep the state elsewhere too; it may be `async def` or `def`."""

    def enter_journey(self, journey: Any, state: Any, ctx: AgentContext) -> Awaitable[Any] | Any:  # noqa: ARG002  for overriding
        """Return the state that another journey begins with, so that it knows what is known already.

        It is asked when the router leads to `journey` for the first time, unless that agent's own `load_state` has a
        state, and again after it was over; `state` is that of the journey which is left.  For None it is the other
        agent's initial state.  It may be `async def` or `def`.
        """
        return None


def loads(agent: EquippedJourney[Any, Any, Any]) -> bool:
    """Say whether an agent has a `load_state` of its own, which may have a state."""
    return getattr(agent.load_state, "__func__", None) is not EquippedJourney.load_state


def saves(agent: EquippedJourney[Any, Any, Any]) -> bool:
    """Say whether an agent has a `save_state` of its own, which is told of states."""
    return getattr(agent.save_state, "__func__", None) is not EquippedJourney.save_state

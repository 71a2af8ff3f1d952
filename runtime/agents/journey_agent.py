"""The agent that leads a person through steps: what an author subclasses."""

from collections.abc import Awaitable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import Any

from ...actors.journey import AgentContext, AgentResult, IntentRouter, ToolSchema
from ..models import LLMClient
from .agent import BaseAgent
from .authored import AuthoredJourney, StateT, StepT, ToolsT, is_closing, tools_class_of
from .hooks import ExecutorHooks
from .run import run_turn


@dataclass
class JourneyConfig:
    """Configures how an agent's turns run.

    Attributes:
        max_tool_iterations: answers of the model in one turn; after so many the last tool's text is the reply.
        terminal_tools: tools whose success, as the last call of an answer, ends the turn with their text.
        closing_phrases: what a person says to end the talk, at word boundaries and in any case.
        tool_timeout: seconds that a tool may run; the model is then told that it timed out.
        model_timeout: seconds that one call of the model may take.
        model_parameters: further keywords for each call of the model, such as `temperature`.
        history_turns: how many turns before the current one the model is given; None gives all.

    >>> import asyncio
    >>> from agent_runtime_framework import AgentContext, JourneyConfig
    >>> from agent_runtime_framework.runtime.demo import OnboardingAgent
    >>> from agent_runtime_framework.testing import ScriptedLLM, calls
    >>> agent = OnboardingAgent(ScriptedLLM(calls(("begin", {}))), JourneyConfig(terminal_tools={"begin"}))
    >>> asyncio.run(agent.run(AgentContext("run-1", "c-1", [{"role": "user", "content": "hi"}]))).response
    'Welcome! Signing up takes a name, an email address and a plan.'

    """

    max_tool_iterations: int = 10
    terminal_tools: set[str] = field(default_factory=set)
    closing_phrases: list[str] = field(default_factory=lambda: ["thank you", "thanks", "bye", "goodbye"])
    _: KW_ONLY
    tool_timeout: float = 300.0
    model_timeout: float = 300.0
    model_parameters: dict[str, Any] = field(default_factory=dict)
    history_turns: int | None = None


class JourneyAgent(AuthoredJourney[StateT, ToolsT, StepT], BaseAgent):
    """Leads a person through steps, each with its own prompt and tools.

    One instance serves any number of conversations at once: it keeps nothing between calls, the log does.

    The shortest agent names the classes of its state, tools and steps, and has `key` and `prompts`; every method that
    is written stands for itself.  An agent that lacks something cannot be made: a TypeError says what to write.

    Attributes:
        prompts: the prompt of each step; a `PromptTemplate` gets the state's fields as variables.
        tools_class: the class of the tools, where it is not the one in `JourneyAgent[State, Tools, Step]`.
        router: leads to other journeys in the same conversation, by tools that are offered beside the agent's own;
            in each of them `reroute_conversation` leads back.
        journeys: the agent of each journey that a route of `router` leads to; its key is the journey's name in the
            log.  One without a model client or hooks of its own uses this agent's.

    >>> import asyncio
    >>> from dataclasses import dataclass
    >>> from enum import Enum
    >>> from agent_runtime_framework import AgentContext, BaseJourneyState, BaseJourneyTools, JourneyAgent, tool
    >>> from agent_runtime_framework.testing import ScriptedLLM, calls
    >>> class Step(str, Enum):
    ...     NAME = "name"
    ...     DONE = "done"
    >>> @dataclass
    ... class State(BaseJourneyState[Step]):
    ...     step: Step = Step.NAME
    ...     name: str = ""
    ...     def is_complete(self):
    ...         return self.step == Step.DONE
    >>> class Tools(BaseJourneyTools[State]):
    ...     @tool(steps=Step.NAME)
    ...     async def save_name(self, name: str) -> str:
    ...         '''Save the user's name.'''
    ...         self.state.name, self.state.step = name, Step.DONE
    ...         return "Saved."
    >>> class Agent(JourneyAgent[State, Tools, Step]):
    ...     key = "greeter"
    ...     prompts = {Step.NAME: "Ask for the name, then call save_name.", Step.DONE: "Say good-bye."}
    >>> with ScriptedLLM(calls(("save_name", {"name": "Ada"})), "Good-bye, Ada!") as llm:
    ...     said = [{"role": "user", "content": "I am Ada"}]
    ...     result = asyncio.run(Agent(llm).run(AgentContext("run-1", "c-1", said)))
    >>> result.response, result.state
    ('Good-bye, Ada!', {'step': 'done', 'name': 'Ada'})

    """

    # not ClassVar: an agent may also be given them when it is made
    router: IntentRouter[Any] | None = None
    journeys: Mapping[Any, "JourneyAgent[Any, Any, Any]"] = MappingProxyType({})

    def __init__(
        self,
        llm_client: LLMClient | None = None,
        config: JourneyConfig | None = None,
        hooks: ExecutorHooks | None = None,
    ) -> None:
        self._require_all(JourneyAgent, routes=self.router is not None)
        self.llm_client = llm_client
        self.config = config if config is not None else JourneyConfig()
        self.hooks = hooks

    def get_tool_schemas(self, state: StateT) -> list[ToolSchema]:
        """Return the tools that the model is offered in this state.

        Unless written, these are the tools that are declared for its step, and those of the router.
        """
        return [*super().get_tool_schemas(state), *(self.router.get_tool_schemas() if self.router is not None else ())]

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

        It is asked when the router leads to `journey` for the first time, or anew after that was over; `state` is that
        of the journey which is left.  For None it is the other agent's `load_state`, else its initial state.  It may be
        `async def` or `def`.
        """
        return None

    def is_closing_message(self, text: str) -> bool:
        """Say whether these words only end the talk: a closing phrase, no question, at most five words."""
        return is_closing(text, self.config.closing_phrases)

    async def run(self, ctx: AgentContext) -> AgentResult:
        """Answer the last user message of the context; needs no server and keeps nothing.

        Raises:
            NoReply: the turn ended without a reply.

        """
        return await run_turn(self, ctx)

"""The agent that leads a person through steps: what an author subclasses."""

import re
from collections.abc import Awaitable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from ...actors.journey import (
    AgentContext,
    AgentResult,
    DeclaredTool,
    Prompt,
    StepPromptMapping,
    ToolSchema,
    declared_tools,
    is_terminal,
    step_of,
    type_arguments,
)
from ..models import LLMClient
from .agent import BaseAgent
from .defaults import missing_pieces, plain_or_async, prompt_of, run_method
from .hooks import ExecutorHooks
from .run import run_turn

StateT = TypeVar("StateT")
ToolsT = TypeVar("ToolsT")
StepT = TypeVar("StepT")


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


class JourneyAgent(BaseAgent, Generic[StateT, ToolsT, StepT]):
    """Leads a person through steps, each with its own prompt and tools.

    One instance serves any number of conversations at once: it keeps nothing between calls, the log does.

    The shortest agent names the classes of its state, tools and steps, and has `key` and `prompts`; every method that
    is written stands for itself.  An agent that lacks something cannot be made: a TypeError says what to write.

    Attributes:
        prompts: the prompt of each step; a `PromptTemplate` gets the state's fields as variables.
        tools_class: the class of the tools, where it is not the one in `JourneyAgent[State, Tools, Step]`.

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

    prompts: ClassVar[Mapping[Any, Prompt] | StepPromptMapping[Any] | None] = None
    tools_class: ClassVar[type[Any] | None] = None

    def __init__(
        self,
        llm_client: LLMClient | None = None,
        config: JourneyConfig | None = None,
        hooks: ExecutorHooks | None = None,
    ) -> None:
        self._require_all()
        self.llm_client = llm_client
        self.config = config if config is not None else JourneyConfig()
        self.hooks = hooks

    def get_initial_state(self) -> StateT:
        """Return the state of a conversation that begins; unless written, the state class's own defaults."""
        state: StateT = state_class_of(type(self))()  # type: ignore[misc]  # it was found when the agent was made
        return state

    def get_system_prompt(self, state: StateT) -> str:
        """Return the system prompt for this state; unless written, that of its step in `prompts`."""
        return prompt_of(self.prompts or {}, state)

    def get_tool_schemas(self, state: StateT) -> list[ToolSchema]:
        """Return the tools that the model is offered in this state; unless written, those declared for its step."""
        step = step_of(state)
        return [one.schema for one in self.declared_tools.values() if one.offered_in(step)]

    def create_tools(self, state: StateT, ctx: AgentContext) -> ToolsT:  # noqa: ARG002  for overriding
        """Return the tools for one call, over a state made for it alone."""
        tools: ToolsT = tools_class_of(type(self))(state=state)  # type: ignore[misc]  # it was found as above
        return tools

    @plain_or_async
    async def execute_tool(self, tools: ToolsT, name: str, arguments: dict[str, Any]) -> str:
        """Run one tool and return what the model is told; it may be `async def` or `def`, which runs in a thread.

        Unless written, the method that has the tool's name is called; `def` runs in a thread there too.
        """
        result: str = await run_method(tools, name, arguments)
        return result

    @property
    def declared_tools(self) -> Mapping[str, DeclaredTool]:
        """The tools that are declared with `@tool` in the class of the agent's tools, by name."""
        found = tools_class_of(type(self))
        return {} if found is None else declared_tools(found)

    def _require_all(self) -> None:
        cls = type(self)

        def written(method: str) -> bool:
            return getattr(cls, method) is not getattr(JourneyAgent, method)

        missing = missing_pieces(written, state_class_of(cls), tools_class_of(cls), cls.prompts)
        if missing:
            raise TypeError(f"{cls.__name__} is still abstract: {'; '.join(missing)}")

    def load_state(self, ctx: AgentContext) -> Awaitable[StateT | None] | StateT | None:  # noqa: ARG002  for overriding
        """Return the state to begin with, None for the initial one; it may be `async def` or `def`."""
        return None

    def save_state(self, ctx: AgentContext, state: StateT) -> Awaitable[None] | None:
        """Keep the state elsewhere too; it may be `async def` or `def`."""

    def is_terminal_state(self, state: StateT) -> bool:
        """Say whether the journey is over in this state."""
        return is_terminal(state)

    def is_closing_message(self, text: str) -> bool:
        """Say whether these words only end the talk: a closing phrase, no question, at most five words."""
        if "?" in text or len(text.split()) > 5:
            return False
        return any(
            re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.IGNORECASE)
            for phrase in self.config.closing_phrases
        )

    async def run(self, ctx: AgentContext) -> AgentResult:
        """Answer the last user message of the context; needs no server and keeps nothing.

        Raises:
            NoReply: the turn ended without a reply.

        """
        return await run_turn(self, ctx)


def state_class_of(agent: type[JourneyAgent[Any, Any, Any]]) -> type[Any] | None:
    """Return the class of an agent's state, where `JourneyAgent[State, Tools, Step]` names it."""
    return _class_argument(agent, 0)


def tools_class_of(agent: type[JourneyAgent[Any, Any, Any]]) -> type[Any] | None:
    """Return the class of an agent's tools: its `tools_class`, else the one in `JourneyAgent[State, Tools, Step]`."""
    return agent.tools_class if agent.tools_class is not None else _class_argument(agent, 1)


@cache
def _class_argument(agent: type[JourneyAgent[Any, Any, Any]], at: int) -> type[Any] | None:
    given = type_arguments(agent, JourneyAgent)
    found = given[at] if at < len(given) else None
    # in Python 3.11 Any is a class
    return found if isinstance(found, type) and found is not Any else None

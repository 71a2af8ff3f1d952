"""The agent that leads a person through steps: what an author subclasses."""

import re
from abc import abstractmethod
from collections.abc import Awaitable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Generic, TypeVar

from ...actors.journey import AgentContext, AgentResult, ToolSchema, is_terminal
from ..models import LLMClient
from .agent import BaseAgent
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
    """

    def __init__(
        self,
        llm_client: LLMClient | None = None,
        config: JourneyConfig | None = None,
        hooks: ExecutorHooks | None = None,
    ) -> None:
        self.llm_client = llm_client
        self.config = config if config is not None else JourneyConfig()
        self.hooks = hooks

    @abstractmethod
    def get_initial_state(self) -> StateT:
        """Return the state of a conversation that begins."""

    @abstractmethod
    def get_system_prompt(self, state: StateT) -> str:
        """Return the system prompt for this state."""

    @abstractmethod
    def get_tool_schemas(self, state: StateT) -> list[ToolSchema]:
        """Return the tools that the model is offered in this state."""

    @abstractmethod
    def create_tools(self, state: StateT, ctx: AgentContext) -> ToolsT:
        """Return the tools for one call, over a state made for it alone."""

    @abstractmethod
    def execute_tool(self, tools: ToolsT, name: str, arguments: dict[str, Any]) -> Awaitable[str] | str:
        """Run one tool and return what the model is told; it may be `async def` or `def`, which runs in a thread."""

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

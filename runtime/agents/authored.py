"""What an author writes of a journey, whatever runs it: the methods that an agent asks, and what they do unwritten."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar, get_origin

from ...actors.journey import (
    AgentContext,
    Allow,
    Authorization,
    DeclaredTool,
    Prompt,
    StepPromptMapping,
    ToolCall,
    ToolSchema,
    declared_tools,
    is_terminal,
    marks_in,
    step_of,
    type_arguments,
)
from .defaults import missing_pieces, plain_or_async, prompt_of
from .journey_config import JourneyConfig
from .tool_executors import run_method

StateT = TypeVar("StateT")
ToolsT = TypeVar("ToolsT")
StepT = TypeVar("StepT")

LONGEST_CLOSING = 5
"""Words that a message which only ends the talk has at most."""


class AuthoredJourney(ABC, Generic[StateT, ToolsT, StepT]):
    """Is a journey as its author writes it; every method that is written stands for itself.

    Attributes:
        prompts: the prompt of each step; a `PromptTemplate` gets the state's fields as variables.
        tools_class: the class of the tools, where it is not the one that is named in brackets.

    """

    prompts: ClassVar[Mapping[Any, Prompt] | StepPromptMapping[Any] | None] = None
    tools_class: ClassVar[type[Any] | None] = None
    config: JourneyConfig

    @property
    @abstractmethod
    def key(self) -> str:
        """The journey's name: a token, the same for ever."""

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

    @plain_or_async
    async def execute_tool(self, tools: ToolsT, name: str, arguments: dict[str, Any]) -> str:
        """Run one tool and return what the model is told; it may be `async def` or `def`, which runs in a thread.

        Unless written, the method that has the tool's name is called; `def` runs in a thread there too.
        """
        result: str = await run_method(tools, name, arguments)
        return result

    def authorize_tool(self, call: ToolCall, state: StateT, ctx: AgentContext) -> Authorization:  # noqa: ARG002  for overriding
        """Say whether a call may run: `Allow()` or `Deny(reason)`; unless written, all that were offered may.

        It is asked once for each call, after everything else was checked and before the tool starts, also for one that
        leads to another journey; what it says is recorded, and the model is told why a call was denied.  It decides
        from what it is given and waits for nothing, so it is a `def`; if it raises, the turn fails and no tool runs.
        Each journey asks its own.
        """
        return Allow()

    @property
    def authorizes(self) -> bool:
        """Whether an `authorize_tool` was written, which then is asked of each call."""
        return getattr(self.authorize_tool, "__func__", None) is not AuthoredJourney.authorize_tool

    def is_terminal_state(self, state: StateT) -> bool:
        """Say whether the journey is over in this state."""
        return is_terminal(state)

    def is_closing_message(self, text: str) -> bool:
        """Say whether these words only end the talk: a closing phrase, no question, at most five words."""
        if "?" in text or len(text.split()) > LONGEST_CLOSING:
            return False
        phrases = self.config.closing_phrases
        return any(re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.IGNORECASE) for phrase in phrases)

    @property
    def declared_tools(self) -> Mapping[str, DeclaredTool]:
        """The tools that are declared with `@tool` in the class of the agent's tools, by name."""
        found = tools_class_of(type(self))
        return {} if found is None else declared_tools(found)

    def _require_all(self, base: type[object], *, routes: bool = False) -> None:
        """Raise TypeError if there is something that neither the author wrote nor `base` can do by itself."""
        cls = type(self)

        def written(method: str) -> bool:
            return getattr(cls, method) is not getattr(base, method)

        missing = missing_pieces(
            written,
            state_class_of(cls),
            tools_class_of(cls),
            cls.prompts,
            base=base.__name__,
            routes=routes,
        )
        if missing:
            raise TypeError(f"{cls.__name__} is still abstract: {'; '.join(missing)}")
        state = state_class_of(cls)
        if state is not None:
            marks_in(state)  # what cannot be secret is said now


def state_class_of(agent: type[AuthoredJourney[Any, Any, Any]]) -> type[Any] | None:
    """Return the class of an agent's state, where its base names it, as in `JourneyAgent[State, Tools, Step]`."""
    return _class_argument(agent, 0)


def tools_class_of(agent: type[AuthoredJourney[Any, Any, Any]]) -> type[Any] | None:
    """Return the class of an agent's tools: its `tools_class`, else the one that its base names."""
    return agent.tools_class if agent.tools_class is not None else _class_argument(agent, 1)


@cache
def _class_argument(agent: type[AuthoredJourney[Any, Any, Any]], at: int) -> type[Any] | None:
    given = type_arguments(agent, AuthoredJourney)
    found = given[at] if at < len(given) else None
    found = get_origin(found) or found
    # in Python 3.11 Any is a class
    return found if isinstance(found, type) and found is not Any else None

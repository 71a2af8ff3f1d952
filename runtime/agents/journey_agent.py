"""The agent that leads a person through steps: what an author subclasses."""

from ...actors.journey import AgentContext, AgentResult
from ..models import LLMClient
from .agent import BaseAgent
from .authored import StateT, StepT, ToolsT
from .equipped import EquippedJourney
from .hooks import ExecutorHooks
from .journey_config import JourneyConfig
from .run import run_turn


class JourneyAgent(EquippedJourney[StateT, ToolsT, StepT], BaseAgent):
    """Leads a person through steps, each with its own prompt and tools.

    One instance serves any number of conversations at once: it keeps nothing between calls, the log does.

    The shortest agent names the classes of its state, tools and steps, and has `key` and `prompts`; every method that
    is written stands for itself.  An agent that lacks something cannot be made: a TypeError says what to write.

    Attributes:
        prompts: the prompt of each step; a `PromptTemplate` gets the state's fields as variables.
        tools_class: the class of the tools, where it is not the one in `JourneyAgent[State, Tools, Step]`.
        router: leads to other journeys in the same conversation, by tools that are offered beside the declared ones (a
            `get_tool_schemas` of one's own adds `self.router.get_tool_schemas()`); in each of them
            `reroute_conversation` leads back.
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

    def __init__(
        self,
        llm_client: LLMClient | None = None,
        config: JourneyConfig | None = None,
        hooks: ExecutorHooks | None = None,
    ) -> None:
        self._require_all(JourneyAgent, routes=self.router is not None)
        super().__init__(llm_client, config, hooks)

    async def run(self, ctx: AgentContext) -> AgentResult:
        """Answer the last user message of the context; needs no server and keeps nothing.

        With a router each run begins in the agent's own journey, and other journeys with what their agents load.

        Raises:
            Refused: the message cannot be taken.
            NoReply: the turn ended without a reply; the cause is what was raised, where something was.
            Exception: in debug, what a tool raised, as it was raised.

        """
        return await run_turn(self, ctx)

"""What any agent is."""

from abc import ABC, abstractmethod

from ...actors.journey import AgentContext, AgentResult


class BaseAgent(ABC):
    """Answers under a key.

    >>> import asyncio
    >>> from agent_runtime_framework import AgentContext, AgentResult, BaseAgent
    >>> class Echo(BaseAgent):
    ...     key = "echo"
    ...     async def run(self, ctx):
    ...         return AgentResult(f"You said: {ctx.get_user_message()}")
    >>> asyncio.run(Echo().run(AgentContext("run-1", "c-1", [{"role": "user", "content": "hi"}]))).response
    'You said: hi'
    """

    @property
    @abstractmethod
    def key(self) -> str:
        """The agent's name: a token, unique in its namespace, and the same for ever."""

    @abstractmethod
    async def run(self, ctx: AgentContext) -> AgentResult:
        """Answer the last user message of the context."""

"""What any agent is."""

from abc import ABC, abstractmethod

from ...actors.journey import AgentContext, AgentResult


class BaseAgent(ABC):
    """Answers under a key."""

    @property
    @abstractmethod
    def key(self) -> str:
        """The agent's name: a token, unique in its namespace, and the same for ever."""

    @abstractmethod
    async def run(self, ctx: AgentContext) -> AgentResult:
        """Answer the last user message of the context."""

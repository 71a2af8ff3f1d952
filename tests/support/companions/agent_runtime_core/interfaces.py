"""Stands for the companion's interfaces: the class that a runner checks its runtimes for."""

from abc import ABC, abstractmethod
from typing import Any


class AgentRuntime(ABC):
    """Is what can be registered."""

    @property
    @abstractmethod
    def key(self) -> str:
        """The name to register under."""

    @abstractmethod
    async def run(self, ctx: Any) -> Any:
        """Run once."""

    async def cancel(self, ctx: Any) -> None:
        """Hear that a run is to end."""
        return

    async def on_error(self, ctx: Any, error: Exception) -> Any:
        """Say what an error means; None for one that may be tried again."""
        return None

"""The agents under chaos: a tool of each effect class, and each start of one is told to the ledger first."""

import asyncio
import os
from dataclasses import dataclass, replace
from enum import StrEnum

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, JourneyConfig, OpenAIClient, tool
from agent_runtime_framework.events import Effect

from .ledger import PORT, Start, tell


class Step(StrEnum):
    """Whether the last reservation was an odd or an even one."""

    EVEN = "even"
    ODD = "odd"


@dataclass
class State(BaseJourneyState[Step]):
    """How often each tool had its effect, as far as the conversation knows."""

    step: Step = Step.EVEN
    looked: int = 0
    reserved: int = 0
    charged: int = 0
    last: str = ""

    def is_complete(self) -> bool:
        """Never end."""
        return False


class Tools(BaseJourneyTools[State]):
    """One tool of each effect class."""

    @tool(effect="read")
    async def look(self, ticket: str, first: float, again: float) -> str:
        """Look."""
        await self._act("look", "read", ticket, first, again)
        self.state.looked += 1
        return f"looked {ticket}"

    @tool(effect="idempotent")
    async def reserve(self, ticket: str, first: float, again: float) -> str:
        """Reserve."""
        await self._act("reserve", "idempotent", ticket, first, again)
        self.state.reserved += 1
        self.state.step = Step.ODD if self.state.reserved % 2 else Step.EVEN
        return f"reserved {ticket}"

    @tool
    async def charge(self, ticket: str, first: float, again: float) -> str:
        """Charge: undeclared, so `once`."""
        await self._act("charge", "once", ticket, first, again)
        self.state.charged += 1
        return f"charged {ticket}"

    async def _act(self, name: str, effect: Effect, ticket: str, first: float, again: float) -> None:
        start = Start(
            key=self.idempotency_key or "",
            ticket=ticket,
            tool=name,
            effect=effect,
            seen=self.state.to_dict(),
            pid=os.getpid(),
        )
        count = await tell(int(os.environ[PORT]), start)
        await asyncio.sleep(first if count == 1 else again)
        self.state.last = ticket


class ChaosAgent(JourneyAgent[State, Tools, Step]):
    """Does what messages say."""

    key = "chaos"
    prompts = {Step.EVEN: "Do what you are told, evenly.", Step.ODD: "Do what you are told, oddly."}  # noqa: RUF012


class HastyAgent(ChaosAgent):
    """Lets a message end the turn in progress."""

    key = "hasty"


class StrayAgent(ChaosAgent):
    """Gets what is meant for nobody: messages under another agent's key."""

    key = "stray"


client = OpenAIClient("gpt-chaos")
config = JourneyConfig(history_turns=4, model_timeout=20.0, tool_timeout=60.0)
agent = ChaosAgent(client, config)
hasty = HastyAgent(client, replace(config, mailbox="interrupt"))
stray = StrayAgent(client, config)

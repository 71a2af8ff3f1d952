"""A front desk with two journeys behind it, for tests of routing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from agent_runtime_framework import (
    BaseJourneyState,
    BaseJourneyTools,
    IntentRouter,
    JourneyAgent,
    PromptTemplate,
    RouteDefinition,
    tool,
)


class Journey(StrEnum):
    """What the desk leads to."""

    QUOTE = "quote"
    CLAIM = "claim"


class Step(StrEnum):
    """Where any of the journeys can be."""

    HELLO = "hello"
    ASK = "ask"
    DONE = "done"


@dataclass
class Desk(BaseJourneyState[Step]):
    step: Step = Step.HELLO
    notes: list[str] = field(default_factory=list)

    def is_complete(self) -> bool:
        return False


@dataclass
class Quote(BaseJourneyState[Step]):
    step: Step = Step.ASK
    value: int = 0

    def is_complete(self) -> bool:
        return self.step == Step.DONE


@dataclass
class Claim(BaseJourneyState[Step]):
    step: Step = Step.ASK
    damage: str = ""

    def is_complete(self) -> bool:
        return self.step == Step.DONE


class DeskTools(BaseJourneyTools[Desk]):
    @tool
    async def note(self, text: str) -> str:
        """Keep a note."""
        self.state.notes.append(text)
        return "Noted."


class QuoteTools(BaseJourneyTools[Quote]):
    @tool(steps=Step.ASK, to=Step.DONE)
    async def price(self, value: int) -> str:
        """Work out the price."""
        self.state.value, self.state.step = value, Step.DONE
        return f"It costs {value // 50}."


class ClaimTools(BaseJourneyTools[Claim]):
    @tool(steps=Step.ASK, to=Step.DONE)
    async def file(self, damage: str) -> str:
        """File the claim."""
        self.state.damage, self.state.step = damage, Step.DONE
        return "Filed."


class QuoteAgent(JourneyAgent[Quote, QuoteTools, Step]):
    key = "quote"
    prompts = MappingProxyType({step: f"Quote: {step}" for step in Step})


class ClaimAgent(JourneyAgent[Claim, ClaimTools, Step]):
    key = "claim"
    prompts = MappingProxyType({step: f"Claim: {step}" for step in Step})


class DeskAgent(JourneyAgent[Desk, DeskTools, Step]):
    key = "desk"
    router = IntentRouter[Journey]().add_routes(
        [
            RouteDefinition(Journey.QUOTE, "start_quote", "Get a quote"),
            RouteDefinition(Journey.CLAIM, "file_claim", "File a claim"),
        ]
    )
    journeys: Mapping[Any, JourneyAgent[Any, Any, Any]] = MappingProxyType(
        {Journey.QUOTE: QuoteAgent(), Journey.CLAIM: ClaimAgent()}
    )

    def get_system_prompt(self, state: Desk) -> str:
        said = f" They said: {', '.join(state.notes)}" if state.notes else ""
        return PromptTemplate("What do you want?$said").render(said=said)


def desk(
    llm: Any,
    agent: type[DeskAgent] = DeskAgent,
    *,
    quote: JourneyAgent[Any, Any, Any] | None = None,
    claim: JourneyAgent[Any, Any, Any] | None = None,
) -> DeskAgent:
    """Return a front desk over a model, perhaps with other agents behind it."""
    made = agent(llm)
    made.journeys = {
        Journey.QUOTE: quote if quote is not None else QuoteAgent(),
        Journey.CLAIM: claim if claim is not None else ClaimAgent(),
    }
    return made

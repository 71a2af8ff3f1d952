"""A front desk: one conversation, several journeys, each with a state of its own.

The router offers one tool a route; in the other journeys `reroute_conversation` leads back to the desk. What the desk
knows already, the name, is handed over when a journey begins.

Talk with it: arf chat examples/desk.py:agent
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent_runtime_framework import (
    AgentContext,
    BaseJourneyState,
    BaseJourneyTools,
    IntentRouter,
    JourneyAgent,
    PromptTemplate,
    RouteDefinition,
    tool,
)


class Topic(StrEnum):
    QUOTE = "quote"
    CLAIM = "claim"


class Step(StrEnum):
    ASK = "ask"
    DONE = "done"


@dataclass
class Person(BaseJourneyState[Step]):
    step: Step = Step.ASK
    name: str = ""

    def is_complete(self) -> bool:
        return self.step == Step.DONE


@dataclass
class Quote(Person):
    price: int = 0


@dataclass
class Claim(Person):
    damage: str = ""


class DeskTools(BaseJourneyTools[Person]):
    @tool(effect="idempotent")
    async def save_name(self, name: str) -> str:
        """Save the user's name."""
        self.state.name = name
        return f"Hello {name}."


class QuoteTools(BaseJourneyTools[Quote]):
    @tool(steps=Step.ASK, to=Step.DONE, effect="idempotent")
    async def quote(self, value: int) -> str:
        """Work out what insuring something of this value costs."""
        self.state.price = value // 50
        self.state.step = Step.DONE
        return f"It costs {self.state.price} euros a year."


class ClaimTools(BaseJourneyTools[Claim]):
    @tool(steps=Step.ASK, to=Step.DONE)
    async def file_damage(self, damage: str) -> str:
        """File a claim."""
        self.state.damage = damage
        self.state.step = Step.DONE
        return "The claim is filed."


class QuoteAgent(JourneyAgent[Quote, QuoteTools, Step]):
    key = "quote"
    prompts = {
        Step.ASK: PromptTemplate("Ask $name what the thing is worth, then call quote."),
        Step.DONE: PromptTemplate("The quote is $price euros a year. Ask whether there is anything else."),
    }


class ClaimAgent(JourneyAgent[Claim, ClaimTools, Step]):
    key = "claim"
    prompts = {
        Step.ASK: PromptTemplate("Ask $name what happened, then call file_damage."),
        Step.DONE: "Say that the claim is filed. Ask whether there is anything else.",
    }


class DeskAgent(JourneyAgent[Person, DeskTools, Step]):
    key = "desk"
    prompts = {
        Step.ASK: "Ask for the user's name and call save_name. Find out what the user wants and take the route to it.",
        Step.DONE: "Say good-bye.",
    }
    router = IntentRouter[Topic]().add_routes(
        [
            RouteDefinition(Topic.QUOTE, "start_quote", "Get a new insurance quote"),
            RouteDefinition(Topic.CLAIM, "file_claim", "File a claim"),
        ]
    )
    journeys = {Topic.QUOTE: QuoteAgent(), Topic.CLAIM: ClaimAgent()}

    def enter_journey(self, journey: Topic, state: Person, _ctx: AgentContext) -> Any:
        return {Topic.QUOTE: Quote, Topic.CLAIM: Claim}[journey](name=state.name)


agent = DeskAgent()

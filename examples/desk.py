"""A front desk: one conversation, several journeys, each with a state of its own.

The router offers one tool a route; in the other journeys `reroute_conversation` leads back to the desk. What the desk
knows already, the name, is handed over when a journey begins.

Talk with it: arf chat examples/desk.py:agent
"""

from dataclasses import dataclass
from enum import StrEnum

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


class Step(StrEnum):
    ASK = "ask"
    DONE = "done"


@dataclass
class State(BaseJourneyState[Step]):
    step: Step = Step.ASK
    name: str = ""

    def is_complete(self) -> bool:
        return self.step == Step.DONE


@dataclass
class Quote(State):
    price: int = 0


@dataclass
class Claim(State):
    number: int = 0


class QuoteTools(BaseJourneyTools[Quote]):
    @tool(steps=Step.ASK, to=Step.DONE, effect="idempotent")
    async def quote(self, value: int) -> str:
        """Work out what insuring something of this value costs."""
        self.state.price = value // 50
        self.state.step = Step.DONE
        return f"Insuring it costs {self.state.price} euros a year."


class ClaimTools(BaseJourneyTools[Claim]):
    @tool(steps=Step.ASK, to=Step.DONE, effect="once")
    async def file_damage(self, number: int) -> str:
        """File a claim under the number of a policy."""
        self.state.number = number
        self.state.step = Step.DONE
        return f"The claim for policy {number} is filed."


class QuoteAgent(JourneyAgent[Quote, QuoteTools, Step]):
    key = "quote"
    prompts = {
        Step.ASK: PromptTemplate("You talk with $name. Ask what the thing is worth, then call quote."),
        Step.DONE: PromptTemplate("It costs $price euros a year. Ask what else is wanted."),
    }


class ClaimAgent(JourneyAgent[Claim, ClaimTools, Step]):
    key = "claim"
    prompts = {
        Step.ASK: PromptTemplate("You talk with $name. Ask for the number of the policy, then call file_damage."),
        Step.DONE: "Say that the claim is filed. Ask what else is wanted.",
    }


class DeskTools(BaseJourneyTools[State]):
    @tool(steps=Step.ASK, to=Step.DONE, effect="idempotent")
    async def save_name(self, name: str) -> str:
        """Save the user's name."""
        self.state.name = name
        self.state.step = Step.DONE
        return f"Hello {name}."


class Topic(StrEnum):
    QUOTE = "quote"
    CLAIM = "claim"


class DeskAgent(JourneyAgent[State, DeskTools, Step]):
    key = "desk"
    prompts = {
        Step.ASK: "Ask for the user's name, then call save_name.",
        Step.DONE: PromptTemplate("You talk with $name. Ask what is wanted, a quote or a claim. Take the route to it."),
    }
    router = IntentRouter[Topic]().add_routes(
        [
            RouteDefinition(Topic.QUOTE, "start_quote", "Get a new insurance quote"),
            RouteDefinition(Topic.CLAIM, "file_claim", "File a claim"),
        ]
    )
    journeys = {Topic.QUOTE: QuoteAgent(), Topic.CLAIM: ClaimAgent()}

    def enter_journey(self, journey: Topic, state: State, _ctx: AgentContext) -> State:
        return {Topic.QUOTE: Quote, Topic.CLAIM: Claim}[journey](name=state.name)


agent = DeskAgent()

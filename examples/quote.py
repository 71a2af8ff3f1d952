"""A branching journey: the first answer decides which way it goes, and both ways meet at the quote.

Talk with it: arf chat examples/quote.py:agent
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, PromptTemplate, tool


class Step(StrEnum):
    KIND = "kind"
    CAR = "car"
    HOME = "home"
    QUOTED = "quoted"
    CLOSED = "closed"


@dataclass
class State(BaseJourneyState[Step]):
    step: Step = Step.KIND
    price: int = 0
    accepted: bool = False

    def is_complete(self) -> bool:
        return self.step == Step.CLOSED


class Tools(BaseJourneyTools[State]):
    @tool(steps=Step.KIND, to=[Step.CAR, Step.HOME], effect="idempotent")
    async def choose(self, kind: Literal["car", "home"]) -> str:
        """Choose what is to be insured."""
        self.state.step = Step.CAR if kind == "car" else Step.HOME
        return f"Let us look at your {kind}."

    @tool(steps=Step.CAR, to=Step.QUOTED, effect="idempotent")
    async def quote_car(
        self, value: Annotated[int, "What the car is worth, in euros"], accidents: Annotated[int, "In five years"] = 0
    ) -> str:
        """Work out what insuring the car costs."""
        return self._quote(value // 50 + 100 * accidents)

    @tool(steps=Step.HOME, to=Step.QUOTED, effect="idempotent")
    async def quote_home(self, area: Annotated[int, "Square metres"]) -> str:
        """Work out what insuring the home costs."""
        return self._quote(2 * area)

    @tool(steps=Step.QUOTED, to=Step.CLOSED, effect="once")
    async def decide(self, accept: bool) -> str:
        """Take the quote or leave it."""
        self.state.accepted = accept
        self.state.step = Step.CLOSED
        return "You are insured." if accept else "Nothing was agreed."

    def _quote(self, price: int) -> str:
        self.state.price = price
        self.state.step = Step.QUOTED
        return f"It costs {price} euros a year."


class QuoteAgent(JourneyAgent[State, Tools, Step]):
    key = "quote"
    prompts = {
        Step.KIND: "Ask whether the user wants to insure a car or a home, then call choose.",
        Step.CAR: "Ask what the car is worth, and for accidents of the last five years, then call quote_car.",
        Step.HOME: "Ask for the area of the home in square metres, then call quote_home.",
        Step.QUOTED: PromptTemplate("The quote is $price euros a year. Ask whether that is fine, then call decide."),
        Step.CLOSED: "Say good-bye.",
    }


agent = QuoteAgent()

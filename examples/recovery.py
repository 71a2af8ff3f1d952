"""A journey that recovers from errors: a card that is declined, a bank that does not answer, a tool that is repeated.

- Wrong arguments never reach a tool: the model is told what does not fit.
- A tool that raises, or returns `ToolResult.fail`, changes nothing: the model is told, and the step stays.
- An error that the journey itself is about, the declined card, is a step with a way out; after three there is a person.
- The bank is given `idempotency_key`, so a call that is repeated after a crash charges once.

Talk with it: arf chat examples/recovery.py:agent (a card that ends in 0 is declined, one in 1 finds no bank)
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from agent_runtime_framework import (
    AgentContext,
    BaseJourneyState,
    BaseJourneyTools,
    JourneyAgent,
    PromptTemplate,
    tool,
)

CardNumber = Annotated[str, Meta(description="The number of the card, digits only", pattern=r"^\d{12,19}$")]


class Step(StrEnum):
    PAY = "pay"
    DECLINED = "declined"
    PERSON = "person"
    PAID = "paid"


@dataclass
class State(BaseJourneyState[Step]):
    step: Step = Step.PAY
    attempts: int = 0
    euros: int = 30

    def is_complete(self) -> bool:
        return self.step in {Step.PERSON, Step.PAID}


class Bank:
    """Stands for a service elsewhere; it charges once for each key."""

    def __init__(self) -> None:
        self.charged: dict[str | None, int] = {}

    async def charge(self, card: str, euros: int, key: str | None) -> bool:
        if card.endswith("1"):
            raise ConnectionError("the bank does not answer")
        if not card.endswith("0"):
            self.charged[key] = euros
        return key in self.charged


class Tools(BaseJourneyTools[State]):
    @tool(steps=[Step.PAY, Step.DECLINED], to=[Step.PAID, Step.DECLINED, Step.PERSON], effect="idempotent")
    async def charge(self, card: CardNumber) -> str:
        """Charge the user's card."""
        bank: Bank = self._require_backend()
        self.state.attempts += 1
        if await bank.charge(card, self.state.euros, self.idempotency_key):
            self.state.step = Step.PAID
            return "The card was charged."
        self.state.step = Step.DECLINED if self.state.attempts < 3 else Step.PERSON
        return "The card was declined."


class PaymentAgent(JourneyAgent[State, Tools, Step]):
    key = "payment"
    bank = Bank()
    prompts = {
        Step.PAY: PromptTemplate("The user owes $euros euros. Ask for a card, then call charge. Explain what fails."),
        Step.DECLINED: "The card was declined. Ask for another one, then call charge.",
        Step.PERSON: "Say that a colleague will call, and that nothing was charged.",
        Step.PAID: "Thank the user for the payment.",
    }

    def create_tools(self, state: State, _ctx: AgentContext) -> Tools:
        return Tools(state, backend_client=self.bank)


agent = PaymentAgent()

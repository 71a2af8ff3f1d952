"""A linear journey: one step after another, each with its prompt and its tool.

Talk with it: arf chat examples/onboarding.py:agent
"""

from dataclasses import dataclass
from enum import StrEnum

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, PromptTemplate, tool


class Step(StrEnum):
    NAME = "name"
    EMAIL = "email"
    COMPLETE = "complete"


@dataclass
class State(BaseJourneyState[Step]):
    step: Step = Step.NAME
    name: str = ""
    email: str = ""

    def is_complete(self) -> bool:
        return self.step == Step.COMPLETE


class Tools(BaseJourneyTools[State]):
    @tool(steps=Step.NAME, to=Step.EMAIL, effect="idempotent")
    async def save_name(self, name: str) -> str:
        """Save the user's name."""
        self.state.name = name
        self.state.step = Step.EMAIL
        return f"Nice to meet you, {name}."

    @tool(steps=Step.EMAIL, to=Step.COMPLETE, effect="idempotent")
    async def save_email(self, email: str) -> str:
        """Save the user's email address."""
        self.state.email = email
        self.state.step = Step.COMPLETE
        return f"{self.state.name} is signed up with {email}."


class OnboardingAgent(JourneyAgent[State, Tools, Step]):
    key = "onboarding"
    prompts = {
        Step.NAME: "Welcome the user and ask for a name. When you know it, call save_name.",
        Step.EMAIL: PromptTemplate("Ask $name for an email address. When you know it, call save_email."),
        Step.COMPLETE: PromptTemplate("Thank $name for signing up."),
    }


agent = OnboardingAgent()

"""The agent of `arf demo`: it signs a person up, written as anybody writes an agent.

welcome -> name -> email -> plan -> complete; with the pro plan, plan -> trial -> complete.  An address that cannot be
right leads from email to email_again, until there is one that can.
"""

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ... import (
    AgentContext,
    BaseJourneyState,
    BaseJourneyTools,
    JourneyAgent,
    ToolSchema,
    ToolSchemaBuilder,
    get_llm_client,
)
from .offline import OfflineModel


class Step(StrEnum):
    """Where a person is in the journey."""

    WELCOME = "welcome"
    NAME = "name"
    EMAIL = "email"
    EMAIL_AGAIN = "email_again"
    PLAN = "plan"
    TRIAL = "trial"
    COMPLETE = "complete"


class Plan(StrEnum):
    """What a person can choose."""

    FREE = "free"
    PRO = "pro"


@dataclass
class OnboardingState(BaseJourneyState[Step]):
    """Is what is known of a person so far."""

    step: Step = Step.WELCOME
    name: str = ""
    email: str = ""
    email_problem: str = ""
    plan: Plan | None = None

    def is_complete(self) -> bool:
        """Say whether the person is signed up."""
        return self.step == Step.COMPLETE


INTRODUCTION = (
    "You sign up a new user for an online service. Be brief and friendly. When a tool was called, pass on what it "
    "returned. When the user has already given what a tool needs, call it straight away instead of asking.\n"
)

PROMPTS = {
    Step.WELCOME: "Call `begin` straight away, whatever the user said.",
    Step.NAME: "Ask for the user's name. When you know it, call `save_name`.",
    Step.EMAIL: (
        "The user's name is {name}. Ask for the user's email address. When the user gives one, call `save_email` with "
        "exactly what was typed, even if it looks wrong: the tool checks it."
    ),
    Step.EMAIL_AGAIN: (
        "The user's name is {name}. The email address that was given is refused: {email_problem}. Say so. "
        "Ask for a complete email address. When the user gives one, call `save_email` with exactly what was typed."
    ),
    Step.PLAN: (
        "The user's name is {name}. Ask which plan they want: free, or pro with a trial of 14 days. "
        "When the user has chosen, call `choose_plan`."
    ),
    Step.TRIAL: "The user chose the pro plan. Call `start_trial` straight away, without another question.",
    Step.COMPLETE: (
        "{name} is signed up with {email} for the {plan} plan. Thank the user for signing up. "
        "Tell the user that they are all set. Answer later questions in a sentence or two."
    ),
}

SAVE_EMAIL = (
    ToolSchemaBuilder("save_email")
    .description("Check and save the user's email address")
    .param("email", "string", "The user's email address, exactly as typed", required=True)
    .effect("idempotent")
    .build()
)

TOOLS = {
    Step.WELCOME: [ToolSchemaBuilder("begin").description("Begin the sign-up").effect("idempotent").build()],
    Step.NAME: [
        ToolSchemaBuilder("save_name")
        .description("Save the user's name")
        .param("name", "string", "The user's name", required=True)
        .effect("idempotent")
        .build()
    ],
    Step.EMAIL: [SAVE_EMAIL],
    Step.EMAIL_AGAIN: [SAVE_EMAIL],
    Step.PLAN: [
        ToolSchemaBuilder("choose_plan")
        .description("Choose the user's plan")
        .param("plan", "string", "The user's plan", required=True, enum=Plan)
        .effect("idempotent")
        .build()
    ],
    Step.TRIAL: [
        ToolSchemaBuilder("start_trial").description("Start the trial of the pro plan").effect("idempotent").build()
    ],
}


class OnboardingTools(BaseJourneyTools[OnboardingState]):
    """Does what the model asks for: each method is a tool, and changes the state."""

    async def begin(self) -> str:
        """Go from the welcome to the first question."""
        self.state.step = Step.NAME
        return "Welcome! Signing up takes a name, an email address and a plan."

    async def save_name(self, name: str) -> str:
        """Keep the name."""
        self.state.name = name
        self.state.step = Step.EMAIL
        return f"Nice to meet you, {name}."

    async def save_email(self, email: str) -> str:
        """Keep the address if it can be one, else ask again."""
        self.state.email_problem = email_problem(email)
        if self.state.email_problem:
            self.state.step = Step.EMAIL_AGAIN
            return f"'{email}' is no email address: {self.state.email_problem}."
        self.state.email = email
        self.state.step = Step.PLAN
        return f"Your address {email} is saved."

    async def choose_plan(self, plan: str) -> str:
        """Keep the plan, and branch on it."""
        self.state.plan = Plan(plan)
        self.state.step = Step.TRIAL if self.state.plan == Plan.PRO else Step.COMPLETE
        return f"The {plan} plan it is."

    async def start_trial(self) -> str:
        """Start the trial; a real service would be given `self.idempotency_key`, so that it starts only one."""
        self.state.step = Step.COMPLETE
        return "Your trial of 14 days has begun."


def email_problem(email: str) -> str:
    """Return what is wrong with an email address, or an empty text."""
    name, at, domain = email.partition("@")
    if not at:
        return "it has no @"
    if re.search(r"\s", email):
        return "it has a space in it"
    if not name:
        return "nothing stands before the @"
    if not re.fullmatch(r"[^@.]+(\.[^@.]+)+", domain):
        return "what follows the @ is not like example.org"
    return ""


class OnboardingAgent(JourneyAgent[OnboardingState, OnboardingTools, Step]):
    """Leads a person from welcome to complete, by a name, an email address and a plan.

    >>> import asyncio
    >>> from agent_runtime_framework import AgentContext
    >>> from agent_runtime_framework.testing import OnboardingAgent, ScriptedLLM, calls
    >>> agent = OnboardingAgent(ScriptedLLM(calls(("begin", {})), "What is your name?"))
    >>> asyncio.run(agent.run(AgentContext("run-1", "c-1", [{"role": "user", "content": "hi"}]))).state["step"]
    'name'
    """

    key = "onboarding"

    def get_initial_state(self) -> OnboardingState:
        """Begin at the welcome."""
        return OnboardingState()

    def get_system_prompt(self, state: OnboardingState) -> str:
        """Return the introduction and the prompt of the step."""
        return INTRODUCTION + PROMPTS[state.step].format(**state.to_dict())

    def get_tool_schemas(self, state: OnboardingState) -> list[ToolSchema]:
        """Return the tools of the step; at the end there are none."""
        return TOOLS.get(state.step, [])

    def create_tools(self, state: OnboardingState, _ctx: AgentContext) -> OnboardingTools:
        """Return the tools over this state."""
        return OnboardingTools(state)

    async def execute_tool(self, tools: OnboardingTools, name: str, arguments: dict[str, Any]) -> str:
        """Call the method of the tool's name."""
        result: str = await getattr(tools, name)(**arguments)
        return result


def make_agent() -> OnboardingAgent:
    """Return the agent with a provider's model if the environment names one, else with the offline model."""
    provider = os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL")
    return OnboardingAgent(get_llm_client() if provider else OfflineModel())

"""What somebody changed of the agent that signs people up: each change, where it shows, and how it is named."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, tool
from support.signup import PROMPTS, Plan, SignUp, SignUpAgent, SignUpTools, Step, today, with_state


class Renamed(SignUpTools):
    @tool(steps=Step.NAME, effect="idempotent")
    async def keep_name(self, name: str) -> str:
        """Save the name.

        Args:
            name: The whole name.
        """
        return name

    save_name = None  # type: ignore[assignment]


class Removed(SignUpTools):
    look = None  # type: ignore[assignment]


class Added(SignUpTools):
    @tool
    async def help(self) -> str:
        """Help."""
        return "No."


class Tighter(SignUpTools):
    @tool(steps=Step.PLAN)
    async def choose_plan(self, plan: Plan, seats: int) -> str:  # type: ignore[override]
        """Choose the plan."""
        return f"{seats} seats of {plan}."


class Swapped(SignUpTools):
    @tool(steps=Step.PLAN, effect="idempotent")
    async def save_email(self, email: str) -> str:
        """Save the email address."""
        return f"Saved {email}."

    @tool(steps=Step.EMAIL)
    async def choose_plan(self, plan: str, seats: int) -> str:
        """Choose the plan."""
        return f"{seats} seats of {plan}."


class Once(SignUpTools):
    @tool(steps=Step.EMAIL, effect="once")
    async def save_email(self, email: str) -> str:
        """Save the email address."""
        return f"Saved {email}."


class Described(SignUpTools):
    @tool(steps=Step.EMAIL, effect="idempotent")
    async def save_email(self, email: str) -> str:
        """Keep the email address."""
        return f"Saved {email}."


class Explained(SignUpTools):
    @tool(steps=Step.NAME, effect="idempotent")
    async def save_name(self, name: str) -> str:
        """Save the name.

        Args:
            name: The first name.
        """
        return f"Nice to meet you, {name}."


class SeatsFirst(SignUpTools):
    @tool(steps=Step.PLAN)
    async def choose_plan(self, seats: int, plan: str) -> str:  # type: ignore[override]
        """Choose the plan."""
        return f"{seats} seats of {plan}."


class LookFirst(BaseJourneyTools[SignUp]):
    look = SignUpTools.look
    save_name = SignUpTools.save_name
    save_email = SignUpTools.save_email
    choose_plan = SignUpTools.choose_plan


@dataclass
class WithoutPlan(BaseJourneyState[Step]):
    step: Step = Step.NAME
    name: str = ""
    email: str = ""
    seats: int = 0

    def is_complete(self) -> bool:
        return self.step == Step.DONE


@dataclass
class WithVip(SignUp):
    vip: bool = False


@dataclass
class FreeAtFirst(SignUp):
    plan: str = "free"


class Mail(StrEnum):
    NAME = "name"
    MAIL = "mail"
    PLAN = "plan"
    DONE = "done"


@dataclass
class WithMail(BaseJourneyState[Mail]):
    step: Mail = Mail.NAME
    name: str = ""
    email: str = ""
    plan: str = "none"
    seats: int = 0

    def is_complete(self) -> bool:
        return self.step == Mail.DONE


@dataclass
class StepByFields(SignUp):
    def get_step(self) -> Step:
        if not self.email:
            return Step.EMAIL if self.name else Step.NAME
        return Step.DONE if self.plan != "none" else Step.EMAIL


def raising(at: Step) -> SignUpAgent:
    def get_system_prompt(self: SignUpAgent, state: SignUp) -> str:
        if state.step == at:
            raise KeyError("prices")
        return PROMPTS[state.step]

    return today(get_system_prompt=get_system_prompt)


WORD = {**PROMPTS, Step.EMAIL: "Ask for the e-mail address."}

PLANTED: dict[str, tuple[JourneyAgent[Any, Any, Any], tuple[str, str, int], str]] = {
    "a word of a prompt": (
        today(prompts=WORD),
        ("prompt", "email", 16),
        "prompt in step email: -Ask for the email address. +Ask for the e-mail address.",
    ),
    "a renamed tool": (today(tools=Renamed), ("tools", "name", 4), "save_name: renamed to keep_name"),
    "a tool removed": (today(tools=Removed), ("tools", "name", 4), "look: not offered any more"),
    "a tool added": (today(tools=Added), ("tools", "name", 4), "help: newly offered"),
    "a tool described otherwise": (
        today(tools=Described),
        ("tools", "email", 16),
        'save_email: description: "Save the email address." -> "Keep the email address."',
    ),
    "an argument explained otherwise": (
        today(tools=Explained),
        ("tools", "name", 4),
        'save_name: parameters.properties.name.description: "The whole name." -> "The first name."',
    ),
    "a tighter argument": (
        today(tools=Tighter),
        ("tools", "plan", 30),
        'choose_plan: parameters.properties.plan.enum: none -> ["free","pro"]',
    ),
    "tools at other steps": (today(tools=Swapped), ("tools", "email", 16), "save_email: not offered any more"),
    "another effect class": (
        today(tools=Once),
        ("tools", "email", 16),
        'save_email: effect: "idempotent" -> "once"',
    ),
    "arguments in another order": (
        today(tools=SeatsFirst),
        ("tools", "plan", 30),
        'choose_plan: parameters.required: ["plan","seats"] -> ["seats","plan"]',
    ),
    "tools in another order": (
        today(tools=LookFirst),
        ("tools", "name", 4),
        "order: save_name, look -> look, save_name",
    ),
    "a temperature": (
        today(config={"model_parameters": {"temperature": 0.7}}),
        ("parameters", "name", 4),
        '{"temperature":0.5} -> {"temperature":0.7}',
    ),
    "a shorter history": (
        today(config={"history_turns": 1}),
        ("window", "name", 10),
        "all turns -> the last 2 turns",
    ),
    "fewer rounds": (
        today(config={"max_tool_iterations": 1}),
        ("outcome", "", 16),
        "outcome: goes on: the model is asked again -> completed (max_iterations)",
    ),
    "a terminal tool": (
        today(config={"terminal_tools": {"save_name"}}),
        ("outcome", "", 16),
        "outcome: goes on: the model is asked again -> completed (terminal_tool:save_name)",
    ),
    "other closing phrases": (
        today(config={"closing_phrases": ["ciao"]}),
        ("outcome", "", 51),
        "outcome: completed (closing) -> goes on: the model is asked; the next turn is taken up as it was recorded",
    ),
    "code that raises": (
        raising(Step.PLAN),
        ("outcome", "", 30),
        "outcome: goes on: the model is asked again -> failed (author_error): KeyError: 'prices'",
    ),
    "a dropped field": (with_state(WithoutPlan), ("state", "plan", 1), 'state.plan: "none" -> not set'),
    "an added field": (with_state(WithVip), ("state", "vip", 1), "state.vip: not set -> false"),
    "another default": (with_state(FreeAtFirst), ("state", "plan", 1), 'state.plan: "none" -> "free"'),
    "a renamed value of a step": (
        with_state(WithMail),
        ("outcome", "", 16),
        "failed (author_error): InvalidInput: state field 'step' does not fit its annotation: 'email' is not a valid",
    ),
    "a step computed otherwise": (with_state(StepByFields), ("step", "", 27), "step: plan -> email"),
}

"""An agent that signs people up, a recorded talk with it, and what today's version of it may do otherwise."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, JourneyConfig, Replayed, tool
from agent_runtime_framework import replay as replayed
from agent_runtime_framework.events import ConversationId, NoReply, Stored
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.replay import Tools
from agent_runtime_framework.runtime.substrate import in_memory
from agent_runtime_framework.testing import Say, ScriptedLLM, calls, simulate
from support.journeys import frames, working

CHAT = ConversationId("c-1")
Plan = Literal["free", "pro"]


class Step(StrEnum):
    NAME = "name"
    EMAIL = "email"
    PLAN = "plan"
    DONE = "done"


@dataclass
class SignUp(BaseJourneyState[Step]):
    step: Step = Step.NAME
    name: str = ""
    email: str = ""
    plan: str = "none"
    seats: int = 0

    def is_complete(self) -> bool:
        return self.step == Step.DONE


class SignUpTools(BaseJourneyTools[SignUp]):
    @tool(steps=Step.NAME, effect="idempotent")
    async def save_name(self, name: str) -> str:
        """Save the name.

        Args:
            name: The whole name.
        """
        self.state.name, self.state.step = name, Step.EMAIL
        return f"Nice to meet you, {name}."

    @tool(steps=Step.EMAIL, effect="idempotent")
    async def save_email(self, email: str) -> str:
        """Save the email address."""
        self.state.email, self.state.step = email, Step.PLAN
        return f"Saved {email}."

    @tool(steps=Step.PLAN)
    async def choose_plan(self, plan: str, seats: int) -> str:
        """Choose the plan."""
        self.state.plan, self.state.seats, self.state.step = plan, seats, Step.DONE
        return f"{seats} seats of {plan}."

    @tool(effect="read")
    async def look(self) -> str:
        """Look at what is known."""
        return f"{self.state.name} {self.state.email}".strip()


PROMPTS: dict[Any, str] = {
    Step.NAME: "Ask for the name.",
    Step.EMAIL: "Ask for the email address.",
    Step.PLAN: "Ask for the plan and how many seats.",
    Step.DONE: "Say good-bye.",
}
CONFIG = JourneyConfig(closing_phrases=["bye"], history_turns=2, model_parameters={"temperature": 0.5})


class SignUpAgent(JourneyAgent[SignUp, SignUpTools, Step]):
    key = "signup"
    prompts = PROMPTS

    def __init__(self, config: JourneyConfig = CONFIG) -> None:
        super().__init__(config=config)


TALK: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("hi", ("What is your name?",)),
    ("I am Ada", (calls(("save_name", {"name": "Ada"})), "And your email address?")),
    ("ada@example.com", (calls(("save_email", {"email": "ada@example.com"}), ("look", {})), "Which plan?")),
    (
        "gold for two",
        (
            calls(("choose_plan", {"plan": "gold", "seats": "two"})),
            calls(("choose_plan", {"plan": "gold", "seats": 2})),
            "All set.",
        ),
    ),
    ("bye", ()),
    ("really, what do you know of me?", (calls(("look", {})), "All that you said.")),
)


def recorded(
    agent: JourneyAgent[Any, Any, Any] | None = None, talk: Iterable[tuple[str, Sequence[Any]]] = TALK
) -> list[Stored]:
    """Return the log of a talk with an agent at work, whose model answers as the talk has it."""
    said = list(talk)
    answers = iter([answer for _, given in said for answer in given])
    script = [Say(CHAT, text, at=float(number)) for number, (text, _) in enumerate(said)]
    run = simulate(agent or SignUpAgent(), script, faults=(), model=lambda *_: next(answers))
    return list(run.logs[CHAT])


async def recorded_at_work(
    agent: JourneyAgent[Any, Any, Any], talk: Iterable[tuple[str, Sequence[Any]]] = TALK
) -> list[Stored]:
    """Return the log of a talk with an agent in a runtime, whatever becomes of its turns."""
    substrate = in_memory(SystemClock())
    async with working(agent, substrate=substrate) as runtime:
        for text, answers in talk:
            agent.llm_client = ScriptedLLM(*answers)
            with contextlib.suppress(NoReply):
                await runtime.send(agent.key, CHAT, text)
    agent.llm_client = None
    return await frames(substrate, CHAT)


def today(*, tools: type[Any] | None = None, config: dict[str, Any] | None = None, **written: Any) -> SignUpAgent:
    """Return the agent as it is today: with what is written otherwise."""
    given = written if tools is None else {**written, "tools_class": tools}
    kept = {name: getattr(CONFIG, name) for name in ("closing_phrases", "history_turns", "model_parameters")}
    made: SignUpAgent = type("Today", (SignUpAgent,), given)(JourneyConfig(**{**kept, **(config or {})}))
    return made


def with_state(state: type[Any], **written: Any) -> SignUpAgent:
    """Return the agent whose state is of this class today."""
    return today(get_initial_state=lambda self: state(), **written)


async def again(
    agent: JourneyAgent[Any, Any, Any], log: Sequence[Stored], *ignore: Any, tools: Tools = "log"
) -> Replayed:
    """Decide a log again with an agent."""
    return await replayed(log, agent, ignore=ignore, tools=tools)

"""Random agents: steps, tools of every effect class that change the state in every way, and every mailbox policy."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Any, Literal, get_args

from msgspec import Struct

from ....actors import Mailbox
from ....actors.journey import (
    AgentContext,
    BaseJourneyState,
    BaseJourneyTools,
    IntentRouter,
    RouteDefinition,
    ToolResult,
    ToolSchema,
    ToolSchemaBuilder,
)
from ....events import Effect as EffectClass
from ...agents import JourneyAgent, JourneyConfig

Does = Literal["notes", "counts", "keeps", "moves", "looks", "declines", "raises", "spoils", "waits"]

Loads = Literal["nothing", "a state", "late", "an error"]
"""What `load_state` gives."""

WAIT = 0.05
"""Seconds that a tool waits that waits."""


class Step(StrEnum):
    """Where a random journey can be."""

    FIRST = "first"
    SECOND = "second"
    THIRD = "third"
    LAST = "last"


class ToolPlan(Struct, frozen=True):
    """Is what one tool of a random agent does: in which steps it is offered, its declared class, where it moves to."""

    name: str
    does: Does
    effect: EffectClass | None
    steps: tuple[Step, ...]
    to: Step


@dataclass
class Walk(BaseJourneyState[Step]):
    """Is the state of a random journey."""

    step: Step = Step.FIRST
    notes: list[str] = field(default_factory=list)
    count: int = 0
    kept: dict[str, Any] = field(default_factory=dict)

    def is_complete(self) -> bool:
        """Say whether the journey is in its last step."""
        return self.step == Step.LAST


class WalkTools(BaseJourneyTools[Walk]):
    """Are the tools of a random journey; what each does is said by its plan."""


class RandomAgent(JourneyAgent[Walk, WalkTools, Step]):
    """Is an agent whose tools do what they are planned to."""

    key = ""

    def __init__(self, key: str, plans: tuple[ToolPlan, ...], config: JourneyConfig) -> None:
        super().__init__(config=config)
        self.key = key
        self.plans = {plan.name: plan for plan in plans}
        self.loads: Loads = "nothing"
        self._offers = [(plan, _schema(plan)) for plan in plans]

    def get_initial_state(self) -> Walk:
        """Return an empty state."""
        return Walk()

    async def load_state(self, ctx: AgentContext) -> Walk | None:
        """Return what is planned; an error only for every other conversation."""
        if self.loads == "late":
            await asyncio.sleep(WAIT)
        if self.loads == "an error" and str(ctx.conversation_id).endswith(("1", "3")):
            raise RuntimeError("nothing can be loaded")
        return Walk(notes=["loaded"]) if self.loads == "a state" else None

    async def save_state(self, ctx: AgentContext, state: Walk) -> None:
        """Fail where loading does; nobody is to mind."""
        if self.loads == "an error":
            raise RuntimeError(f"{state.step} of {ctx.conversation_id} cannot be saved")
        await asyncio.sleep(WAIT)

    def get_system_prompt(self, state: Walk) -> str:
        """Return a prompt that depends on the state."""
        return f"You are {self.key} in {state.step.value}, with {len(state.notes)} notes."

    def get_tool_schemas(self, state: Walk) -> list[ToolSchema]:
        """Return the tools of the step, and those of the router."""
        routes = self.router.get_tool_schemas() if self.router is not None else []
        return [*(schema for plan, schema in self._offers if state.step in plan.steps), *routes]

    def create_tools(self, state: Walk, ctx: AgentContext) -> WalkTools:  # noqa: ARG002  the contract's signature
        """Return the tools over a state."""
        return WalkTools(state=state)

    async def execute_tool(self, tools: WalkTools, name: str, arguments: dict[str, Any]) -> Any:
        """Do what is planned."""
        return await _do(self.plans[name], tools, arguments)


class PlainAgent(RandomAgent):
    """Is one whose tools are plain functions."""

    def execute_tool(  # type: ignore[override]  # a tool may be `def`
        self, tools: WalkTools, name: str, arguments: dict[str, Any]
    ) -> Any | Awaitable[Any]:
        """Do what is planned."""
        return _done(self.plans[name], tools, arguments)


def _schema(plan: ToolPlan) -> ToolSchema:
    builder = ToolSchemaBuilder(plan.name).description(f"It {plan.does}.")
    builder = builder.param("ticket", "string", "Leave it empty", required=True).param("text", "string", "Anything")
    return (builder if plan.effect is None else builder.effect(plan.effect)).build()


async def _do(plan: ToolPlan, tools: WalkTools, arguments: dict[str, Any]) -> Any:
    if plan.does == "waits":
        await asyncio.sleep(WAIT)
    await tools._notify_state_change()  # noqa: SLF001  authors call it
    return _done(plan, tools, arguments)


def _done(plan: ToolPlan, tools: WalkTools, arguments: dict[str, Any]) -> Any:
    state, text = tools.state, str(arguments.get("text") or "nothing")
    match plan.does:
        case "notes" | "waits":
            state.notes.append(text)
        case "counts":
            tools.state = Walk(state.step, state.notes, state.count + 1, state.kept)
        case "keeps":
            state.kept.setdefault("texts", {})[text] = state.count
        case "moves":
            state.step = plan.to
        case "declines":
            state.notes.append("never")
            return ToolResult.fail("not now")
        case "raises":
            state.count += 100
            raise ValueError("it raises")
        case "spoils":
            state.kept["bad"] = object()
        case "looks":
            pass
    return f"{plan.name}: {len(state.notes)} notes, {state.count} counted."


def random_journey(seed: int) -> JourneyAgent[Any, Any, Any]:
    """Return an agent of 2 to 4 steps, with tools of any kind; some of them route to two others.

    >>> random_journey(7).key
    'walker'
    """
    random = Random(f"{seed} journey")
    agent = _agent("walker", random)
    if random.random() < 0.15:
        routes = [RouteDefinition(step, f"to_{step.value}", f"Go to {step.value}") for step in (Step.FIRST, Step.LAST)]
        agent.router = IntentRouter[Step]().add_routes(routes)
        agent.journeys = MappingProxyType(
            {step: _agent(f"to-{step.value}", random) for step in (Step.FIRST, Step.LAST)}
        )
    return agent


def random_journeys(seed: int) -> list[JourneyAgent[Any, Any, Any]]:
    """Return `random_journey(seed)`, and sometimes another agent beside it."""
    random = Random(f"{seed} journeys")
    return [random_journey(seed), *([_agent("runner", random)] if random.random() < 0.2 else [])]


def _agent(key: str, random: Random) -> RandomAgent:
    steps = list(Step)[: random.randint(2, 4)]
    plans = tuple(_plan(f"tool_{number}", steps, random) for number in range(random.randint(2, 5)))
    config = JourneyConfig(
        max_tool_iterations=random.choice((2, 4, 10)),
        terminal_tools={random.choice(plans).name} if random.random() < 0.3 else set(),
        tool_timeout=4,
        model_timeout=4,
        mailbox=random.choice(get_args(Mailbox)),
        history_turns=random.choice((None, None, 0, 2)),
    )
    agent = random.choice((RandomAgent, RandomAgent, PlainAgent))(key, plans, config)
    agent.loads = random.choice(("nothing", "nothing", *get_args(Loads)))
    return agent


def _plan(name: str, steps: list[Step], random: Random) -> ToolPlan:
    does: Does = random.choice((*get_args(Does), "notes", "counts", "moves"))
    effect: EffectClass | None = random.choice((None, "once", "idempotent", "read"))
    offered = tuple(step for step in steps if random.random() < 0.7) or (steps[0],)
    return ToolPlan(name, does, effect, offered, random.choice(steps))

"""Tools whose effect class nobody declared are found, in every step and every journey, before anything is said."""

from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent_runtime_framework import (
    AgentContext,
    BaseJourneyTools,
    IntentRouter,
    JourneyAgent,
    RouteDefinition,
    ToolSchema,
    ToolSchemaBuilder,
    tool,
)
from agent_runtime_framework.actors.journey import undeclared_tools
from agent_runtime_framework.runtime.cli.console.options import Options
from agent_runtime_framework.runtime.cli.running.new import make_new
from agent_runtime_framework.runtime.loading import load_agents
from agent_runtime_framework.testing import OnboardingAgent

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


class Step(StrEnum):
    """Where the journey is."""

    ASK = "ask"
    PAY = "pay"
    DONE = "done"


class State(msgspec.Struct):
    """Has a step."""

    step: Step = Step.ASK


class Tools(BaseJourneyTools[State]):
    """Some of them declare their effect."""

    @tool(effect="read", steps=Step.ASK)
    async def look(self) -> str:
        """Look."""
        return ""

    @tool(steps=[Step.PAY, Step.DONE])
    async def charge(self) -> str:
        """Charge."""
        return ""

    @tool(effect="once", steps=Step.PAY)
    async def mail(self) -> str:
        """Mail."""
        return ""

    @tool
    async def note(self) -> str:
        """Note."""
        return ""


class Shop(JourneyAgent[State, Tools, Step]):
    """Declares its tools."""

    key = "shop"
    prompts = dict.fromkeys(Step, "Sell.")


class ByHand(Shop):
    """Makes the schemas of its tools by hand, a list a step."""

    key = "by-hand"

    def get_tool_schemas(self, state: State) -> list[ToolSchema]:
        if state.step == Step.ASK:
            return [ToolSchemaBuilder("look").effect("read").build(), ToolSchemaBuilder("ask").build()]
        return [ToolSchemaBuilder("pay").build()] if state.step == Step.PAY else []


def test_each_step_is_looked_at_and_each_tool_is_named_once() -> None:
    assert undeclared_tools(Shop()) == ["note", "charge"]
    assert undeclared_tools(ByHand()) == ["ask", "pay"]


def test_the_journeys_of_a_router_are_looked_at_too_and_routing_tools_are_declared() -> None:
    router = IntentRouter[str]().add_route(RouteDefinition("pay", "start_pay", "Pay"))

    class Desk(Shop):
        key = "desk"

        def get_tool_schemas(self, state: State) -> list[ToolSchema]:
            return list(router.get_tool_schemas())

    Desk.router, Desk.journeys = router, {"pay": ByHand()}
    assert undeclared_tools(Desk()) == ["ask", "pay"]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyError("x")])
def test_code_that_raises_costs_only_what_is_known_by_it(error: BaseException) -> None:
    class Raising(ByHand):
        def get_tool_schemas(self, state: State) -> list[ToolSchema]:
            if state.step == Step.PAY:
                raise error
            return super().get_tool_schemas(state)

    assert undeclared_tools(Raising()) == ["ask", "charge", "note"]

    class Stateless(Shop):
        def get_initial_state(self) -> State:
            raise error

    assert undeclared_tools(Stateless()) == ["charge", "note"]


def test_nothing_that_needs_a_conversation_is_called() -> None:
    class Careful(Shop):
        def create_tools(self, state: State, ctx: AgentContext) -> Any:
            raise AssertionError

        def load_state(self, ctx: AgentContext) -> Any:
            raise AssertionError

    assert undeclared_tools(Careful()) == ["note", "charge"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_all_tools_of_the_examples_are_declared(example: Path) -> None:
    (agent,) = load_agents([f"{example}:agent"])
    assert undeclared_tools(agent) == []


def test_all_tools_of_the_demo_and_of_a_new_agent_are_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_new(Options(), "fresh")
    (agent,) = load_agents([f"{tmp_path / 'fresh' / 'agent.py'}:agent"])

    assert undeclared_tools(agent) == undeclared_tools(OnboardingAgent()) == []

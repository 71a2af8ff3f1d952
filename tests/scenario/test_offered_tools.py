"""What is offered in each step: the same in each turn, made once for a step, and anew once it changes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import pytest

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, ToolSchema, ToolSchemaBuilder
from agent_runtime_framework.actors.journey import DeclaredTool, tool
from agent_runtime_framework.runtime.agents.authored import AuthoredJourney
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import working


class Step(StrEnum):
    SHOP = "shop"
    DONE = "done"


@dataclass
class Cart(BaseJourneyState[Step]):
    step: Step = Step.SHOP

    def is_complete(self) -> bool:
        return False


class CartTools(BaseJourneyTools[Cart]):
    @tool(steps=Step.SHOP, effect="idempotent")
    async def pay(self) -> str:
        """Pay."""
        self.state.step = Step.DONE
        return "Paid."

    @tool(effect="read")
    async def look(self) -> str:
        """Look."""
        return "empty"


class OtherTools(BaseJourneyTools[Cart]):
    @tool(effect="read")
    async def other(self) -> str:
        """Do something else."""
        return "other"


class CartAgent(JourneyAgent[Cart, CartTools, Step]):
    key = "cart"
    prompts: ClassVar = {Step.SHOP: "Sell.", Step.DONE: "Say good-bye."}


class WritingThemAnew(CartAgent):
    """Offers what is declared, and says so itself."""

    def get_tool_schemas(self, state: Cart) -> list[ToolSchema]:
        return super().get_tool_schemas(state)


class Mixin(AuthoredJourney[Cart, CartTools, Step]):
    turn: ClassVar = 1

    def get_tool_schemas(self, state: Cart) -> list[ToolSchema]:
        return [ToolSchemaBuilder(f"in-turn-{Mixin.turn}").build()]


class MixedAgent(CartAgent, Mixin):
    """Has its schemas from a class that comes after the framework's own."""


def names(llm: ScriptedLLM) -> list[list[str]]:
    return [[made["function"]["name"] for made in request.tools or []] for request in llm.requests]


async def test_what_is_declared_is_offered_alike_in_each_turn_and_made_once_for_a_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    schema = vars(DeclaredTool)["schema"]

    def counted(declared: DeclaredTool) -> ToolSchema:
        made.append(declared.method)
        one: ToolSchema = schema.fget(declared)
        return one

    monkeypatch.setattr(DeclaredTool, "schema", property(counted))
    asked: list[list[Any]] = []
    for agent in (CartAgent, WritingThemAnew):
        with ScriptedLLM("What?", calls(("pay", {})), "Bye.", "Bye.") as llm:
            async with working(agent(llm)) as rt:
                made.clear()
                for text in ("hi", "pay", "so?"):
                    await rt.send("cart", "c-1", text)
        asked.append([(request.messages, request.tools) for request in llm.requests])
        if agent is CartAgent:
            assert made == ["pay", "look", "look"]
            assert names(llm) == [["pay", "look"], ["pay", "look"], ["look"], ["look"]]

    assert asked[0] == asked[1]


async def test_tools_of_another_class_are_offered_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedLLM("What?", "What?") as llm:
        async with working(CartAgent(llm)) as rt:
            await rt.send("cart", "c-1", "hi")
            monkeypatch.setattr(CartAgent, "tools_class", OtherTools)
            await rt.send("cart", "c-1", "hi again")

    assert names(llm) == [["pay", "look"], ["other"]]


async def test_what_a_class_beside_the_framework_s_offers_is_asked_for_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedLLM("What?", "What?") as llm:
        async with working(MixedAgent(llm)) as rt:
            await rt.send("cart", "c-1", "hi")
            monkeypatch.setattr(Mixin, "turn", 2)
            await rt.send("cart", "c-1", "hi again")

    assert names(llm) == [["in-turn-1"], ["in-turn-2"]]

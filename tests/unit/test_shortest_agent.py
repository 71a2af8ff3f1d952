"""The shortest agent: what follows from its state, steps, prompts and tools, and what it cannot do without."""

import types
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from agent_runtime_framework import AgentContext, BaseJourneyState, BaseJourneyTools, JourneyAgent, ToolSchema
from agent_runtime_framework.actors.journey import Prompt, PromptTemplate, StepPromptMapping, tool
from agent_runtime_framework.events import InvalidInput

S = TypeVar("S")


class Step(StrEnum):
    SHOP = "shop"
    PAY = "pay"


class Shop(BaseJourneyTools[Any]):
    @tool
    async def add(self, name: str) -> str:
        return name

    @tool(steps=[Step.SHOP, Step.PAY])
    def look(self) -> str:
        return "empty"

    @tool(steps=Step.PAY, name="pay-now")
    async def pay(self) -> str:
        return "paid"


def _many(self: Any, *names: str) -> None: ...


@dataclass
class State(BaseJourneyState[Step]):
    step: Step = Step.SHOP
    name: str = "Ada"

    def is_complete(self) -> bool:
        return False


PROMPTS: dict[Step, Prompt] = {Step.SHOP: "Sell $name.", Step.PAY: PromptTemplate("Let $name pay at $step.")}


class ShopAgent(JourneyAgent[State, Shop, Step]):
    key = "shop"
    prompts = PROMPTS


def test_the_shortest_agent_has_a_state_prompts_and_tools() -> None:
    agent = ShopAgent()
    state = agent.get_initial_state()

    assert state == State()
    assert agent.get_system_prompt(state) == "Sell $name."
    assert agent.get_system_prompt(State(Step.PAY)) == "Let Ada pay at pay."
    assert [schema.name for schema in agent.get_tool_schemas(state)] == ["add", "look"]
    assert [schema.name for schema in agent.get_tool_schemas(State(Step.PAY))] == ["add", "look", "pay-now"]
    tools = agent.create_tools(state, AgentContext("r", "c", []))
    assert type(tools) is Shop
    assert tools.state is state


def test_a_step_without_prompt_is_an_error_only_where_no_default_was_given() -> None:
    class Some(ShopAgent):
        prompts: ClassVar = {Step.SHOP: "Sell."}

    class Every(JourneyAgent[State, Shop, Step]):
        key = "every"
        prompts = StepPromptMapping({Step.SHOP: "Sell."}, default="Be kind.")

    assert Every().get_system_prompt(State(Step.PAY)) == "Be kind."
    with pytest.raises(InvalidInput, match="no prompt for step 'pay'"):
        Some().get_system_prompt(State(Step.PAY))


def test_a_mapping_of_the_author_s_own_class_gets_the_state_s_fields_for_any_prompt() -> None:
    class Shouting(StepPromptMapping[Step]):
        def get(self, step: Step, /, **variables: Any) -> str:
            return f"{super().get(step, **variables)} {variables['name'].upper()}!"

    class Own(JourneyAgent[State, Shop, Step]):
        key = "own"
        prompts = Shouting({Step.SHOP: "Sell.", Step.PAY: PromptTemplate("Let $name pay.")})

    assert Own().get_system_prompt(State()) == "Sell. ADA!"
    assert Own().get_system_prompt(State(Step.PAY)) == "Let Ada pay. ADA!"


def test_prompts_go_by_the_text_of_a_step() -> None:
    class ByText(JourneyAgent[State, Shop, Step]):
        key = "by_text"
        prompts: ClassVar = {"shop": "Sell.", "pay": PromptTemplate("Let $name pay.")}

    assert ByText().get_system_prompt(State()) == "Sell."
    assert ByText().get_system_prompt(State(Step.PAY)) == "Let Ada pay."


def test_each_hand_written_method_wins_on_its_own() -> None:
    class Own(ShopAgent):
        def get_tool_schemas(self, state: State) -> list[ToolSchema]:
            return [*super().get_tool_schemas(state), ToolSchema("extra", "By hand")]

        def get_initial_state(self) -> State:
            return State(Step.PAY, "Bo")

    agent = Own()

    assert [schema.name for schema in agent.get_tool_schemas(State())] == ["add", "look", "extra"]
    assert agent.get_system_prompt(agent.get_initial_state()) == "Let Bo pay at pay."


def test_the_classes_are_found_through_a_generic_base_of_the_author_s() -> None:
    class Between(JourneyAgent[S, Shop, Step], Generic[S]):
        key = "between"
        prompts = PROMPTS

    class End(Between[State]): ...

    class Other(End):
        tools_class = type("Corner", (Shop,), {"look": None})

    assert End().get_initial_state() == State()
    assert list(Other().declared_tools) == ["add", "pay-now"]
    with pytest.raises(TypeError, match="Between is still abstract: name the state's class"):
        Between()


@dataclass
class Needy(State):
    name: str = field(kw_only=True)


@pytest.mark.parametrize(
    ("body", "base", "says"),
    [
        ({}, JourneyAgent[State, Shop, Step], "set `prompts` .* or write get_system_prompt$"),
        ({"prompts": PROMPTS}, JourneyAgent, "name the state's class.*get_initial_state; name the tools' class"),
        ({"prompts": PROMPTS}, JourneyAgent[Any, Any, Any], "name the state's class"),
        ({"prompts": PROMPTS}, JourneyAgent[Needy, Shop, Step], "give each field of Needy a default, or write"),
        ({"prompts": PROMPTS}, JourneyAgent[State, BaseJourneyTools[Any], Step], "name the tools' class"),
        (
            {"prompts": PROMPTS, "tools_class": BaseJourneyTools},
            JourneyAgent[State, Any, Step],
            "name the tools' class",
        ),
        ({"prompts": PROMPTS, "tools_class": type("No", (), {})}, JourneyAgent[State, Any, Step], "put @tool on the"),
        ({"prompts": PROMPTS, "tools_class": type("Bad", (), {"f": tool(_many)})}, ShopAgent, "'names' of _many"),
    ],
)
def test_an_agent_that_lacks_something_cannot_be_made(body: dict[str, Any], base: Any, says: str) -> None:
    agent = types.new_class("Half", (base,), exec_body=lambda space: space.update({"key": "half", **body}))
    with pytest.raises(TypeError, match=says):
        agent()


def test_an_agent_without_key_is_abstract_too() -> None:
    with pytest.raises(TypeError, match=r"abstract.*key"):
        type("NoKey", (ShopAgent,), {"key": JourneyAgent.key})()


def test_the_shortest_agent_of_the_readme_has_about_25_lines() -> None:
    blocks = (Path(__file__).parents[2] / "README.md").read_text().split("```")[1::2]
    (code,) = [block for block in blocks if "class Greeter(JourneyAgent" in block]
    lines = [line for line in code.splitlines()[1:] if line.strip() and not line.startswith(("from ", "import "))]

    assert len(lines) <= 27

"""A worker says which tools run as `once` only because nobody declared them."""

import pytest

from agent_runtime_framework import ToolSchema
from agent_runtime_framework.testing import OnboardingAgent, ScriptedLLM
from support.journeys import Order, OrderAgent, Step, working

ONE = 'declared for tool save_name: it runs as "once", never again after a crash; declare .effect(...)'


class One(OrderAgent):
    """Declares not its only tool."""

    key = "one"

    def get_tool_schemas(self, state: Order) -> list[ToolSchema]:
        return [ToolSchema("save_name", "")]


class Two(OrderAgent):
    """Declares none of two tools."""

    key = "two"

    def get_tool_schemas(self, state: Order) -> list[ToolSchema]:
        return [ToolSchema("charge", ""), ToolSchema("mail", "")] if state.step == Step.ORDER else []


async def test_a_worker_says_so_at_its_start_a_line_an_agent(caplog: pytest.LogCaptureFixture) -> None:
    async with working(One(ScriptedLLM()), Two(ScriptedLLM()), OnboardingAgent(ScriptedLLM())):
        one, two = [line for line in caplog.messages if "effect class" in line]

    assert one.startswith("agent one: no effect class ")
    assert ONE in one
    assert two.startswith('agent two: no effect class declared for tools charge, mail: they run as "once", never again')


async def test_it_says_nothing_where_all_are_declared(caplog: pytest.LogCaptureFixture) -> None:
    async with working(OnboardingAgent(ScriptedLLM())):
        assert [line for line in caplog.messages if "effect class" in line] == []

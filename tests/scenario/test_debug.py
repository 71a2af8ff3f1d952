"""Debug and production: what becomes of a tool's exception, on every path."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent_runtime_framework import AgentContext, configure
from agent_runtime_framework.events import ToolFailed, TurnFailed
from agent_runtime_framework.runtime.config import get_config, set_config
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import OrderAgent, OrderTools, order_agent, recorded, types, working

NAMED = calls(("save_name", {"name": "Ada"}))


class Dividing(OrderTools):
    async def save_name(self, name: str) -> str:
        self.state.name = name
        return str(1 / 0)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = replace(get_config())  # configure() changes the object itself
    yield
    set_config(before)


def asking(llm: ScriptedLLM) -> tuple[OrderAgent, AgentContext]:
    return order_agent(llm, tools=Dividing), AgentContext("r-1", "c-1", [{"role": "user", "content": "Ada"}])


async def test_in_debug_a_tools_own_exception_reaches_whoever_runs_the_agent() -> None:
    configure(debug=True)
    agent, ctx = asking(ScriptedLLM(NAMED))

    with pytest.raises(ZeroDivisionError) as raised:
        await agent.run(ctx)
    assert "1 / 0" in str(raised.traceback[-1].statement)


async def test_in_production_the_model_is_told_and_the_run_goes_on() -> None:
    configure(debug=False)
    with ScriptedLLM(NAMED, "Sorry.") as llm:
        agent, ctx = asking(llm)
        assert (await agent.run(ctx)).response == "Sorry."

    assert llm.requests[1].messages[-1]["content"] == "Error executing save_name: division by zero"


async def test_in_production_the_log_gets_the_tools_own_traceback(caplog: pytest.LogCaptureFixture) -> None:
    configure(debug=False)
    agent, ctx = asking(ScriptedLLM(NAMED, "Sorry."))
    await agent.run(ctx)

    (error,) = [one.exc_info[1] for one in caplog.records if one.exc_info]
    assert isinstance(error, ZeroDivisionError)
    assert "return str(1 / 0)" in caplog.text


async def test_swallowing_is_decided_by_its_own_setting_whatever_debug_says() -> None:
    configure(debug=False, swallow_tool_exceptions=False)
    agent, ctx = asking(ScriptedLLM(NAMED))
    with pytest.raises(ZeroDivisionError):
        await agent.run(ctx)

    configure(debug=True, swallow_tool_exceptions=True)
    agent, ctx = asking(ScriptedLLM(NAMED, "Sorry."))
    assert (await agent.run(ctx)).response == "Sorry."


async def test_in_debug_it_reaches_whoever_awaits_the_reply_in_the_workers_process_and_the_log_has_it() -> None:
    configure(debug=True)
    async with working(order_agent(ScriptedLLM(NAMED), tools=Dividing)) as rt:
        with pytest.raises(ZeroDivisionError):
            await rt.send("order", "c-1", "Ada", timeout=10)
        events = [one.event for one in await recorded(rt, "c-1")]

    failed, ended = events[-2:]
    assert isinstance(failed, ToolFailed)
    assert isinstance(ended, TurnFailed)
    assert (failed.content, ended.reason) == ("Error executing save_name: division by zero", "tool_raised")


async def test_after_that_the_conversation_stays_usable() -> None:
    configure(debug=True)
    with ScriptedLLM(NAMED, "Hello.") as llm:
        async with working(order_agent(llm, tools=Dividing)) as rt:
            with pytest.raises(ZeroDivisionError):
                await rt.send("order", "c-1", "Ada", timeout=10)
            assert (await rt.send("order", "c-1", "hi", timeout=10)).text == "Hello."
            assert (await types(rt, "c-1")).count("turn.failed") == 1

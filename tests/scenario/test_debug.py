"""Debug and production: what becomes of a tool's exception, on every path."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from agent_runtime_framework import AgentContext, BaseJourneyTools, Client, JourneyAgent, configure, tool
from agent_runtime_framework.events import ToolFailed, TurnFailed
from agent_runtime_framework.runtime.config import get_config, set_config
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import Order, OrderAgent, OrderTools, Step, order_agent, recorded, types, working
from support.paths import Take, both_paths

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


async def test_it_reaches_a_client_of_that_process_too_whichever_way_it_came_to_the_conversation() -> None:
    configure(debug=True)
    async with working(order_agent(ScriptedLLM(NAMED), tools=Dividing)) as rt:
        client = Client(rt.substrate)
        with pytest.raises(ZeroDivisionError):
            await client.send("order", "c-1", "Ada", message_id="m-1", timeout=10)
        with pytest.raises(ZeroDivisionError):
            await client.send("order", "c-1", "Ada", message_id="m-1", timeout=10)


async def test_after_that_the_conversation_stays_usable() -> None:
    configure(debug=True)
    with ScriptedLLM(NAMED, "Hello.") as llm:
        async with working(order_agent(llm, tools=Dividing)) as rt:
            with pytest.raises(ZeroDivisionError):
                await rt.send("order", "c-1", "Ada", timeout=10)
            assert (await rt.send("order", "c-1", "hi", timeout=10)).text == "Hello."
            assert (await types(rt, "c-1")).count("turn.failed") == 1


@both_paths
async def test_in_production_the_log_gets_the_traceback(take: Take, caplog: pytest.LogCaptureFixture) -> None:
    configure(debug=False)
    with ScriptedLLM(NAMED, "Sorry.") as llm:
        taken = await take(order_agent(llm, tools=Dividing), "Ada")

    (record,) = (one for one in caplog.records if one.levelno == logging.WARNING)
    assert taken.failures == [("error", "Error executing save_name: division by zero")]
    assert record.exc_info is not None
    assert record.exc_info[2] is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


class Declared(BaseJourneyTools[Order]):
    @tool(steps=Step.NAME)
    def save_name(self, name: str) -> str:
        """Save the name."""
        return str(1 / 0)


class DeclaredAgent(JourneyAgent[Order, Declared, Step]):
    key = "declared"
    prompts: ClassVar = dict.fromkeys(Step, "Go on.")


@both_paths
async def test_a_declared_tool_in_a_thread_raises_in_debug_as_any_other(take: Take) -> None:
    configure(debug=True)
    with pytest.raises(ZeroDivisionError) as raised:
        await take(DeclaredAgent(ScriptedLLM(NAMED)), "Ada")
    assert "1 / 0" in str(raised.traceback[-1].statement)


@both_paths
async def test_what_is_wrong_with_a_call_is_told_to_the_model_in_debug_too(take: Take) -> None:
    configure(debug=True)
    with ScriptedLLM(calls(("save_name", {"nom": 1}), ("drop", {})), "Sorry.") as llm:
        taken = await take(DeclaredAgent(llm), "Ada")

    assert [kind for kind, _ in taken.failures] == ["invalid", "not_offered"]


@both_paths
async def test_swallowing_alone_decides(take: Take) -> None:
    configure(debug=True, swallow_tool_exceptions=True)
    with ScriptedLLM(NAMED, "Sorry.") as llm:
        assert (await take(order_agent(llm, tools=Dividing), "Ada")).text == "Sorry."

    configure(debug=False, swallow_tool_exceptions=False)
    with pytest.raises(ZeroDivisionError):
        await take(order_agent(ScriptedLLM(NAMED), tools=Dividing), "Ada")


async def test_the_sender_hears_the_exception_though_another_message_waits() -> None:
    configure(debug=True)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(messages: Any, tools: Any) -> Any:
        asked.set()
        await go_on.wait()
        return NAMED

    with ScriptedLLM(slow, "Hello.") as llm:
        async with working(order_agent(llm, tools=Dividing)) as rt:
            first = asyncio.ensure_future(rt.send("order", "c-1", "1", timeout=10))
            await asked.wait()
            await rt.publish("order", "c-1", "2", message_id="m-2")
            go_on.set()
            with pytest.raises(ZeroDivisionError):
                await first
            assert (await rt.send("order", "c-1", "2", message_id="m-2", timeout=10)).text == "Hello."


async def test_each_who_awaits_the_reply_hears_the_exception() -> None:
    configure(debug=True)
    async with working(order_agent(ScriptedLLM(NAMED), tools=Dividing)) as rt:
        sends = [rt.send("order", "c-1", "Ada", message_id="m-1", timeout=10) for _ in range(2)]
        outcomes = await asyncio.gather(*sends, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError, ZeroDivisionError]

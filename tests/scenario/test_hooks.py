"""Hooks see live runs, without a server and in a worker, and nothing else."""

import asyncio
import logging
from typing import Any

import pytest

from agent_runtime_framework import (
    AgentContext,
    CallableToolExecutor,
    CompositeHooks,
    ExecutorHooks,
    JourneyConfig,
    LLMExecutor,
    LoggingHooks,
    configure,
)
from agent_runtime_framework.events import ModelError, NoReply
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.configuration import fresh_configuration
from support.journeys import Order, OrderAgent, OrderTools, Step, order_agent, recorded, working
from support.paths import Take, both_paths

NAMED = calls(("save_name", {"name": "Ada"}))
POINTS = ("on_iteration_start", "on_llm_call", "on_tool_calls", "on_tool_start", "on_tool_end", "on_complete")


class Watching(ExecutorHooks):
    """Notes each point, and what it was told where that is short."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def on_iteration_start(self, iteration: int) -> None:
        self.seen.append(("iteration", iteration))

    async def on_llm_call(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> None:
        self.seen.append(("llm", [message["role"] for message in messages], len(tools or ())))

    async def on_tool_calls(self, tool_calls: list[dict[str, Any]]) -> None:
        self.seen.append(("calls", [call["function"]["name"] for call in tool_calls]))

    async def on_tool_start(self, name: str, arguments: dict[str, Any]) -> None:
        self.seen.append(("start", name, arguments))

    async def on_tool_end(self, name: str, result: str) -> None:
        self.seen.append(("end", name, result))

    async def on_complete(self, response: str, stopped_reason: str) -> None:
        self.seen.append(("complete", response, stopped_reason))


class Plain:
    """Has the same points as plain functions."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        for point in POINTS:
            setattr(self, point, lambda *told, point=point: self.seen.append(point))


SEEN = [
    ("iteration", 1),
    ("llm", ["system", "user"], 1),
    ("calls", ["save_name"]),
    ("start", "save_name", {"name": "Ada"}),
    ("end", "save_name", "Nice to meet you, Ada."),
    ("iteration", 2),
    ("llm", ["system", "user", "assistant", "tool"], 8),
    ("complete", "Hello.", "text_response"),
]


def watched(llm: Any, hooks: Any, **more: Any) -> OrderAgent:
    """Return an agent with these hooks."""
    agent = order_agent(llm, **more)
    agent.hooks = hooks
    return agent


@both_paths
async def test_hooks_see_a_turn_in_order(take: Take) -> None:
    hooks = Watching()
    with ScriptedLLM(NAMED, "Hello.") as llm:
        await take(watched(llm, hooks), "I am Ada")

    assert hooks.seen == SEEN


@both_paths
async def test_hooks_may_be_plain_functions(take: Take) -> None:
    hooks = Plain()
    with ScriptedLLM(NAMED, "Hello.") as llm:
        await take(watched(llm, hooks), "I am Ada")

    assert hooks.seen == [*POINTS[:5], *POINTS[:2], "on_complete"]


@both_paths
async def test_a_call_that_is_refused_is_no_tool_that_ran(take: Take) -> None:
    hooks = Watching()
    with ScriptedLLM(calls(("finish", {}), ("save_name", "{nonsense")), "Hm.") as llm:
        await take(watched(llm, hooks), "hi")

    assert [seen[0] for seen in hooks.seen] == ["iteration", "llm", "calls", "iteration", "llm", "complete"]


@both_paths
async def test_a_tool_that_fails_ends_with_what_the_model_is_told(take: Take) -> None:
    hooks = Watching()

    class Failing(OrderTools):
        async def save_name(self, name: str) -> str:
            raise ValueError("no such name")

    with ScriptedLLM(NAMED, "Hm.") as llm:
        await take(watched(llm, hooks, tools=Failing), "hi")

    assert ("end", "save_name", "Error executing save_name: no such name") in hooks.seen


@both_paths
@pytest.mark.parametrize("point", POINTS)
async def test_in_production_a_hook_that_raises_changes_nothing_and_is_logged(
    point: str, take: Take, caplog: pytest.LogCaptureFixture
) -> None:
    def raising(*told: Any) -> None:
        raise RuntimeError(f"the hook {point} is broken")

    hooks: Any = Watching()
    setattr(hooks, point, raising)
    with ScriptedLLM(NAMED, "Hello.") as llm:
        taken = await take(watched(llm, hooks), "I am Ada")

    assert (taken.text, taken.state["name"], taken.failures) == ("Hello.", "Ada", [])
    assert f"the hook {point} is broken" in caplog.text


async def test_a_turn_without_a_reply_is_not_complete() -> None:
    hooks = Watching()
    async with working(watched(ScriptedLLM(ModelError("down", kind="refused", transient=False)), hooks)) as rt:
        with pytest.raises(NoReply, match="down"):
            await rt.send("order", "c-1", "hi", timeout=10)

    assert [seen[0] for seen in hooks.seen] == ["iteration", "llm"]


async def test_reading_and_folding_anew_fire_no_hooks() -> None:
    hooks = Watching()
    with ScriptedLLM(NAMED, "Hello.", "Yes?") as llm:
        agent = watched(llm, hooks)
        async with working(agent) as rt:
            await rt.send("order", "c-1", "I am Ada", timeout=10)
            await rt.state("c-1", at=3)
            assert await recorded(rt, "c-1")
            await anext(rt.follow("c-1"))
            substrate = rt.substrate
        assert hooks.seen == SEEN
        async with working(agent, substrate=substrate) as rt:
            await rt.send("order", "c-1", "hm", timeout=10)

    assert [seen[0] for seen in hooks.seen[len(SEEN) :]] == ["iteration", "llm", "complete"]


async def test_a_turn_that_another_life_goes_on_with_fires_only_what_it_still_does() -> None:
    class Stuck(OrderTools):
        began = asyncio.Event()
        for_ever = True

        async def look(self) -> str:
            if Stuck.for_ever:
                Stuck.began.set()
                await asyncio.Event().wait()
            return await super().look()

    with ScriptedLLM(NAMED, calls(("look", {})), "Nothing.") as llm:
        async with working(watched(llm, Watching(), tools=Stuck), grace=0.01) as rt:
            sending = asyncio.ensure_future(rt.send("order", "c-1", "Ada", timeout=10))
            await Stuck.began.wait()
            substrate = rt.substrate
        Stuck.for_ever, hooks = False, Watching()
        async with working(watched(llm, hooks, tools=Stuck), substrate=substrate):
            assert (await sending).text == "Nothing."

    assert hooks.seen == [
        ("start", "look", {}),
        ("end", "look", "0 lines, 0"),
        ("iteration", 3),
        ("llm", ["system", "user", "assistant", "tool", "assistant", "tool"], 8),
        ("complete", "Nothing.", "text_response"),
    ]


async def test_composite_hooks_tell_all_in_order_also_those_that_are_added() -> None:
    first, second, third = Watching(), Watching(), Watching()
    composite = CompositeHooks([first])
    assert composite.add(second) is composite
    composite.add(CompositeHooks([third]))
    with ScriptedLLM(NAMED, "Hello.") as llm:
        async with working(watched(llm, composite)) as rt:
            await rt.send("order", "c-1", "I am Ada", timeout=10)

    assert first.seen == second.seen == third.seen == SEEN


async def test_logging_hooks_log_each_point_at_their_level_under_their_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "shop")
    with ScriptedLLM(NAMED, "Hello.") as llm:
        async with working(watched(llm, LoggingHooks(logging.DEBUG, "shop"))) as rt:
            await rt.send("order", "c-1", "I am Ada", timeout=10)

    lines = [(one.levelno, one.getMessage()) for one in caplog.records if one.name == "shop"]
    assert lines == [
        (logging.DEBUG, "iteration 1"),
        (logging.DEBUG, "asking the model with 2 messages, 1 tools"),
        (logging.DEBUG, "the model calls save_name"),
        (logging.DEBUG, "running save_name({'name': 'Ada'})"),
        (logging.DEBUG, "save_name gave Nice to meet you, Ada."),
        (logging.DEBUG, "iteration 2"),
        (logging.DEBUG, "asking the model with 4 messages, 8 tools"),
        (logging.DEBUG, "done (text_response): Hello."),
    ]


async def test_logging_hooks_log_at_info_unless_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agent_runtime_framework")
    with ScriptedLLM("Hello.") as llm:
        await LLMExecutor(llm, CallableToolExecutor({}), hooks=LoggingHooks()).run([{"role": "user", "content": "hi"}])

    assert [one.levelno for one in caplog.records if one.name.endswith("hooks")] == [logging.INFO] * 3


async def test_hooks_that_override_nothing_do_nothing() -> None:
    with ScriptedLLM(NAMED, "Hello.") as llm:
        agent = OrderAgent(llm, JourneyConfig(), ExecutorHooks())
        async with working(agent) as rt:
            reply = await rt.send("order", "c-1", "I am Ada", timeout=10)

    assert reply.state == Order(step=Step.ORDER, name="Ada").to_dict()


# --- hooks that do their worst ------------------------------------------------------------------------------------


def raising_at(point: str, error: BaseException) -> ExecutorHooks:
    """Return hooks that raise at one point."""

    async def hook(*told: Any) -> None:
        raise error

    hooks = ExecutorHooks()
    setattr(hooks, point, hook)
    return hooks


@both_paths
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3)], ids=["cancelled", "exit"])
async def test_in_production_a_hook_may_raise_what_would_end_more_than_itself(
    point: str, error: BaseException, take: Take
) -> None:
    with ScriptedLLM(NAMED, "Hello.") as llm:
        async with asyncio.timeout(10):
            taken = await take(watched(llm, raising_at(point, error)), "I am Ada")

    assert (taken.text, taken.state["name"]) == ("Hello.", "Ada")


class Meddling(ExecutorHooks):
    """Changes whatever it is told."""

    async def on_llm_call(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> None:
        messages.append({"role": "user", "content": "injected"})
        if tools:
            tools.clear()

    async def on_tool_calls(self, tool_calls: list[dict[str, Any]]) -> None:
        tool_calls[0]["function"]["name"] = "other"

    async def on_tool_start(self, name: str, arguments: dict[str, Any]) -> None:
        arguments["name"] = "Eve"


@both_paths
async def test_hooks_that_change_what_they_see_change_nothing(take: Take) -> None:
    with ScriptedLLM(NAMED, "Hello.") as llm:
        taken = await take(watched(llm, CompositeHooks([Meddling()])), "I am Ada")

    asked = {"name": "save_name", "arguments": '{"name":"Ada"}'}
    assert taken.state["name"] == "Ada"
    assert llm.requests[0].tools
    assert [message["role"] for message in llm.requests[1].messages] == ["system", "user", "assistant", "tool"]
    assert llm.requests[1].messages[2]["tool_calls"][0]["function"] == asked


@pytest.mark.parametrize("call", [None, "look", {"function": None, "name": "look"}, {"function": "look"}, {}])
async def test_logging_hooks_take_whatever_calls_a_model_answers_with(call: Any) -> None:
    with ScriptedLLM({"tool_calls": [call]}, "Hello.") as llm, fresh_configuration():
        configure(debug=True)
        async with working(watched(llm, LoggingHooks())) as rt:
            assert (await rt.send("order", "c-1", "hi", timeout=10)).text == "Hello."


@both_paths
@pytest.mark.parametrize("point", ["on_iteration_start", "on_llm_call", "on_tool_start"])
async def test_in_debug_what_a_hook_raises_before_something_is_done_ends_the_turn(point: str, take: Take) -> None:
    error = LookupError("the hook")
    with fresh_configuration():
        configure(debug=True)
        with pytest.raises((LookupError, NoReply)) as raised:
            await take(watched(ScriptedLLM(NAMED, "Hello."), raising_at(point, error)), "I am Ada")

    assert error in (raised.value, raised.value.__cause__)


@both_paths
@pytest.mark.parametrize("point", ["on_tool_calls", "on_tool_end"])
async def test_in_debug_what_was_done_stands_though_a_hook_raises_after_it(
    point: str, take: Take, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedLLM(NAMED, "Hello.") as llm, fresh_configuration():
        configure(debug=True)
        taken = await take(watched(llm, raising_at(point, LookupError("the hook"))), "I am Ada")

    assert (taken.text, taken.state["name"], taken.failures) == ("Hello.", "Ada", [])
    assert "LookupError: the hook" in caplog.text


async def test_in_debug_saving_is_told_though_a_hook_raises_at_the_end() -> None:
    saved: list[str] = []
    with ScriptedLLM(NAMED, "Hello.") as llm, fresh_configuration():
        configure(debug=True)
        agent = watched(llm, raising_at("on_complete", LookupError("the hook")))
        agent.save_state = lambda ctx, state: saved.append(state.name)  # type: ignore[method-assign]
        async with working(agent) as rt:
            await rt.send("order", "c-1", "I am Ada", timeout=10)

    assert saved == ["Ada"]


async def test_in_debug_a_hook_before_a_model_call_ends_the_turn_and_is_not_tried_again() -> None:
    asked: list[str] = []

    class Raising(ExecutorHooks):
        async def on_llm_call(self, messages: Any, tools: Any) -> None:
            asked.append("hook")
            raise OSError("no disk")

    agent = order_agent(ScriptedLLM())
    agent.hooks = Raising()
    with fresh_configuration():
        configure(debug=True)
        with pytest.raises(NoReply, match=r"model_hook_raised.*OSError: no disk") as raised:
            await agent.run(AgentContext("r-1", "c-1", [{"role": "user", "content": "hi"}]))

    assert (asked, type(raised.value.__cause__)) == (["hook"], OSError)

"""Runs of an adapter whose task is cancelled, wherever they are: after it nothing is told, and nothing goes on."""

import asyncio
import threading
from typing import Any

import pytest

from agent_runtime_framework.events import Refused
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.django_runs import Booking, BookingAgent, BookingTools, Run

NAMED = calls(("save_name", {"name": "Ada"}))
BOOKED = calls(("save_day", {"day": "2030-01-02"}))


class Stepping(Run):
    """Is a run whose task is cancelled at its `at`th step, whoever takes that."""

    at = 0
    task: "asyncio.Future[Any]"

    def begin(self, agent: "SteppingAgent") -> None:
        agent.stepping, self.task = self, asyncio.ensure_future(agent.run(self))
        self.steps: list[str] = []

    async def step(self, what: str) -> None:
        self.steps.append(what)
        if len(self.steps) - self.steps.count("done") == self.at:
            self.task.cancel()
        await asyncio.sleep(0)
        self.steps.append("done")

    async def emit(self, type: str, payload: dict[str, Any]) -> None:  # noqa: A002
        await self.step(type)

    async def checkpoint(self, state: dict[str, Any]) -> None:
        await self.step("checkpoint")

    async def get_state(self) -> dict[str, Any] | None:
        await self.step("state")
        return None

    async def check_cancelled(self) -> bool:
        await self.step("check")
        return False

    async def emit_user_message(self, text: str) -> None:
        await self.step("message")


class SteppingAgent(BookingAgent):
    stepping: Stepping

    async def execute_tool(self, tools: BookingTools, name: str, args: dict[str, Any]) -> str:
        await self.stepping.step("tool begins")
        result = await super().execute_tool(tools, name, args)
        await self.stepping.step("tool ends")
        return result

    async def on_state_change(self, ctx: Any, state: Booking) -> None:
        await self.stepping.step("author is told")


async def test_a_task_may_be_cancelled_at_any_step_and_after_it_nothing_goes_on(caplog: Any) -> None:
    both = calls(("save_name", {"name": "Ada"}), ("fail", {}))
    at, cancelled = 0, True
    while cancelled:
        at += 1
        run = Stepping("I am Ada", at=at)
        agent = SteppingAgent(ScriptedLLM(both, BOOKED, "See you."), "the hotel")
        run.begin(agent)
        await asyncio.wait({run.task})
        steps = list(run.steps)
        await asyncio.sleep(0)  # whatever still ran would take its next step
        assert (run.steps, dict(agent._running)) == (steps, {})
        assert asyncio.all_tasks() == {asyncio.current_task()}
        cancelled = run.task.cancelled()

    assert at > 25
    assert "Unhandled" not in caplog.text


@pytest.mark.parametrize("hanging", ["emit", "checkpoint", "get_state", "check_cancelled", "emit_user_message"])
async def test_a_context_that_hangs_does_not_keep_a_cancelled_run(
    hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("journey_tools", "run"):
        monkeypatch.setattr(f"agent_runtime_framework.runtime.agents.{module}.SAVING_BACK", 0.01)
    begun = asyncio.Event()

    async def hang(*_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    run = Run("hi")
    setattr(run, hanging, hang)
    running = asyncio.ensure_future(BookingAgent(ScriptedLLM(NAMED, "Which day?")).run(run))
    await begun.wait()
    running.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait({running})

    assert running.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_tool_that_goes_on_in_its_thread_after_the_run_tells_the_context_nothing() -> None:
    begun, go_on, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()
    heard: asyncio.Future[BaseException] = loop.create_future()

    class Late(BookingAgent):
        def execute_tool(self, tools: BookingTools, name: str, args: dict[str, Any]) -> str:  # type: ignore[override]
            announce: Any = tools.on_state_change
            loop.call_soon_threadsafe(begun.set)
            go_on.wait()
            tools.state.name = "late"
            try:
                asyncio.run(announce(tools.state))
            except Refused as error:
                loop.call_soon_threadsafe(heard.set_result, error)
            return "never heard"

    run = Run("I am Ada")
    running = asyncio.ensure_future(Late(ScriptedLLM(NAMED)).run(run))
    await begun.wait()
    running.cancel()
    await asyncio.wait({running})
    go_on.set()

    assert "is over: no state is taken any more" in str(await heard)
    assert (running.cancelled(), run.checkpoints) == (True, [])


async def test_a_run_that_is_cancelled_while_its_context_is_asked_is_cancelled() -> None:
    class Asking(Run):
        async def check_cancelled(self) -> bool:
            await agent.cancel(self)
            return False

    run = Asking("I am Ada")
    agent = BookingAgent(ScriptedLLM())
    result = await agent.run(run)

    assert (result.final_output["response"], run.events) == ("", [])

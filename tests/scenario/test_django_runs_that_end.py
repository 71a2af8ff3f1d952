"""Runs of an adapter that end early: cancelled, broken by their context, or not to be tried again."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from agent_runtime_framework import NoReply, StateStore, ToolSchema, ToolSchemaBuilder
from agent_runtime_framework.adapters import RunError
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.django_runs import BareRun, Booking, BookingAgent, BookingTools, Run

NAMED = calls(("save_name", {"name": "Ada"}))
BOOKED = calls(("save_day", {"day": "2030-01-02"}))


def after(looks: int) -> Callable[[], bool]:
    """Return what says so many times that a run goes on, and then that it is cancelled."""
    counted = itertools.count(1)
    return lambda: next(counted) > looks


class Counting(BookingAgent):
    """Keeps the names of the tools that were run."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.ran: list[str] = []

    async def execute_tool(self, tools: BookingTools, name: str, args: dict[str, Any]) -> str:
        self.ran.append(name)
        return await super().execute_tool(tools, name, args)


@pytest.mark.parametrize("kind", [Run, BareRun])
async def test_a_cancelled_run_asks_the_model_no_more_and_gives_what_it_has(kind: type[BareRun]) -> None:
    run = kind("I am Ada", looks=after(2))  # the model was asked, the tool was run
    with ScriptedLLM(NAMED) as llm:
        result = await BookingAgent(llm).run(run)

    assert result.final_output["response"] == ""
    assert result.final_output["state"]["name"] == "Ada"
    assert [said["role"] for said in result.final_messages] == ["assistant", "tool"]
    assert result.usage["completion_tokens"] == 1
    assert run.checkpoints[-1]["name"] == "Ada"
    assert (run.spoken, [name for name, _ in run.events]) == ([], ["tool.call", "tool.result"])


async def test_a_tool_that_was_not_begun_is_known_not_to_have_run() -> None:
    run = Run("on 2030-01-02", looks=after(1))
    run.checkpoints.append({"step": "date", "name": "Ada"})
    with ScriptedLLM(BOOKED) as llm:
        agent = Counting(llm, "the hotel")
        result = await agent.run(run)

    assert (agent.ran, result.final_output["state"]["day"]) == ([], None)
    assert result.final_messages[1]["content"] == "Error: this tool was not run, because the turn had ended"


async def test_a_run_that_is_cancelled_before_its_last_tool_tells_the_user_nothing() -> None:
    run = Run("I am Ada", looks=after(1))
    with ScriptedLLM(calls(("save_name", {"name": "Ada"}), ("save_name", {"name": "Bob"}))) as llm:
        result = await BookingAgent(llm, max_tool_iterations=1).run(run)

    assert (result.final_output["response"], run.spoken) == ("", [])
    assert [(name, said["name"]) for name, said in run.events] == [
        ("tool.call", "save_name"),
        ("tool.result", "save_name"),
    ]
    assert [said["role"] for said in result.final_messages] == ["assistant", "tool", "tool"]


async def test_a_run_whose_once_tool_was_not_begun_may_be_tried_again() -> None:
    run = Run("on 2030-01-02", looks=after(1))
    run.checkpoints.append({"step": "date", "name": "Ada"})
    with ScriptedLLM(BOOKED) as llm:
        agent = BookingAgent(llm, "the hotel")
        await agent.run(run)

    assert await agent.on_error(run, OSError("no database")) is None


async def test_two_tries_of_one_run_are_told_apart_and_both_are_cancelled() -> None:
    begun = asyncio.Semaphore(0)
    going = asyncio.Event()

    async def answer(_messages: Any, _tools: Any) -> Any:
        begun.release()
        await going.wait()
        return NAMED

    first, second = Run("I am Ada"), Run("I am Ada")
    agent = BookingAgent(ScriptedLLM(answer, answer))
    running = asyncio.gather(agent.run(first), agent.run(second))
    await begun.acquire()
    await begun.acquire()
    await agent.cancel(first)
    going.set()
    results = await running

    assert [result.final_output["response"] for result in results] == ["", ""]
    assert [run.checkpoints[-1]["name"] for run in (first, second)] == ["", ""]
    assert not agent._running


async def test_nothing_of_a_cancelled_run_goes_on_after_it() -> None:
    told: list[str] = []
    begun = asyncio.Event()

    class Holding(BookingAgent):
        async def execute_tool(self, tools: BookingTools, name: str, args: dict[str, Any]) -> str:
            tools.state.name = "announced"
            await tools._notify_state_change()
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                told.append("the tool has ended")
            return "never"

    run = Run("I am Ada")
    running = asyncio.ensure_future(Holding(ScriptedLLM(NAMED)).run(run))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    before = (list(told), list(run.events), list(run.checkpoints))
    for _ in range(20):
        await asyncio.sleep(0)

    assert before == (["the tool has ended"], run.events, run.checkpoints)
    assert [state["name"] for state in run.checkpoints] == ["announced", ""]


async def test_an_agent_that_routes_is_no_runtime_of_a_django_project() -> None:
    with pytest.raises(TypeError, match="has a router, but a run inside Django is one journey's"):
        type("Routing", (BookingAgent,), {"router": object()})()


async def test_a_context_is_asked_again_before_each_model_call_and_each_tool() -> None:
    asked: list[str] = []

    class Asking(Run):
        async def check_cancelled(self) -> bool:
            asked.append("check")
            return False

    def answer(messages: list[dict[str, Any]], _tools: Any) -> Any:
        asked.append("model")
        return NAMED if messages[-1]["role"] == "user" else "Which day?"

    class Telling(BookingAgent):
        async def execute_tool(self, tools: BookingTools, name: str, args: dict[str, Any]) -> str:
            asked.append("tool")
            return await super().execute_tool(tools, name, args)

    await Telling(ScriptedLLM(answer, answer)).run(Asking("I am Ada"))

    assert asked == ["check", "model", "check", "tool", "check", "model"]


async def test_cancel_ends_a_run_of_this_process() -> None:
    run = Run("I am Ada")
    agent = BookingAgent()

    async def answer(_messages: Any, _tools: Any) -> Any:
        await agent.cancel(run)
        return NAMED

    agent.llm_client = ScriptedLLM(answer)
    result = await agent.run(run)
    await agent.cancel(run)  # it is over

    assert result.final_messages[1]["content"] == "Error: this tool was not run, because the turn had ended"


async def test_the_cancellation_of_its_task_passes_through_a_run() -> None:
    begun = asyncio.Event()

    async def answer(_messages: Any, _tools: Any) -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    agent = BookingAgent(ScriptedLLM(answer))
    running = asyncio.ensure_future(agent.run(Run("hi")))
    await begun.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert not agent._running


class Failing(Run):
    """Is a run whose context fails at one point."""

    failing = ""
    error: BaseException = OSError("no database")

    def fail(self, at: str) -> None:
        if at == self.failing:
            raise self.error

    async def emit(self, type: str, payload: dict[str, Any]) -> None:  # noqa: A002
        self.fail(type)
        await super().emit(type, payload)

    async def checkpoint(self, state: dict[str, Any]) -> None:
        self.fail("checkpoint")
        await super().checkpoint(state)

    async def emit_user_message(self, text: str) -> None:
        self.fail("message")

    async def check_cancelled(self) -> bool:
        self.fail("check")
        return False

    async def get_state(self) -> dict[str, Any] | None:
        self.fail("state")
        return await super().get_state()


@pytest.mark.parametrize("error", [OSError("no database"), asyncio.CancelledError()], ids=["error", "cancelled"])
@pytest.mark.parametrize(
    ("failing", "asked"),
    [("tool.call", 1), ("tool.result", 1), ("checkpoint", 1), ("message", 2), ("check", 0)],
)
async def test_what_the_context_raises_is_raised_and_ends_the_run_before_it_goes_on(
    failing: str, asked: int, error: BaseException
) -> None:
    llm = ScriptedLLM(NAMED, "Which day?")
    with pytest.raises(type(error)) as raised:
        await BookingAgent(llm).run(Failing("I am Ada", failing=failing, error=error))

    assert (raised.value is error, len(llm.requests)) == (True, asked)


async def test_a_tool_whose_call_could_not_be_told_is_not_run() -> None:
    run = Failing("on 2030-01-02", failing="tool.call")
    run.checkpoints.append({"step": "date", "name": "Ada"})
    agent = Counting(ScriptedLLM(BOOKED), "the hotel")
    with pytest.raises(OSError, match="no database"):
        await agent.run(run)

    assert (agent.ran, run.checkpoints) == ([], [{"step": "date", "name": "Ada"}])


async def test_state_that_cannot_be_read_is_an_error_before_anything_is_asked() -> None:
    with pytest.raises(OSError, match="no database"):
        await BookingAgent(ScriptedLLM()).run(Failing("hi", failing="state"))


async def test_a_context_is_told_on_the_loop_of_its_run_also_by_a_tool_in_a_thread() -> None:
    class InThread(BookingAgent):
        def execute_tool(self, tools: BookingTools, name: str, args: dict[str, Any]) -> str:  # type: ignore[override]
            result: str = asyncio.run(getattr(tools, name)(**args))  # the context fails on any loop but its own
            return result

    run = Run("I am Ada")
    with ScriptedLLM(NAMED, "Which day?") as llm:
        await InThread(llm).run(run)

    assert [state["name"] for state in run.checkpoints] == ["Ada", "Ada"]


# --- what may be tried again


async def test_an_error_may_be_tried_again_as_long_as_nothing_was_begun_that_must_not_be_repeated() -> None:
    run = Run("I am Ada")
    agent = BookingAgent(ScriptedLLM(NAMED, ValueError("no model")))
    with pytest.raises(NoReply) as raised:
        await agent.run(run)

    assert await agent.on_error(run, raised.value) is None


async def test_a_run_that_began_a_once_tool_is_not_tried_again() -> None:
    run = Run("I am Ada, on 2030-01-02")
    agent = BookingAgent(ScriptedLLM(NAMED, BOOKED, ValueError("no model")), "the hotel")
    with pytest.raises(NoReply) as raised:
        await agent.run(run)
    error = await agent.on_error(run, raised.value)

    assert isinstance(error, RunError)
    assert (error.type, error.retriable, error.details["started"]) == ("NoReply", False, ["save_day"])
    assert "no model" in error.message
    assert "ValueError: no model" in error.stack
    assert await agent.on_error(Run("hi", run="r-2"), raised.value) is None


async def test_a_once_tool_that_was_refused_was_not_started_so_the_run_may_be_tried_again() -> None:
    run = Run("on 2030-01-02")
    agent = BookingAgent(ScriptedLLM(BOOKED, ValueError("no model")))
    with pytest.raises(NoReply) as raised:
        await agent.run(run)

    assert [name for name, _ in run.events] == ["tool.call", "tool.result"]
    assert await agent.on_error(run, raised.value) is None


async def test_a_tool_that_declares_no_effect_is_a_once_tool() -> None:
    class Undeclared(BookingAgent):
        def get_tool_schemas(self, state: Booking) -> list[ToolSchema]:
            return [ToolSchemaBuilder("save_name").build()]

    run = Run("I am Ada")
    agent = Undeclared(ScriptedLLM(NAMED, ValueError("no model")))
    with pytest.raises(NoReply) as raised:
        await agent.run(run)
    error = await agent.on_error(run, raised.value)

    assert error is not None
    assert (error.retriable, error.details["started"]) == (False, ["save_name"])


async def test_that_holds_also_where_the_runner_fails_after_the_run_was_over() -> None:
    run = Run("on 2030-01-02")
    run.checkpoints.append({"step": "date", "name": "Ada"})
    with ScriptedLLM(BOOKED, "See you.") as llm:
        agent = BookingAgent(llm, "the hotel")
        await agent.run(run)
    error = await agent.on_error(run, OSError("no database"))

    assert error is not None
    assert (error.retriable, error.message) == (False, "no database")


async def test_an_author_s_own_word_on_errors_and_closing_stands() -> None:
    class Strict(BookingAgent):
        async def on_error(self, ctx: Any, error: BaseException) -> RunError | None:
            return RunError("Mine", str(error), retriable=False)

        def is_terminal_state(self, state: Booking) -> bool:
            return state.name == "Ada"

        def is_closing_message(self, text: str) -> bool:
            return text == "over"

    run = Run("over")
    run.checkpoints.append({"step": "date", "name": "Ada"})
    agent = Strict(ScriptedLLM())
    result = await agent.run(run)
    error = await agent.on_error(run, OSError("x"))

    assert result.final_output["response"] == ""
    assert error == RunError("Mine", "x", retriable=False)


async def test_what_an_author_raises_of_a_state_change_is_an_error_of_the_run() -> None:
    class Refusing(BookingAgent):
        def on_state_change(self, ctx: Any, state: Booking) -> None:
            raise LookupError("no such tenant")

    with pytest.raises(LookupError, match="no such tenant"):
        await Refusing(ScriptedLLM(NAMED, "Which day?"), state_store=StateStore()).run(Run("I am Ada"))


async def test_what_is_raised_first_is_what_the_runner_gets_and_nothing_is_told_after_it() -> None:
    class Breaking(Failing):
        async def checkpoint(self, state: dict[str, Any]) -> None:
            told.append(state)
            raise OSError(f"no database, try {len(told)}")

    told: list[Any] = []
    with pytest.raises(OSError, match="no database, try 1"):
        await BookingAgent(ScriptedLLM(NAMED)).run(Breaking("I am Ada"))
    assert len(told) == 1


async def test_a_run_that_was_begun_twice_runs_twice_and_both_are_cancelled_together() -> None:
    asked: asyncio.Queue[None] = asyncio.Queue()
    go_on = asyncio.Event()

    async def answer(_messages: Any, _tools: Any) -> Any:
        asked.put_nowait(None)
        await go_on.wait()
        return NAMED

    agent = Counting(ScriptedLLM(answer, answer))
    running = [asyncio.ensure_future(agent.run(Run("hi"))) for _ in range(2)]
    for _ in range(2):
        await asked.get()
    await agent.cancel(Run("hi"))
    go_on.set()
    results = await asyncio.gather(*running)

    assert [len(result.final_messages) for result in results] == [2, 2]
    assert (agent.ran, dict(agent._running)) == ([], {})

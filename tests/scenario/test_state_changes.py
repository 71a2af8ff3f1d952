"""State changes only by recorded events: the state that a tool sees is the fold of what is before it."""

import asyncio
import threading
from typing import Any, ClassVar

from agent_runtime_framework import JourneyAgent, Runtime, ToolResult
from agent_runtime_framework.events import StateChanged, ToolFailed
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import Order, OrderTools, order_agent, recorded, working
from support.paths import Take, both_paths

NAMED = calls(("save_name", {"name": "Ada"}))


async def after(*called: tuple[str, dict[str, Any]], tools: type[OrderTools] = OrderTools, **config: Any) -> "Seen":
    """Return what is recorded of a turn that makes these calls, one answer each."""
    answers: list[Any] = [NAMED, *(calls(call) for call in called), "Done."]
    with ScriptedLLM(*answers) as llm:
        async with working(order_agent(llm, tools=tools, **config)) as rt:
            await rt.send("order", "c-1", "Ada")
            return Seen(await rt.state("c-1"), *await _events(rt))


class Seen:
    """What a test looks at: the state, the changes after the name was saved, the failures."""

    def __init__(self, state: dict[str, Any], changes: list[StateChanged], failures: list[ToolFailed]) -> None:
        self.state = state
        self.changes = [{name: bytes(value) for name, value in change.set.items()} for change in changes[1:]]
        self.failures = failures


async def _events(rt: Runtime) -> tuple[list[StateChanged], list[ToolFailed]]:
    events = [one.event for one in await recorded(rt, "c-1")]
    changes = [event for event in events if isinstance(event, StateChanged)]
    return changes, [event for event in events if isinstance(event, ToolFailed)]


async def test_a_list_that_is_appended_to_is_a_change() -> None:
    seen = await after(("add", {"line": "tea"}), ("add", {"line": "milk"}))

    assert seen.changes == [{"lines": b'["tea"]'}, {"lines": b'["tea","milk"]'}]


async def test_a_nested_dict_and_a_decimal_are_changes() -> None:
    seen = await after(("price", {"line": "tea", "amount": "1.10"}), ("price", {"line": "tea", "amount": "2.20"}))

    assert seen.changes[0] == {"prices": b'{"lines":{"tea":{"amount":"1.10"}}}', "total": b'"1.10"'}
    assert seen.state["total"] == "3.30"


async def test_a_set_is_a_change_only_when_its_members_change() -> None:
    seen = await after(("tag", {"tag": "b"}), ("tag", {"tag": "a"}), ("tag", {"tag": "b"}))

    assert seen.changes == [{"tags": b'["b"]'}, {"tags": b'["a","b"]'}]


async def test_reading_is_no_change() -> None:
    assert (await after(("look", {}))).changes == []


async def test_a_failed_tool_changes_nothing_even_if_it_wrote_before() -> None:
    seen = await after(("fail", {}), ("decline", {}))

    assert (seen.changes, seen.state["lines"]) == ([], [])
    assert [failure.kind for failure in seen.failures] == ["error", "error"]


class Putting(OrderTools):
    """Fails in one word for the model, and in others for the operator."""

    async def save_name(self, name: str) -> ToolResult:  # type: ignore[override]
        self.state.name = name
        return ToolResult("Ask again tomorrow.", success=False, error="E-17: no database")


@both_paths
async def test_of_a_result_that_failed_the_model_is_told_the_content_and_nothing_changes(take: Take) -> None:
    with ScriptedLLM(NAMED, "Tomorrow.") as llm:
        taken = await take(order_agent(llm, tools=Putting), "Ada")

    assert taken.failures == [("error", "Ask again tomorrow.")]
    assert llm.requests[1].messages[-1]["content"] == "Ask again tomorrow."
    assert taken.state["name"] == ""


async def test_a_value_that_cannot_be_stored_fails_the_call_and_names_the_field() -> None:
    seen = await after(("spoil", {}))

    assert seen.changes == []
    assert "'prices" in seen.failures[0].content


async def test_an_alias_to_internal_data_cannot_hide_a_change() -> None:
    class Aliased(OrderTools):
        kept: ClassVar[list[Order]] = []

        async def add(self, line: str) -> str:
            Aliased.kept.append(self.state)
            for state in Aliased.kept:  # also the states of earlier calls, which nobody looks at any more
                state.lines.append(line)
            return "ok"

    seen = await after(("add", {"line": "tea"}), ("add", {"line": "milk"}), tools=Aliased)

    assert seen.changes == [{"lines": b'["tea"]'}, {"lines": b'["tea","milk"]'}]


async def test_a_state_that_hands_out_its_own_list_cannot_hide_a_change() -> None:
    class Leaky(Order):
        def to_dict(self) -> dict[str, Any]:
            return {"step": self.step.value, "name": self.name, "lines": self.lines}

        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> "Leaky":
            return cls(step=type(Order().step)(data["step"]), name=data["name"], lines=data["lines"])

    with ScriptedLLM(NAMED, calls(("add", {"line": "tea"})), "Done.") as llm:
        agent = order_agent(llm)
        agent.get_initial_state = Leaky  # type: ignore[method-assign]
        async with working(agent) as rt:
            await rt.send("order", "c-1", "Ada")
            changes, _ = await _events(rt)

    assert bytes(changes[-1].set["lines"]) == b'["tea"]'


async def test_a_state_that_is_bound_anew_counts() -> None:
    class Rebinding(OrderTools):
        async def add(self, line: str) -> str:
            self.state = Order(step=self.state.step, name="someone else", lines=[line])
            return "ok"

    assert (await after(("add", {"line": "tea"}), tools=Rebinding)).state["name"] == "someone else"


class InThread(JourneyAgent[Any, Any, Any]):
    """Overrides one method: tools are plain functions here, so they run in a thread."""

    def execute_tool(self, tools: Any, name: str, arguments: dict[str, Any]) -> str:
        return str(getattr(tools, name)(**arguments))


async def test_a_late_write_from_a_timed_out_thread_changes_nothing() -> None:
    go_on, wrote = threading.Event(), threading.Event()

    class Slow(OrderTools):
        def save_name(self, name: str) -> str:  # type: ignore[override]
            self.state.name = name
            self.state.step = type(self.state.step)("order")
            return "ok"

        def add(self, line: str) -> str:  # type: ignore[override]
            go_on.wait()
            self.state.lines.append(line)
            wrote.set()
            return "late"

        def look(self) -> str:  # type: ignore[override]
            go_on.set()
            wrote.wait()
            return f"{len(self.state.lines)} lines"

    with ScriptedLLM(NAMED, calls(("add", {"line": "tea"})), calls(("look", {})), "Done.") as llm:
        agent = order_agent(llm, tools=Slow, tool_timeout=0.1)
        agent.execute_tool = InThread.execute_tool.__get__(agent)  # type: ignore[method-assign]
        async with working(agent) as rt:
            await rt.send("order", "c-1", "Ada")
            state = await rt.state("c-1")
            _, (failure,) = await _events(rt)

    assert (failure.kind, state["lines"]) == ("timeout", [])
    assert "no result within 0.1 s" in failure.content
    assert llm.requests[-1].messages[-1]["content"] == "0 lines"


async def test_a_tool_that_is_cancelled_by_its_time_limit_is_over_on_the_loop() -> None:
    ended = asyncio.Event()

    class Endless(OrderTools):
        async def add(self, line: str) -> str:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return "never"

    seen = await after(("add", {"line": "tea"}), tools=Endless, tool_timeout=0.05)

    assert ended.is_set()
    assert seen.failures[0].kind == "timeout"

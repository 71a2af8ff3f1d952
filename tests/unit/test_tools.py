"""What a tool returns, and what journey tools have."""

from dataclasses import dataclass
from typing import Any

import pytest

from agent_runtime_framework.actors.journey import BaseJourneyTools, BaseTool, ToolResult, ToolSchema


@dataclass
class State:
    name: str = ""


class Tools(BaseJourneyTools[State]):
    async def save_name(self, name: str) -> str:
        self.state.name = name
        await self._notify_state_change()
        return f"Hello {name}"

    async def start_again(self) -> str:
        self.state = State("again")
        await self._notify_state_change()
        return "Done"

    def client(self) -> Any:
        return self._require_backend()


def test_a_result_has_its_fields_in_the_order_of_the_contract() -> None:
    assert ToolResult("Saved") == ToolResult("Saved", True, None, {})
    result = ToolResult("No", False, "no such order", {"order": 3})
    assert (result.content, result.success, result.error, result.metadata) == (
        "No",
        False,
        "no such order",
        {"order": 3},
    )


def test_an_ok_result_has_its_content_and_metadata() -> None:
    assert ToolResult.ok("Saved", rows=1) == ToolResult("Saved", True, None, {"rows": 1})


def test_a_failed_result_tells_the_model_the_error() -> None:
    assert ToolResult.fail("no such order", order=3) == ToolResult(
        "no such order", False, "no such order", {"order": 3}
    )


def test_the_text_of_a_result_is_its_content() -> None:
    assert str(ToolResult.ok("Saved", rows=1)) == f"{ToolResult('Saved')}" == "Saved"
    assert str(ToolResult.fail("no such order")) == "no such order"
    assert "success=False" in repr(ToolResult.fail("no such order"))


def test_results_share_no_metadata() -> None:
    ToolResult("Saved").metadata["rows"] = 1
    assert ToolResult("Saved").metadata == {}


async def test_a_tool_of_its_own_is_named_by_its_schema() -> None:
    class Greet(BaseTool):
        @property
        def schema(self) -> ToolSchema:
            return ToolSchema("greet", "Greet")

        async def execute(self, name: str) -> str:
            return f"Hello {name}"

    assert Greet().name == "greet"
    assert await Greet().execute(name="Ada") == "Hello Ada"


def test_a_tool_without_schema_and_execute_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        BaseTool()  # type: ignore[abstract]


def test_journey_tools_take_state_backend_and_callback_in_this_order() -> None:
    state, backend = State(), object()
    tools = Tools(state, backend, print)
    assert tools.state is state
    assert tools.backend_client is backend
    assert tools.on_state_change is print
    bare = Tools(state=state)
    assert (bare.backend_client, bare.on_state_change, bare.idempotency_key) == (None, None, None)


async def test_a_plain_callback_is_called_with_the_state() -> None:
    seen: list[State] = []
    tools = Tools(State(), on_state_change=seen.append)
    assert await tools.save_name("Ada") == "Hello Ada"
    assert seen == [tools.state] == [State("Ada")]


async def test_an_async_callback_is_awaited_with_the_state() -> None:
    seen: list[str] = []

    async def note(state: State) -> None:
        seen.append(state.name)

    await Tools(State(), on_state_change=note).save_name("Ada")
    assert seen == ["Ada"]


async def test_without_a_callback_nothing_happens() -> None:
    tools = Tools(State())
    await tools.save_name("Ada")
    assert tools.state.name == "Ada"


async def test_what_a_callback_raises_reaches_the_tool() -> None:
    def refuse(_: State) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await Tools(State(), on_state_change=refuse).save_name("Ada")


async def test_a_callback_is_told_the_state_that_was_bound_anew() -> None:
    seen: list[State] = []
    tools = Tools(State("first"), on_state_change=seen.append)
    await tools.start_again()
    assert seen == [State("again")]
    assert tools.state is seen[0]


def test_the_backend_is_given_where_there_is_one() -> None:
    backend: dict[str, int] = {}
    assert Tools(State(), backend).client() is backend


def test_a_missing_backend_is_named_with_the_class() -> None:
    with pytest.raises(ValueError, match=r"^Tools requires a backend_client"):
        Tools(State()).client()


def test_an_idempotency_key_belongs_to_one_tools_object() -> None:
    first, second = Tools(State()), Tools(State())
    first.idempotency_key = "c-1@4.0"
    assert (first.idempotency_key, second.idempotency_key, Tools.idempotency_key) == ("c-1@4.0", None, None)


async def test_tools_with_a_constructor_of_their_own_still_have_all_attributes() -> None:
    class Own(Tools):
        def __init__(self, state: State) -> None:
            self.state = state

    tools = Own(State())
    await tools.save_name("Ada")
    assert (tools.backend_client, tools.idempotency_key, tools.state.name) == (None, None, "Ada")

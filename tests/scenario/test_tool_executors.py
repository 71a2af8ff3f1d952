"""Tool executors: how a tool is found by its name, and what its outcome is to the loop."""

import functools
from collections.abc import Iterator
from typing import Any

import pytest

from agent_runtime_framework import (
    CallableToolExecutor,
    LLMExecutor,
    LLMExecutorConfig,
    MethodToolExecutor,
    ToolExecutor,
)
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.configuration import fresh_configuration

ASKED = [{"role": "user", "content": "Go."}]


@pytest.fixture(autouse=True)
def _configuration() -> Iterator[None]:
    with fresh_configuration():
        yield


class Methods:
    """Has methods of every kind."""

    name = "Ada"

    def greet(self, name: str) -> str:
        return f"Hello {name}"

    async def count(self, *, upto: int) -> list[int]:
        return list(range(upto))

    def _secret(self) -> str:
        return "secret"

    @property
    def costly(self) -> str:
        raise AssertionError("a property was run")

    @staticmethod
    def version() -> str:
        return "1"


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("greet", {"name": "Ada"}, "Hello Ada"),
        ("count", {"upto": 2}, "[0, 1]"),
        ("version", {}, "1"),
        ("_secret", {}, "Error: Unknown tool '_secret'"),
        ("__class__", {}, "Error: Unknown tool '__class__'"),
        ("name", {}, "Error: Unknown tool 'name'"),
        ("costly", {}, "Error: Unknown tool 'costly'"),
        ("missing", {}, "Error: Unknown tool 'missing'"),
        ("greet", {}, "Error executing greet: Methods.greet() missing 1 required positional argument: 'name'"),
    ],
)
async def test_a_method_executor_runs_public_methods_only(name: str, arguments: dict[str, Any], text: str) -> None:
    assert await MethodToolExecutor(Methods()).execute(name, arguments) == text


@pytest.mark.parametrize("executor", [CallableToolExecutor({"fail": lambda: 1 / 0}), MethodToolExecutor(object())])
async def test_a_swallowed_error_is_a_text_by_which_the_loop_knows_that_the_tool_failed(executor: ToolExecutor) -> None:
    text = await executor.execute("fail", {})
    config = LLMExecutorConfig(terminal_tools={"fail"})
    with ScriptedLLM(calls(("fail", {})), "Sorry.") as llm:
        result = await LLMExecutor(llm, executor, config).run(ASKED)

    assert isinstance(text, str)
    assert type(text) is not str
    # a terminal tool ends the run only where it succeeded
    assert result.response == "Sorry."
    assert llm.requests[1].messages[-1]["content"] == text


async def test_a_text_that_looks_like_an_error_is_none() -> None:
    executor = CallableToolExecutor({"say": lambda: "Error executing say: not really"})
    with ScriptedLLM(calls(("say", {}))) as llm:
        result = await LLMExecutor(llm, executor, LLMExecutorConfig(terminal_tools={"say"})).run(ASKED)

    assert result.stopped_reason == "terminal_tool:say"


async def test_an_executor_of_ones_own_needs_only_execute() -> None:
    class Own:
        async def execute(self, name: str, arguments: dict[str, Any]) -> str:
            return f"{name} {sorted(arguments)}"

    with ScriptedLLM(calls(("any", {"b": 1, "a": 2})), "Done.") as llm:
        await LLMExecutor(llm, Own()).run(ASKED)

    assert llm.requests[1].messages[-1]["content"] == "any ['a', 'b']"


async def test_an_executor_of_ones_own_may_raise() -> None:
    class Own:
        async def execute(self, name: str, arguments: dict[str, Any]) -> str:
            raise LookupError("no such thing")

    with ScriptedLLM(calls(("any", {})), "Sorry.") as llm:
        result = await LLMExecutor(llm, Own()).run(ASKED)

    assert result.response == "Sorry."
    assert llm.requests[1].messages[-1]["content"] == "Error executing any: no such thing"


async def test_a_tool_that_changes_its_arguments_does_not_change_the_past() -> None:
    def grab(lines: list[str]) -> str:
        lines.append("more")
        return "ok"

    with ScriptedLLM(calls(("grab", {"lines": ["tea"]})), "Done.") as llm:
        await LLMExecutor(llm, CallableToolExecutor({"grab": grab})).run(ASKED)

    sent = llm.requests[1].messages[1]["tool_calls"][0]["function"]
    assert sent["arguments"] == '{"lines":["tea"]}'


class Unusual:
    """Has what looks like a method and is none, and a method that does not look like one."""

    @functools.cached_property
    def costly(self) -> str:
        raise AssertionError("a property was run")

    def say(self, text: str) -> str:
        return text

    hello = functools.partialmethod(say, "Hello.")


@pytest.mark.parametrize(("name", "text"), [("hello", "Hello."), ("costly", "Error: Unknown tool 'costly'")])
async def test_a_cached_property_is_no_method_and_a_partial_method_is_one(name: str, text: str) -> None:
    assert await MethodToolExecutor(Unusual()).execute(name, {}) == text

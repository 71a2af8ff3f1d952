"""Tool executors: what is called, what the model is told of it, and what becomes of an error."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from agent_runtime_framework import (
    BaseJourneyTools,
    CallableToolExecutor,
    LLMExecutor,
    LLMExecutorConfig,
    MethodToolExecutor,
    ToolExecutor,
    ToolResult,
    configure,
    tool,
)
from agent_runtime_framework.runtime.agents.author import AuthorCodeEnded, author_code
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.configuration import fresh_configuration


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    with fresh_configuration():
        yield


def add(a: int, b: int = 1) -> int:
    return a + b


async def wait_and_add(a: int, b: int = 1) -> int:
    await asyncio.sleep(0)
    return a + b


def divide(a: int) -> float:
    return a / 0


async def wait_and_divide(a: int) -> float:
    await asyncio.sleep(0)
    return a / 0


class Calculator:
    """Has the same tools as methods."""

    def __init__(self) -> None:
        self.sum = 0
        self.parser = int

    def add(self, a: int, b: int = 1) -> int:
        return add(a, b)

    async def wait_and_add(self, a: int, b: int = 1) -> int:
        return await wait_and_add(a, b)

    def divide(self, a: int) -> float:
        return divide(a)

    async def wait_and_divide(self, a: int) -> float:
        return await wait_and_divide(a)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": add,
    "wait_and_add": wait_and_add,
    "divide": divide,
    "wait_and_divide": wait_and_divide,
}
EXECUTORS = pytest.mark.parametrize(
    "executor", [CallableToolExecutor(FUNCTIONS), MethodToolExecutor(Calculator())], ids=["callable", "method"]
)


@EXECUTORS
@pytest.mark.parametrize("name", ["add", "wait_and_add"])
async def test_a_tool_may_be_plain_or_async_and_its_result_is_told_as_text(executor: ToolExecutor, name: str) -> None:
    assert await executor.execute(name, {"a": 1, "b": 2}) == "3"
    assert await executor.execute(name=name, arguments={"a": 1}) == "2"


@EXECUTORS
async def test_an_unknown_tool_is_told_to_the_model(executor: ToolExecutor) -> None:
    told = await executor.execute("nothing", {})

    assert told == "Error: Unknown tool 'nothing'"
    assert isinstance(told, str)
    assert type(told) is not str, "the loop cannot tell it from a result"


@EXECUTORS
@pytest.mark.parametrize("name", ["divide", "wait_and_divide"])
async def test_in_production_an_error_is_a_text_apart_and_the_log_gets_the_traceback(
    executor: ToolExecutor, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    configure(debug=False)
    with caplog.at_level(logging.WARNING, "agent_runtime_framework"):
        told = await executor.execute(name, {"a": 1})

    assert told == f"Error executing {name}: division by zero"
    assert type(told) is not str, "the loop cannot tell it from a result"
    assert "return a / 0" in caplog.text


@EXECUTORS
@pytest.mark.parametrize("name", ["divide", "wait_and_divide"])
async def test_in_debug_an_error_reaches_the_caller_with_its_own_traceback(executor: ToolExecutor, name: str) -> None:
    configure(debug=True)
    with pytest.raises(ZeroDivisionError) as raised:
        await executor.execute(name, {"a": 1})

    assert str(raised.traceback[-1].statement).strip() == "return a / 0"


@EXECUTORS
async def test_arguments_that_do_not_fit_are_an_error_of_the_tool(executor: ToolExecutor) -> None:
    assert "unexpected keyword argument 'c'" in await executor.execute("add", {"a": 1, "c": 2})


@pytest.mark.parametrize("name", ["sum", "parser", "__init__", "__class__", "_hidden"])
async def test_what_is_no_method_is_unknown(name: str) -> None:
    assert await MethodToolExecutor(Calculator()).execute(name, {}) == f"Error: Unknown tool '{name}'"


@pytest.mark.parametrize(("result", "told"), [("text", "text"), (None, "None"), ([1], "[1]"), (2.5, "2.5")])
async def test_whatever_a_tool_returns_is_told_as_its_text(result: Any, told: str) -> None:
    assert await CallableToolExecutor({"tool": lambda: result}).execute("tool", {}) == told


async def test_the_content_of_a_tool_result_is_what_the_model_is_told() -> None:
    class Tools(BaseJourneyTools[None]):
        async def save(self) -> ToolResult:
            return ToolResult.ok("Saved", rows=1)

    assert await MethodToolExecutor(Tools(None)).execute("save", {}) == "Saved"
    assert await CallableToolExecutor({"save": lambda: ToolResult.ok("Saved")}).execute("save", {}) == "Saved"


async def test_functions_that_are_added_later_are_not_known() -> None:
    functions: dict[str, Any] = {}
    executor = CallableToolExecutor(functions)
    functions["add"] = add

    assert await executor.execute("add", {"a": 1}) == "Error: Unknown tool 'add'"


async def test_a_plain_tool_does_not_hold_up_the_loop() -> None:
    released = threading.Event()

    def wait() -> bool:
        return released.wait(20)

    call = asyncio.ensure_future(CallableToolExecutor({"wait": wait}).execute("wait", {}))
    await asyncio.sleep(0)
    released.set()
    assert await call == "True"


class Shop:
    """Has methods, and what looks like some."""

    closed = staticmethod(lambda: "no")

    def __init__(self) -> None:
        self.on_change = lambda: "a callback ran"

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")

    @classmethod
    def name(cls) -> str:
        return cls.__name__

    def sell(self) -> ToolResult:
        return ToolResult.fail("sold out")

    async def order(self) -> ToolResult:
        return ToolResult("Ask again tomorrow.", success=False, error="E-17: no database")


@pytest.mark.parametrize("name", ["on_change", "anything", "__init__", "__class__"])
async def test_what_is_no_method_of_the_class_is_an_unknown_tool(name: str) -> None:
    told = await MethodToolExecutor(Shop()).execute(name, {})

    assert (told, getattr(told, "kind", None)) == (f"Error: Unknown tool '{name}'", "unknown")


async def test_methods_of_the_class_itself_are_tools_too() -> None:
    executor = MethodToolExecutor(Shop())

    assert (await executor.execute("name", {}), await executor.execute("closed", {})) == ("Shop", "no")


@pytest.mark.parametrize("executor", [MethodToolExecutor(Shop()), CallableToolExecutor({"sell": Shop().sell})])
async def test_a_result_that_says_it_failed_is_told_as_a_failure(executor: ToolExecutor) -> None:
    told = await executor.execute("sell", {})

    assert (told, getattr(told, "kind", None)) == ("sold out", "error")


@pytest.mark.parametrize("executor", [MethodToolExecutor(Shop()), CallableToolExecutor({"order": Shop().order})])
async def test_of_a_result_that_failed_its_content_is_told_and_not_its_error(executor: ToolExecutor) -> None:
    told = await executor.execute("order", {})

    assert (told, getattr(told, "kind", None)) == ("Ask again tomorrow.", "error")


@dataclass
class Line:
    product: str
    amount: int = 1


class Declared:
    """Has declared tools of its own names, and one method that is not declared."""

    ran: ClassVar[list[bool]] = []

    @tool(name="put-in")
    async def put(self, line: Line) -> str:
        """Put something in."""
        return f"{line.amount} {line.product}"

    @tool
    def pay(self, euros: float) -> ToolResult:
        """Pay, in a thread since it would block."""
        Declared.ran.append(threading.current_thread() is threading.main_thread())
        return ToolResult.ok("Paid.") if euros > 0 else ToolResult.fail("too little")

    async def look(self, line: dict[str, Any]) -> str:
        return str(line)


async def test_a_method_executor_runs_declared_tools_by_their_names_with_converted_arguments() -> None:
    executor = MethodToolExecutor(Declared())
    Declared.ran.clear()

    assert await executor.execute("put-in", {"line": {"product": "tea"}}) == "1 tea"
    assert await executor.execute("pay", {"euros": 2}) == "Paid."
    assert await executor.execute("look", {"line": {"product": "tea"}}) == "{'product': 'tea'}"
    told = await executor.execute("pay", {"euros": 0})
    assert (told, getattr(told, "kind", None)) == ("too little", "error")
    assert Declared.ran == [False, False]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    ("name", "arguments", "wrong"),
    [
        ("put-in", {"line": {}}, "`line`: Object missing required field `product`"),
        ("pay", {"euros": "2"}, "`euros`: Expected `float`, got `str`"),
    ],
)
async def test_a_declared_tool_whose_arguments_do_not_fit_is_not_run_and_the_model_is_told_why(
    name: str, arguments: dict[str, Any], wrong: str, debug: bool
) -> None:
    configure(debug=debug)
    Declared.ran.clear()
    told = await MethodToolExecutor(Declared()).execute(name, arguments)

    assert told == f"Error: the arguments of '{name}' do not fit: {wrong}"
    assert (getattr(told, "kind", None), Declared.ran) == ("invalid", [])


async def test_the_loop_goes_on_after_a_declared_tool_whose_arguments_did_not_fit() -> None:
    script = (calls(("put-in", {"line": {}})), calls(("put-in", {"line": {"product": "tea", "amount": 2}})))
    with ScriptedLLM(*script) as llm:
        config = LLMExecutorConfig(terminal_tools={"put-in"})
        executor = LLMExecutor(llm, MethodToolExecutor(Declared()), config)
        result = await executor.run([{"role": "user", "content": "Tea."}])

    assert (result.response, result.stopped_reason) == ("2 tea", "terminal_tool:put-in")


def test_a_tool_that_cannot_be_declared_is_said_when_its_executor_is_made() -> None:
    class Bad:
        @tool
        def many(self, *names: str) -> None: ...

    with pytest.raises(TypeError, match=r"'names' of .*Bad\.many cannot be given"):
        MethodToolExecutor(Bad())


async def test_a_declared_tool_is_not_called_unchecked_by_the_name_of_its_method() -> None:
    class Tools(BaseJourneyTools[Any]):
        @tool(name="put-in")
        async def put(self, amount: int) -> str:
            return f"{amount} put in"

    executor = MethodToolExecutor(Tools(None))

    assert await executor.execute("put-in", {"amount": 2}) == "2 put in"
    assert await executor.execute("put", {"amount": "all"}) == "Error: Unknown tool 'put'"


async def test_a_declared_tool_with_a_hidden_name_stays_hidden() -> None:
    class Tools(BaseJourneyTools[Any]):
        @tool
        async def _put(self) -> str:
            raise AssertionError("it ran")

    assert await MethodToolExecutor(Tools(None)).execute("_put", {}) == "Error: Unknown tool '_put'"


@pytest.mark.parametrize("raised", [StopIteration(1), StopAsyncIteration(1), SystemExit(1), GeneratorExit()])
async def test_what_would_end_more_than_a_call_of_an_author_s_code_is_an_error_of_that_code(
    raised: BaseException,
) -> None:
    with pytest.raises(AuthorCodeEnded, match=type(raised).__name__) as caught, author_code():
        raise raised
    assert caught.value.__cause__ is raised


async def test_what_an_author_s_code_awaited_and_was_cancelled_is_an_error_and_our_own_end_is_not() -> None:
    with pytest.raises(AuthorCodeEnded, match="was cancelled"), author_code():
        raise asyncio.CancelledError

    async def ours() -> None:
        with author_code():
            await asyncio.Event().wait()

    task = asyncio.ensure_future(ours())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

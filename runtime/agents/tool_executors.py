"""Tool executors: how a tool is found by its name and called; also for whoever writes an `execute_tool`."""

import functools
import inspect
import logging
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol, Self

from ...actors import shown
from ...actors.journey import DeclaredTool, ToolResult, declared_tools
from ...events import InvalidInput, ToolFailure
from ..config import should_swallow_exceptions
from .author import call_author
from .telling import to_be_logged

logger = logging.getLogger("agent_runtime_framework.agents")


class FailedText(str):
    """Is what the model is told of a call that failed: a text by which the loop records `tool.failed`."""

    kind: ToolFailure

    def __new__(cls, text: str, kind: ToolFailure = "error") -> Self:
        """Make the text for one kind of failure."""
        made = super().__new__(cls, text)
        made.kind = kind
        return made


class ToolExecutor(Protocol):
    """Executes tools by name.

    >>> import asyncio
    >>> from agent_runtime_framework import LLMExecutor
    >>> from agent_runtime_framework.testing import ScriptedLLM, calls
    >>> class Shop:
    ...     async def execute(self, name, arguments):
    ...         return f"{arguments['of']} costs 3"
    >>> llm = ScriptedLLM(calls(("price", {"of": "tea"})), "It costs 3.")
    >>> asyncio.run(LLMExecutor(llm, Shop()).run([{"role": "user", "content": "Tea?"}])).messages[-2]["content"]
    'tea costs 3'
    """

    async def execute(self, name: str, arguments: dict[str, Any]) -> str:
        """Run a tool and return what the model is told."""


class CallableToolExecutor:
    """Executes the functions of a dict; they may be `async def` or `def`.

    >>> import asyncio
    >>> from agent_runtime_framework import CallableToolExecutor
    >>> asyncio.run(CallableToolExecutor({"add": lambda a, b: a + b}).execute("add", {"a": 1, "b": 2}))
    '3'
    """

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = dict(functions)

    async def execute(self, name: str, arguments: dict[str, Any]) -> str:
        """Run a function and return its result as text; one that is swallowed comes back as a `FailedText`."""
        return await _told(name, self._run(name, arguments))

    async def _run(self, name: str, arguments: dict[str, Any]) -> Any:
        function = self._functions.get(name)
        return _unknown(name) if function is None else await call_author(functools.partial(function, **arguments))


class MethodToolExecutor:
    """Executes the public methods of an object; they may be `async def` or `def`.

    Those that are declared with `@tool` go by their declared names, and get their arguments checked and converted.

    >>> import asyncio
    >>> from agent_runtime_framework import MethodToolExecutor
    >>> class Tools:
    ...     async def greet(self, name: str) -> str:
    ...         return f"Hello {name}"
    >>> asyncio.run(MethodToolExecutor(Tools()).execute("greet", {"name": "Ada"}))
    'Hello Ada'
    """

    def __init__(self, target: object) -> None:
        declared_tools(type(target))  # what cannot be declared is said now
        self._target = target

    async def execute(self, name: str, arguments: dict[str, Any]) -> str:
        """Run a method and return its result as text; one that is swallowed comes back as a `FailedText`."""
        return await _told(name, run_method(self._target, name, arguments))


async def run_method(target: Any, name: str, arguments: dict[str, Any]) -> Any:
    """Run the method that a tool's name stands for, a declared one with checked and converted arguments."""
    tools = declared_tools(type(target))
    declared: DeclaredTool | None = None if name.startswith("_") else tools.get(name)
    if declared is not None:
        try:
            arguments = declared.convert(arguments)
        except InvalidInput as error:
            return FailedText(str(error), "invalid")
    elif any(name == one.method for one in tools.values()) or not _has_method(target, name):
        # a declared tool goes by its declared name only: by its method's it would be called unchecked
        return _unknown(name)
    method = getattr(target, name if declared is None else declared.method)
    return await call_author(functools.partial(method, **arguments))


def _has_method(target: object, name: str) -> bool:
    """Say whether an object's class has a public method of this name; neither a property nor an attribute is one."""
    # looked up without asking for it, because what asks may run code
    found = inspect.getattr_static(type(target), name, None)
    if name.startswith("_") or isinstance(found, functools.cached_property):
        return False
    return inspect.isroutine(found) or isinstance(found, (staticmethod, classmethod))


def _unknown(name: str) -> FailedText:
    return FailedText(f"Error: Unknown tool '{name}'", "unknown")


async def _told(name: str, running: Awaitable[Any]) -> str:
    """Return what the model is told of a tool that is run: its result as text, or what it raised."""
    try:
        result = await running
    except Exception as error:
        if not should_swallow_exceptions():
            raise
        logger.warning("tool %r raised", name, exc_info=to_be_logged(error))
        return FailedText(f"Error executing {name}: {shown(error)}")
    if isinstance(result, ToolResult) and not result.success:
        return FailedText(str(result))
    return result if isinstance(result, str) else str(result)

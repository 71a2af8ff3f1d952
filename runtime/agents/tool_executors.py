"""Tool executors: how a tool is found by its name and called; also for whoever writes an `execute_tool`."""

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

from ...actors import shown
from ...actors.journey import ToolResult
from ...events import ToolFailure
from ..config import should_swallow_exceptions
from .author import call_author

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
        return await _executed(self._functions.get(name), name, arguments)


class MethodToolExecutor:
    """Executes the public methods of an object; they may be `async def` or `def`.

    >>> import asyncio
    >>> from agent_runtime_framework import MethodToolExecutor
    >>> class Tools:
    ...     async def greet(self, name: str) -> str:
    ...         return f"Hello {name}"
    >>> asyncio.run(MethodToolExecutor(Tools()).execute("greet", {"name": "Ada"}))
    'Hello Ada'
    """

    def __init__(self, target: object) -> None:
        self._target = target

    async def execute(self, name: str, arguments: dict[str, Any]) -> str:
        """Run a method and return its result as text; one that is swallowed comes back as a `FailedText`."""
        return await _executed(self._method(name), name, arguments)

    def _method(self, name: str) -> Callable[..., Any] | None:
        return getattr(self._target, name) if has_method(self._target, name) else None


def has_method(target: object, name: str) -> bool:
    """Say whether an object's class has a public method of this name; neither a property nor an attribute is one."""
    # looked up without asking for it, because what asks may run code
    found = inspect.getattr_static(type(target), name, None)
    if name.startswith("_") or isinstance(found, functools.cached_property):
        return False
    return inspect.isroutine(found) or isinstance(found, (staticmethod, classmethod))


async def _executed(function: Callable[..., Any] | None, name: str, arguments: dict[str, Any]) -> str:
    if function is None:
        return FailedText(f"Error: Unknown tool '{name}'", "unknown")
    try:
        result = await call_author(functools.partial(function, **arguments))
    except Exception as error:
        if not should_swallow_exceptions():
            raise
        logger.warning("tool %r raised", name, exc_info=error)
        return FailedText(f"Error executing {name}: {shown(error)}")
    if isinstance(result, ToolResult) and not result.success:
        return FailedText(str(result))
    return result if isinstance(result, str) else str(result)

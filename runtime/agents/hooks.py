"""Hooks: what an author may watch while a turn runs.

They see live runs only; reading or replaying a log fires none.
"""

import copy
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ...projections import calls_of
from ..config import should_swallow_exceptions
from .author import author_code

logger = logging.getLogger("agent_runtime_framework.agents")


class ExecutorHooks:
    """Does nothing at each point; override what you want to see.

    >>> import asyncio
    >>> from agent_runtime_framework import ExecutorHooks
    >>> class Printing(ExecutorHooks):
    ...     async def on_tool_start(self, name, arguments):
    ...         print(f"calling {name}")
    >>> asyncio.run(Printing().on_tool_start("save_name", {}))
    calling save_name
    """

    async def on_iteration_start(self, iteration: int) -> None:
        """See that the model is about to be asked, for the `iteration`th time in this turn, from 1."""

    async def on_llm_call(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> None:
        """See what the model is asked with."""

    async def on_tool_calls(self, tool_calls: list[dict[str, Any]]) -> None:
        """See which calls the model answered with."""

    async def on_tool_start(self, name: str, arguments: dict[str, Any]) -> None:
        """See that a tool is about to run."""

    async def on_tool_end(self, name: str, result: str) -> None:
        """See what the model is told of a call."""

    async def on_complete(self, response: str, stopped_reason: str) -> None:
        """See how the turn ended."""


class LoggingHooks(ExecutorHooks):
    """Logs each point in one line.

    >>> import asyncio, logging, sys
    >>> from agent_runtime_framework import LoggingHooks
    >>> logging.getLogger("my.hooks").addHandler(logging.StreamHandler(sys.stdout))
    >>> asyncio.run(LoggingHooks(logging.WARNING, "my.hooks").on_tool_start("save_name", {"name": "Ada"}))
    running save_name({'name': 'Ada'})
    """

    def __init__(self, level: int = logging.INFO, logger_name: str | None = None) -> None:
        self._level = level
        self._logger = logging.getLogger(logger_name or "agent_runtime_framework.hooks")

    async def on_iteration_start(self, iteration: int) -> None:
        """Log the iteration."""
        self._logger.log(self._level, "iteration %d", iteration)

    async def on_llm_call(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> None:
        """Log how much the model is asked with."""
        self._logger.log(self._level, "asking the model with %d messages, %d tools", len(messages), len(tools or ()))

    async def on_tool_calls(self, tool_calls: list[dict[str, Any]]) -> None:
        """Log the names of the calls."""
        names = ", ".join(call.name or "nothing that has a name" for call in calls_of({"tool_calls": tool_calls}))
        self._logger.log(self._level, "the model calls %s", names)

    async def on_tool_start(self, name: str, arguments: dict[str, Any]) -> None:
        """Log the call."""
        self._logger.log(self._level, "running %s(%s)", name, arguments)

    async def on_tool_end(self, name: str, result: str) -> None:
        """Log the result."""
        self._logger.log(self._level, "%s gave %s", name, result)

    async def on_complete(self, response: str, stopped_reason: str) -> None:
        """Log the end."""
        self._logger.log(self._level, "done (%s): %s", stopped_reason, response)


class CompositeHooks(ExecutorHooks):
    """Tells several hooks, in order; one that raises does not keep the others from being told, in production.

    >>> import asyncio
    >>> from agent_runtime_framework import CompositeHooks, ExecutorHooks, LoggingHooks
    >>> class Printing(ExecutorHooks):
    ...     async def on_tool_end(self, name, result):
    ...         print(f"{name}: {result}")
    >>> asyncio.run(CompositeHooks([LoggingHooks()]).add(Printing()).on_tool_end("save_name", "Saved."))
    save_name: Saved.
    """

    def __init__(self, hooks: Sequence[ExecutorHooks] = ()) -> None:
        self._hooks = list(hooks)

    def add(self, hook: ExecutorHooks) -> "CompositeHooks":
        """Tell this one too; return self."""
        self._hooks.append(hook)
        return self

    async def on_iteration_start(self, iteration: int) -> None:
        """Tell all."""
        for hook in self._hooks:
            await watched(hook.on_iteration_start, iteration)

    async def on_llm_call(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> None:
        """Tell all."""
        for hook in self._hooks:
            await watched(hook.on_llm_call, messages, tools)

    async def on_tool_calls(self, tool_calls: list[dict[str, Any]]) -> None:
        """Tell all."""
        for hook in self._hooks:
            await watched(hook.on_tool_calls, tool_calls)

    async def on_tool_start(self, name: str, arguments: dict[str, Any]) -> None:
        """Tell all."""
        for hook in self._hooks:
            await watched(hook.on_tool_start, name, arguments)

    async def on_tool_end(self, name: str, result: str) -> None:
        """Tell all."""
        for hook in self._hooks:
            await watched(hook.on_tool_end, name, result)

    async def on_complete(self, response: str, stopped_reason: str) -> None:
        """Tell all."""
        for hook in self._hooks:
            await watched(hook.on_complete, response, stopped_reason)


async def watched(hook: Callable[..., Awaitable[None] | None], *args: Any) -> None:
    """Call one hook, which may be plain or async; in production one that raises is logged and breaks nothing.

    It is told copies, so that what it does to them reaches neither the model, nor a tool, nor the log.
    """
    try:
        with author_code():
            told = hook(*copy.deepcopy(args))
            if isinstance(told, Awaitable):
                await told
    except Exception:
        if not should_swallow_exceptions():
            raise
        logger.exception("the hook %s raised", getattr(hook, "__qualname__", hook))


async def watched_after(hook: Callable[..., Awaitable[None] | None], *args: Any) -> None:
    """Call one hook of something that has happened and is yet to be recorded: what it raises never loses that."""
    try:
        await watched(hook, *args)
    except Exception:
        logger.exception("the hook %s raised; what it was told of stands", getattr(hook, "__qualname__", hook))

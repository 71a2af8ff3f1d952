"""Calling tools: from a call that was recorded as started to the outcome that is recorded of it.

What differs between agents, how a tool is found and what state it works on, is a `ToolRun`; the rest is here, once.
"""

import asyncio
import logging
from typing import Any, Protocol

from msgspec import Struct

from ...actors import EnterJourney, RecordToolFailure, RecordToolReturn, shown
from ...actors.journey import ToolResult
from ...events import ToolFailure
from ...projections import Conversation, OwedToolCall
from ..clock import Clock
from ..config import should_swallow_exceptions
from .asking import Raised
from .author import author_code
from .hooks import ExecutorHooks, watched, watched_after
from .tool_executors import FailedText

logger = logging.getLogger("agent_runtime_framework.agents")


class Ran(Struct, frozen=True):
    """Is what a tool gave, all of it plain.

    Attributes:
        content: what the model is told.
        state, step: the state after it, each top-level field as JSON bytes, and its step.
        failure: the kind of failure, if the tool said itself that it failed.
        error: what the operator should know beyond the content.
        enters: the journey that the call led to, if it led to another.

    """

    content: str
    state: dict[str, bytes]
    step: str
    failure: ToolFailure | None = None
    error: str | None = None
    enters: EnterJourney | None = None


def ran(result: Any, state: dict[str, bytes], step: str) -> Ran:
    """Return what a tool's result says: a text, a `ToolResult`, or whatever has a text."""
    if isinstance(result, FailedText):
        return Ran(str(result), state, step, result.kind)
    if isinstance(result, ToolResult):
        error = None if result.error is None else str(result.error)
        return Ran(str(result.content), state, step, None if result.success else "error", error)
    return Ran(str(result), state, step)


class ToolRun(Protocol):
    """Runs one tool."""

    async def __call__(self, conversation: Conversation, owed: OwedToolCall) -> Ran:
        """Run the tool that is owed; whatever is raised is a failure of the tool."""


class ToolCaller:
    """Calls tools that a conversation owes; every failure is an outcome."""

    def __init__(
        self, run: ToolRun, *, clock: Clock, timeout: float | None, raised: Raised, hooks: ExecutorHooks | None = None
    ) -> None:
        self._run = run
        self._clock = clock
        self._timeout = timeout
        self._raised = raised
        self._hooks = hooks

    async def call(self, conversation: Conversation, owed: OwedToolCall) -> RecordToolReturn | RecordToolFailure:
        """Run a tool and return what it came to."""
        began = self._clock.monotonic()
        outcome = await self._outcome(conversation, owed, began)
        if self._hooks is not None:
            await watched_after(self._hooks.on_tool_end, owed.call.name, outcome.content)
        return outcome

    async def _outcome(
        self, conversation: Conversation, owed: OwedToolCall, began: float
    ) -> RecordToolReturn | RecordToolFailure:
        name = owed.call.name
        limit = asyncio.timeout(self._timeout)
        try:
            if self._hooks is not None:
                await watched(self._hooks.on_tool_start, name, owed.call.arguments)
            async with limit:
                with author_code():  # also an author's state, its tools and its router are made and asked in there
                    done = await self._run(conversation, owed)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                text = f"Error executing {name}: no result within {self._timeout:g} s; the state is unchanged"
                return self._failure(owed, began, "timeout", text)
            fatal = not should_swallow_exceptions()
            if fatal:
                self._raised(conversation.id, conversation.turns, error)
            else:
                logger.warning("%s: tool %r raised", conversation.id, name, exc_info=error)
            text = f"Error executing {name}: {shown(error)}"
            return self._failure(owed, began, "error", text, type(error).__name__, fatal=fatal)
        if done.failure is not None:
            return self._failure(owed, began, done.failure, done.content, done.error)
        return RecordToolReturn(
            answer=owed.answer,
            index=owed.call.index,
            attempt=owed.running.attempt,
            content=done.content,
            state=done.state,
            step=done.step,
            latency_ms=self._since(began),
            enters=done.enters,
        )

    def _failure(
        self,
        owed: OwedToolCall,
        began: float,
        kind: ToolFailure,
        content: str,
        error: str | None = None,
        *,
        fatal: bool = False,
    ) -> RecordToolFailure:
        return RecordToolFailure(
            answer=owed.answer,
            index=owed.call.index,
            attempt=owed.running.attempt,
            kind=kind,
            content=content,
            error=error,
            latency_ms=self._since(began),
            fatal=fatal,
        )

    def _since(self, began: float) -> int:
        return round((self._clock.monotonic() - began) * 1000)

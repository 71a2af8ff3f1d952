"""Performing what a conversation owes: the model is called, a tool is run, and what it came to is returned.

Every failure is an outcome.  Only cancellation passes through, when the effect is no longer owed.
"""

import asyncio
import contextvars
import functools
import inspect
import itertools
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, Protocol

import msgspec

from ...actors import Open, Outcome, RecordAnswer, RecordModelFailure, RecordToolFailure, RecordToolReturn
from ...actors.journey import AgentContext, ToolResult, state_fields, step_of
from ...events import ConversationId, FrameworkError, ModelError, Stored, ToolFailure, Usage, call_id
from ...projections import Conversation, Owed, OwedModelCall, OwedToolCall, Request, render
from ..clock import Clock
from ..models import ModelReply, reply_of, streaming
from ..retry import RetryPolicy
from .binding import BoundJourney

logger = logging.getLogger("agent_runtime_framework.agents")

Told = Callable[[ConversationId, Request, int, str], None]
"""Hears a piece of text from the model: of which conversation and request, its number from 0, the text."""


class Announce(Protocol):
    """Tells followers what was stored."""

    async def __call__(self, stored: Stored) -> None:
        """Publish a stored frame."""


async def _nobody(stored: Stored) -> None:
    """Tell nobody."""


class AgentEffects:
    """Performs the effects of one agent's conversations; implements `actors.Effects`."""

    def __init__(
        self,
        journey: BoundJourney,
        *,
        clock: Clock,
        threads: Executor | None = None,
        retry: RetryPolicy | None = None,
        announce: Announce = _nobody,
        told: Told | None = None,
        context: AgentContext | None = None,
        opening: Open | None = None,
    ) -> None:
        self._journey = journey
        self._clock = clock
        self._threads = threads
        self._retry = retry if retry is not None else RetryPolicy()
        self._announce = announce
        self._told = told
        self._context = context
        self.opening = opening
        self.error: Exception | None = None

    async def open(self, conversation: ConversationId) -> Open:
        """Say how a conversation begins: with what the agent's `load_state` gives, else with its initial state."""
        if self.opening is not None:
            return self.opening
        ctx = AgentContext(run_id=conversation, conversation_id=conversation, input_messages=[], metadata={})
        return self._journey.open(await self.call(self._journey.agent.load_state, ctx))

    async def stored(self, stored: Stored, conversation: Conversation) -> None:  # noqa: ARG002  the protocol's
        """Tell followers."""
        await self._announce(stored)

    def raised(self, conversation: ConversationId, error: Exception) -> None:
        """Keep what author code raised, and say where."""
        self.error = error
        logger.error("%s: the agent's own code raised; the turn failed", conversation, exc_info=error)

    async def perform(self, conversation: Conversation, owed: Owed) -> Outcome:
        """Do what is owed."""
        if isinstance(owed, OwedModelCall):
            return await self._ask_model(conversation, owed.request)
        return await self._run_tool(conversation, owed)

    # --- the model

    async def _ask_model(self, conversation: Conversation, request: Request) -> RecordAnswer | RecordModelFailure:
        if request.not_before is not None:
            await self._clock.sleep(max(request.not_before - self._clock.now(), 0) / 1000)
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._journey.agent.config.model_timeout):
                reply = await self._generate(conversation, request)
        except Exception as error:  # noqa: BLE001  a client may raise anything; it is recorded
            return self._model_failure(request, _as_model_error(error), self._since(began))
        return RecordAnswer(
            request=request.version,
            message=reply.message,
            finish_reason=reply.finish_reason,
            usage=msgspec.convert(reply.usage, Usage, strict=False),
            latency_ms=self._since(began),
            response_id=reply.response_id,
            model=reply.model,
        )

    async def _generate(self, conversation: Conversation, request: Request) -> ModelReply:
        entries = conversation.transcript.window(request.first_turn, request.last_turn)
        messages = render(request.prompt, entries)
        tools = msgspec.json.decode(request.tools) if request.tools else None
        told, streams = self._told, streaming(self._journey.client)
        if told is None or streams is None:
            return reply_of(await self._journey.client.generate(messages, tools=tools, **request.parameters))
        numbers = itertools.count()

        def on_delta(text: str) -> None:
            told(conversation.id, request, next(numbers), text)

        return reply_of(await streams.stream(messages, tools=tools, on_delta=on_delta, **request.parameters))

    def _model_failure(self, request: Request, error: ModelError, latency_ms: int) -> RecordModelFailure:
        wait = self._retry.wait(request.attempt, error.retry_after) if error.transient else None
        retry_at = None if wait is None else self._clock.now() + round(wait * 1000)
        if retry_at is None:
            self.error = error
        return RecordModelFailure(
            request=request.version, kind=error.kind, error=str(error), retry_at=retry_at, latency_ms=latency_ms
        )

    # --- the tools

    async def _run_tool(self, conversation: Conversation, owed: OwedToolCall) -> RecordToolReturn | RecordToolFailure:
        began = self._clock.monotonic()
        name = owed.call.name

        def failure(kind: ToolFailure, content: str, error: str | None = None) -> RecordToolFailure:
            return RecordToolFailure(
                answer=owed.answer,
                index=owed.call.index,
                attempt=owed.running.attempt,
                kind=kind,
                content=content,
                error=error,
                latency_ms=self._since(began),
            )

        limit = asyncio.timeout(self._journey.agent.config.tool_timeout)
        try:
            async with limit:
                content, state = await self._execute(conversation, owed)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                seconds = self._journey.agent.config.tool_timeout
                return failure(
                    "timeout", f"Error executing {name}: no result within {seconds:g} s; the state is unchanged"
                )
            logger.warning("%s: tool %r raised", conversation.id, name, exc_info=error)
            return failure("error", f"Error executing {name}: {error}", type(error).__name__)
        if isinstance(content, ToolResult) and not content.success:
            return failure("error", str(content.content), content.error)
        try:
            fields, step = state_fields(state), step_of(state)
        except FrameworkError as error:
            return failure("error", f"Error executing {name}: {error}", "the state after the call cannot be stored")
        return RecordToolReturn(
            answer=owed.answer,
            index=owed.call.index,
            attempt=owed.running.attempt,
            content=str(content.content if isinstance(content, ToolResult) else content),
            state=fields,
            step=step,
            latency_ms=self._since(began),
        )

    async def _execute(self, conversation: Conversation, owed: OwedToolCall) -> tuple[Any, Any]:
        """Run the author's tool over a state made for this call alone; return its result and the state after it."""
        agent = self._journey.agent
        ctx = self._context if self._context is not None else self._journey.context(conversation)
        state = self._journey.state(conversation)
        tools = agent.create_tools(state, ctx)
        key = f"{conversation.id}@{call_id(owed.answer, owed.call.index)}"
        if hasattr(tools, "idempotency_key"):
            tools.idempotency_key = key
        content = await self.call(agent.execute_tool, tools, owed.call.name, dict(owed.call.arguments))
        return content, getattr(tools, "state", state)

    async def call(self, author: Callable[..., Any], *args: Any) -> Any:
        """Call author code that may be `async def`, which runs on the loop, or `def`, which runs in a thread."""
        if inspect.iscoroutinefunction(author):
            return await author(*args)
        context = contextvars.copy_context()
        work = functools.partial(context.run, author, *args)
        result = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        return await result if isinstance(result, Awaitable) else result

    def _since(self, began: float) -> int:
        return round((self._clock.monotonic() - began) * 1000)


def _as_model_error(error: Exception) -> ModelError:
    if isinstance(error, ModelError):
        return error
    if isinstance(error, TimeoutError):
        return ModelError("the model did not answer in time", kind="timeout", transient=True)
    transient = isinstance(error, OSError)
    return ModelError(
        f"{type(error).__name__}: {error}", kind="unreachable" if transient else "error", transient=transient
    )

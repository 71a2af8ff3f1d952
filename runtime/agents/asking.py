"""Asking the model: from a recorded request to the outcome that is recorded of it."""

import asyncio
import copy
import itertools
from collections.abc import Callable
from typing import TypeAlias

from ...actors import RecordAnswer, RecordModelFailure, described, shown
from ...events import ConversationId, ModelError
from ...projections import Conversation, ModelInput, Request, request_input
from ..clock import Clock
from ..models import LLMClient, ModelReply, reply_of, streaming
from ..retry import RetryPolicy
from .author import author_code
from .guard import Guard
from .hooks import ExecutorHooks, watched, watched_after

Told: TypeAlias = Callable[[ConversationId, Request, int, str], None]
"""Hears a piece of text from the model: of which conversation and request, its number from 0, the text."""

Raised: TypeAlias = Callable[[ConversationId, int, Exception], None]
"""Hears what was raised that ended a turn: of which conversation, the turn's number, the exception."""


class ModelCaller:
    """Asks a model what a conversation owes it; every failure is an outcome."""

    def __init__(
        self,
        client: Callable[[], LLMClient],
        *,
        clock: Clock,
        timeout: float | None,
        retry: RetryPolicy,
        raised: Raised,
        hooks: ExecutorHooks | None = None,
        told: Told | None = None,
        guarded: Callable[[Conversation, Request], Guard | None] = lambda *_: None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._timeout = timeout
        self._retry = retry
        self._raised = raised
        self._hooks = hooks
        self._told = told
        self._guarded = guarded

    async def ask(self, conversation: Conversation, request: Request) -> RecordAnswer | RecordModelFailure:
        """Send a request, once its time has come, and return the answer or why there is none."""
        if request.not_before is not None:
            await self._clock.sleep(max(request.not_before - self._clock.now(), 0) / 1000)
        given = request_input(conversation.transcript, request)
        guard = self._guarded(conversation, request)
        try:
            await self._watch(conversation, given, guard)
        except Exception as error:  # noqa: BLE001  in debug a hook may raise anything
            self._raised(conversation.id, conversation.turns, error)
            return RecordModelFailure(request=request.version, kind="hook_raised", error=described(error))
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                with author_code():
                    reply = await self._generate(conversation.id, request, given, guard)
        except Exception as error:  # noqa: BLE001  a client may raise anything; it is recorded
            return self._failure(conversation, request, error, guard, self._since(began))
        calls = reply.message.get("tool_calls")
        if self._hooks is not None and calls:
            await watched_after(self._hooks.on_tool_calls, calls)
        return RecordAnswer(
            request=request.version,
            message=reply.message,
            finish_reason=reply.finish_reason,
            usage=reply.usage,
            latency_ms=self._since(began),
            response_id=reply.response_id,
            model=reply.model,
        )

    async def _watch(self, conversation: Conversation, given: ModelInput, guard: Guard | None) -> None:
        if self._hooks is not None:
            given = given if guard is None else guard.shown(given)
            rounds = 0 if conversation.turn is None else conversation.turn.rounds
            await watched(self._hooks.on_iteration_start, rounds + 1)
            await watched(self._hooks.on_llm_call, given.messages, given.tools)

    async def _generate(
        self, id_: ConversationId, request: Request, given: ModelInput, guard: Guard | None
    ) -> ModelReply:
        client, parameters = self._client(), copy.deepcopy(given.parameters) if given.parameters else {}
        told, streams = self._told, streaming(client)
        if told is None or streams is None:
            reply = reply_of(await client.generate(given.messages, tools=given.tools, **parameters))
            return reply if guard is None else guard.sealed(reply)
        numbers = itertools.count()

        def on_delta(text: str) -> None:
            told(id_, request, next(numbers), text)

        hear = on_delta if guard is None else guard.telling(on_delta)
        reply = reply_of(await streams.stream(given.messages, tools=given.tools, on_delta=hear, **parameters))
        return reply if guard is None else guard.sealed(reply)

    def _failure(
        self, conversation: Conversation, request: Request, raised: Exception, guard: Guard | None, latency_ms: int
    ) -> RecordModelFailure:
        error = _as_model_error(raised)
        if guard is not None:
            error, raised = guard.failing(error), guard.telling_none(raised)
        wait = self._retry.wait(request.attempt, error.retry_after) if error.transient else None
        if wait is None:
            self._raised(conversation.id, conversation.turns, raised)
        return RecordModelFailure(
            request=request.version,
            kind=error.kind,
            error=shown(error),
            retry_at=None if wait is None else self._clock.now() + round(wait * 1000),
            latency_ms=latency_ms,
        )

    def _since(self, began: float) -> int:
        return round((self._clock.monotonic() - began) * 1000)


def _as_model_error(error: Exception) -> ModelError:
    if isinstance(error, ModelError):
        return error
    if isinstance(error, TimeoutError):
        return ModelError("the model did not answer in time", kind="timeout", transient=True)
    transient = isinstance(error, OSError)
    kind = "unreachable" if transient else "error"
    return ModelError(described(error), kind=kind, transient=transient)

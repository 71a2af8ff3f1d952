"""Running the tools of a journey agent: over a state made for one call, which is read back after it.

A call of a routing tool runs no tool of the author's: what comes of it is that another journey is entered.
"""

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from inspect import isawaitable
from typing import Any

from ...actors.journey import AgentContext
from ...projections import Conversation, OwedToolCall
from .author import call_author
from .binding import BoundJourney, context_of
from .calling import Ran, ran
from .idempotency import durable_key, key_in_run
from .journeys import Journeys

SAVING_BACK = 5.0
"""Seconds that saving a state may take after a tool that raised, or a run that was ended."""

logger = logging.getLogger("agent_runtime_framework.agents")


class JourneyToolRun:
    """Runs one tool of the journey that a conversation is in; implements `ToolRun`.

    With `saves`, a state change that the author announces is saved through the agent's `save_state` at once, and a
    tool that fails after that is saved back.
    """

    def __init__(
        self,
        journeys: Journeys,
        *,
        threads: Executor | None = None,
        context: AgentContext | None = None,
        saves: bool = False,
    ) -> None:
        self._journeys = journeys
        self._threads = threads
        self._context = context
        self._saves = saves

    async def __call__(self, conversation: Conversation, owed: OwedToolCall) -> Ran:
        """Run the tool and return its content and the state after it, or the journey that it led to."""
        ctx = self._context if self._context is not None else context_of(conversation)
        journey = self._journeys.on(conversation)
        to = self._journeys.led_to(journey, owed.call.name)
        if to is not None:
            return await self._enter(conversation, owed, to, ctx)
        agent = journey.agent
        state = journey.state(conversation)
        tools = agent.create_tools(state, ctx)
        if hasattr(tools, "idempotency_key"):
            tools.idempotency_key = self._key(conversation, owed)
        saving = _Saving(lambda changed: self._save(journey, ctx, changed))
        told = getattr(tools, "on_state_change", None)
        announces = self._saves and hasattr(tools, "on_state_change")
        if announces:
            tools.on_state_change = saving.after(told)
        try:
            # a copy, so that what the tool does to its arguments does not reach the transcript
            arguments = copy.deepcopy(owed.call.arguments)
            result = await call_author(agent.execute_tool, tools, owed.call.name, arguments, threads=self._threads)
            after = getattr(tools, "state", state)
            done = ran(result, *journey.fields_of(after))
        except GeneratorExit:  # nothing can be awaited any more
            raise
        except BaseException:  # its time limit cancels it
            try:
                async with asyncio.timeout(SAVING_BACK):  # what has hung once may hang again
                    await saving.undo(journey.state(conversation))
            except Exception:  # what the tool raised is what is told
                logger.exception("%s: the state could not be saved back", conversation.id)
            raise
        finally:
            if announces:  # an author may keep the tools, and give them to another run
                tools.on_state_change = told
        if done.failure is not None:
            await saving.undo(journey.state(conversation))
        return done

    def _key(self, conversation: Conversation, owed: OwedToolCall) -> str:
        if self._context is None:
            return durable_key(conversation, owed)
        return key_in_run(conversation, owed, self._context.run_id)

    async def _enter(self, conversation: Conversation, owed: OwedToolCall, to: BoundJourney, ctx: AgentContext) -> Ran:
        fields, step = dict(conversation.state), conversation.step
        enters = await self._journeys.enter(conversation, owed.call.name, to, ctx, self._threads)
        return Ran(f"Now in {to.name!r}.", fields, step, enters=enters)

    async def _save(self, journey: BoundJourney, ctx: AgentContext, state: Any) -> None:
        await call_author(journey.agent.save_state, ctx, state, threads=self._threads)


class _Saving:
    """Saves a state when it is announced, and remembers whether it did."""

    def __init__(self, save: Callable[[Any], Awaitable[None]]) -> None:
        self._save = save
        self._saved = False

    def after(self, author: Callable[[Any], Any] | None) -> Callable[[Any], Awaitable[None]]:
        """Return a callback that calls the author's first."""

        async def announce(state: Any) -> None:
            outcome = author(state) if author is not None else None
            if isawaitable(outcome):
                await outcome
            self._saved = True
            await self._save(state)

        return announce

    async def undo(self, before: Any) -> None:
        """Save the state from before the call, if another was saved during it."""
        if self._saved:
            await self._save(before)

"""Running the tools of a journey agent: over a state made for one call, which is read back after it."""

import copy
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from inspect import isawaitable
from typing import Any

from ...actors.journey import AgentContext, state_fields, step_of
from ...events import call_id
from ...projections import Conversation, OwedToolCall
from .author import call_author
from .binding import BoundJourney
from .calling import Ran, ran


class JourneyToolRun:
    """Runs one tool of a journey agent; implements `ToolRun`.

    With `saves`, a state change that the author announces is saved through the agent's `save_state` at once, and a
    tool that fails after that is saved back.
    """

    def __init__(
        self,
        journey: BoundJourney,
        *,
        threads: Executor | None = None,
        context: AgentContext | None = None,
        saves: bool = False,
    ) -> None:
        self._journey = journey
        self._threads = threads
        self._context = context
        self._saves = saves

    async def __call__(self, conversation: Conversation, owed: OwedToolCall) -> Ran:
        """Run the tool and return its content and the state after it."""
        agent = self._journey.agent
        ctx = self._context if self._context is not None else self._journey.context(conversation)
        state = self._journey.state(conversation)
        tools = agent.create_tools(state, ctx)
        if hasattr(tools, "idempotency_key"):
            tools.idempotency_key = f"{conversation.id}@{call_id(owed.answer, owed.call.index)}"
        saving = _Saving(lambda changed: self._save(ctx, changed))
        if self._saves and hasattr(tools, "on_state_change"):
            tools.on_state_change = saving.after(tools.on_state_change)
        done = None
        try:
            # a copy, so that what the tool does to its arguments does not reach the transcript
            arguments = copy.deepcopy(owed.call.arguments)
            result = await call_author(agent.execute_tool, tools, owed.call.name, arguments, threads=self._threads)
            after = getattr(tools, "state", state)
            done = ran(result, state_fields(after), step_of(after))
        finally:
            if done is None or done.failure is not None:
                await saving.undo(self._journey.state(conversation))
        return done

    async def _save(self, ctx: AgentContext, state: Any) -> None:
        await call_author(self._journey.agent.save_state, ctx, state, threads=self._threads)


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

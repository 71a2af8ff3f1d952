"""Running the tools of a journey agent: over a state made for one call, which is read back after it.

A call of a routing tool runs no tool of the author's: what comes of it is that another journey is entered.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from inspect import isawaitable
from typing import Any

from msgspec.structs import replace

from ...actors.journey import AgentContext, Redaction, tokens_in
from ...projections import Conversation, OwedToolCall
from .author import call_author
from .binding import BoundJourney
from .calling import Ran, ran
from .context import context_of
from .idempotency import durable_key, key_in_run
from .journeys import Journeys
from .telling import cleaned, knowing

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
        """Run the tool and return its content and the state after it, or the journey that it led to.

        Neither these nor what is raised tell what is secret in the conversation.
        """
        ctx = self._context if self._context is not None else context_of(conversation)
        with self._journeys.telling_none(conversation):
            journey = self._journeys.on(conversation)
            to = self._journeys.led_to(journey, owed.call.name)
            if to is not None:
                return await self._enter(conversation, owed, to, ctx)
            return await self._run(conversation, owed, journey, ctx)

    async def _run(
        self, conversation: Conversation, owed: OwedToolCall, journey: BoundJourney, ctx: AgentContext
    ) -> Ran:
        agent, known = journey.agent, self._journeys.secrets.known(conversation)
        state = journey.state(conversation)
        tools = agent.create_tools(state, ctx)
        if hasattr(tools, "idempotency_key"):
            tools.idempotency_key = self._key(conversation, owed)
        saving = _Saving(lambda changed: self._announced(conversation, journey, ctx, changed))
        told = getattr(tools, "on_state_change", None)
        announces = self._saves and hasattr(tools, "on_state_change")
        if announces:
            tools.on_state_change = saving.after(told)
        try:
            # a copy, so that what the tool does to its arguments does not reach the transcript
            arguments = journey.arguments(conversation, owed.call)
            with knowing(lambda: _known_now(known, journey, tools)):
                result = await call_author(agent.execute_tool, tools, owed.call.name, arguments, threads=self._threads)
            after = getattr(tools, "state", state)
            fields, step = journey.fields_of(after, conversation.root, known, conversation.state)
            done = self._telling_none(ran(result, fields, step), conversation, known)
        except GeneratorExit:  # nothing can be awaited any more
            raise
        except BaseException as error:  # its time limit cancels it
            await self._undo(conversation, journey, saving)
            told_of = cleaned(error, _known_now(known, journey, tools))
            if told_of is error:
                raise
            raise told_of from None
        finally:
            if announces:  # an author may keep the tools, and give them to another run
                tools.on_state_change = told
        if done.failure is not None:
            await saving.undo(journey.state(conversation))
        return done

    async def _undo(self, conversation: Conversation, journey: BoundJourney, saving: "_Saving") -> None:
        """Save the state back after a tool that raised; what that raised is what is told."""
        try:
            async with asyncio.timeout(SAVING_BACK):  # what has hung once may hang again
                with self._journeys.telling_none(conversation):
                    await saving.undo(journey.state(conversation))
        except Exception:
            logger.exception("%s: the state could not be saved back", conversation.id)

    def _telling_none(self, done: Ran, conversation: Conversation, known: Redaction) -> Ran:
        """Return what a tool gave without what is secret before it or after it."""
        secrets = self._journeys.secrets
        if not secrets.marked:
            return done
        known = Redaction(known.values | secrets.values(conversation.root, tokens_in(done.state)), known)
        error = None if done.error is None else known.text(done.error)
        return replace(done, content=known.text(done.content), error=error)

    def _key(self, conversation: Conversation, owed: OwedToolCall) -> str:
        if self._context is None:
            return durable_key(conversation, owed)
        journey = self._journeys.on(conversation)
        return key_in_run(
            conversation,
            owed,
            self._context.run_id,
            opened=lambda call: journey.arguments(conversation, call),
            keyed=journey.secrets.keyed(owed.call.name, conversation.root),
        )

    async def _enter(self, conversation: Conversation, owed: OwedToolCall, to: BoundJourney, ctx: AgentContext) -> Ran:
        fields, step = dict(conversation.state), conversation.step
        enters = await self._journeys.enter(conversation, owed.call.name, to, ctx, self._threads)
        return Ran(f"Now in {to.name!r}.", fields, step, enters=enters)

    async def _announced(
        self, conversation: Conversation, journey: BoundJourney, ctx: AgentContext, state: Any
    ) -> None:
        secrets = self._journeys.secrets
        if secrets.marked:  # what is announced is kept before the call is over
            journey.fields_of(state, conversation.root, secrets.known(conversation), conversation.state)
        await self._save(journey, ctx, state)

    async def _save(self, journey: BoundJourney, ctx: AgentContext, state: Any) -> None:
        await call_author(journey.agent.save_state, ctx, state, threads=self._threads)


def _known_now(known: Redaction, journey: BoundJourney, tools: Any) -> Redaction:
    """Return what is secret once a tool ran: what was before, and what it made so."""
    made = journey.secrets.values_of(getattr(tools, "state", None))
    return Redaction(known.values | made, known) if made else known


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

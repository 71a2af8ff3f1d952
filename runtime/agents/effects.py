"""Performing what a conversation owes, and telling of what was stored: the world, as an actor needs it."""

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import TypeAlias

from msgspec import Struct

from ...actors import HaltTurn, Open, Outcome, SayToAgent
from ...actors.journey import AgentContext
from ...events import ConversationId, Stored
from ...projections import Conversation, Ended, Owed, OwedModelCall
from ..clock import Clock
from ..raised import KEPT, remember
from ..retry import RetryPolicy
from .asking import ModelCaller, Raised, Told
from .author import author_code, call_author
from .calling import ToolCaller, ToolRun
from .context import context_of
from .equipped import loads, saves
from .hooks import ExecutorHooks, watched
from .journey_tools import JourneyToolRun
from .journeys import Journeys

logger = logging.getLogger("agent_runtime_framework.agents")

CLEANING_UP = 1.0
"""Seconds that an author's code has to end once it was cancelled."""


class Performers(Struct, frozen=True):
    """Perform what a turn owes in one journey."""

    model: ModelCaller
    tools: ToolCaller


Performing: TypeAlias = Callable[[Conversation], Performers]
"""Says who performs what a conversation owes, in the journey that it is in."""

Announce: TypeAlias = Callable[[Stored, Conversation], Awaitable[None]]
"""Hears of a frame that was stored, and of the conversation after it, before anything that it owes is performed."""

TellEnd: TypeAlias = Callable[[Conversation, Ended], Awaitable[None]]
"""Hears of a turn that is over, beside the conversation."""

Heard: TypeAlias = Callable[[], bool]
"""Says whether anybody there hears of turns that are over."""

Halted: TypeAlias = Callable[[], Awaitable[bool]]
"""Says, before each model call and tool, whether the turn is to end instead."""


TellQueued: TypeAlias = Callable[[ConversationId, str, int, str], Awaitable[None]]
"""Hears that a message waits, how many are answered before it, and the reason if it is another."""


async def nobody(stored: Stored, conversation: Conversation) -> None:
    """Tell nobody."""


async def unheard(conversation: ConversationId, message_id: str, ahead: int, reason: str) -> None:
    """Tell nobody."""


async def never() -> bool:
    """Let every turn go on."""
    return False


def always() -> bool:
    """Tell of every turn."""
    return True


class TurnEffects:
    """Performs the effects of one agent's conversations; implements `actors.Effects`.

    `performing` is told where to report what was raised.
    """

    def __init__(
        self,
        opening: Callable[[ConversationId, SayToAgent], Awaitable[Open]],
        performing: Callable[[Raised], Performing],
        *,
        announce: Announce = nobody,
        halted: Halted = never,
        ended: TellEnd | None = None,
        heard: Heard = always,
        queued: TellQueued = unheard,
    ) -> None:
        self._opening = opening
        self._performing = performing(self.raised)
        self._announce = announce
        self._halted = halted
        self._ended = ended
        self._heard = heard
        self._queued = queued
        self._telling: dict[ConversationId, asyncio.Task[None]] = {}
        self._tellers: set[asyncio.Task[None]] = set()
        self._errors: dict[tuple[ConversationId, int], Exception] = {}

    async def open(self, conversation: ConversationId, command: SayToAgent) -> Open:
        """Say how a conversation begins with this command."""
        return await self._opening(conversation, command)

    async def perform(self, conversation: Conversation, owed: Owed) -> Outcome | HaltTurn:
        """Do what is owed and return what it came to."""
        if await self._halted():
            return HaltTurn(owed=owed.id, reason="halted")
        performers = self._performing(conversation)
        if isinstance(owed, OwedModelCall):
            return await performers.model.ask(conversation, owed.request)
        return await performers.tools.call(conversation, owed)

    async def stored(self, stored: Stored, conversation: Conversation) -> None:
        """Tell followers; and the author, once a turn is over, beside the conversation."""
        ended = conversation.ended
        if ended is not None and not stored.frame.first <= ended.version <= stored.frame.last:
            ended = None  # that was an earlier turn
        error = None if ended is None else self._errors.pop((conversation.id, ended.turn), None)
        if error is not None and ended is not None and ended.outcome == "failed":
            remember(stored.head.hash, error)  # before anybody hears of the frame
        await self._announce(stored, conversation)
        if self._ended is not None and ended is not None and self._heard():
            telling = self._tell(self._ended, conversation, ended, self._telling.get(conversation.id))
            task = self._telling[conversation.id] = asyncio.get_running_loop().create_task(telling)
            self._tellers.add(task)
            task.add_done_callback(self._tellers.discard)

    async def queued(self, conversation: ConversationId, message_id: str, ahead: int, reason: str = "") -> None:
        """Tell followers that a message waits."""
        await self._queued(conversation, message_id, ahead, reason)

    def raised(self, conversation: ConversationId, turn: int, error: Exception) -> None:
        """Keep what ends a turn until that is recorded, and say where it was raised."""
        self._errors[conversation, turn] = error
        if len(self._errors) > KEPT:
            del self._errors[next(iter(self._errors))]
        logger.error("%s: the turn failed by what was raised", conversation, exc_info=error)

    def telling(self, some: Callable[[ConversationId], bool]) -> list[asyncio.Task[None]]:
        """Return what still tells the author of turns that are over in some conversations."""
        return [task for conversation, task in self._telling.items() if some(conversation)]

    async def told(self, timeout: float) -> None:
        """Wait until the author was told of every turn that is over, for so many seconds at most."""
        if not self._tellers:
            return
        _, late = await asyncio.wait(set(self._tellers), timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            logger.warning("the agent's own code did not end after %d turns, and is ended", len(late))
            await asyncio.wait(late, timeout=CLEANING_UP)

    async def _tell(
        self, tell: TellEnd, conversation: Conversation, ended: Ended, before: asyncio.Task[None] | None
    ) -> None:
        """Tell the author of a turn, after the turn before it: what is saved last is to be what stays."""
        if before is not None:
            await asyncio.wait([before])
        try:
            await tell(conversation, ended)
        except Exception:
            logger.exception("the agent's own code raised after a turn")
        if self._telling.get(conversation.id) is asyncio.current_task():
            del self._telling[conversation.id]


def agent_effects(
    journeys: Journeys,
    *,
    clock: Clock,
    retry: RetryPolicy,
    threads: Executor | None = None,
    announce: Announce = nobody,
    told: Told | None = None,
    queued: TellQueued = unheard,
) -> TurnEffects:
    """Return the effects of an agent's conversations in a worker, where the log is the state.

    The agent's `load_state` is asked once, when a conversation begins; `save_state` is told after each turn, of each
    journey that was on in it.
    """
    agent = journeys.agent

    async def opening(conversation: ConversationId, command: SayToAgent) -> Open:
        state = None
        if loads(agent):
            said = [{"role": "user", "content": command.text}]
            ctx = AgentContext(f"{conversation}-1", conversation, said, copy.deepcopy(command.metadata))
            async with asyncio.timeout(agent.config.tool_timeout):
                state = await call_author(agent.load_state, ctx, threads=threads)
        with author_code():
            return journeys.open(conversation, state)

    async def after_turn(conversation: Conversation, ended: Ended) -> None:
        try:
            await completed(journeys.on(conversation).hooks, ended)
        finally:
            with author_code():
                async with asyncio.timeout(agent.config.tool_timeout):
                    with journeys.telling_none(conversation):
                        for journey, state in journeys.to_save(conversation):
                            ctx = context_of(conversation)
                            await call_author(journey.agent.save_state, ctx, state, threads=threads)

    def heard() -> bool:
        return any(journey.hooks is not None or saves(journey.agent) for journey in journeys)

    def performing(raised: Raised) -> Performing:
        run = JourneyToolRun(journeys, threads=threads)
        return performing_by_journey(journeys, run, clock=clock, retry=retry, raised=raised, told=told)

    return TurnEffects(opening, performing, announce=announce, ended=after_turn, heard=heard, queued=queued)


def performing_by_journey(
    journeys: Journeys, run: ToolRun, *, clock: Clock, retry: RetryPolicy, raised: Raised, told: Told | None = None
) -> Performing:
    """Return who performs in each journey: its model, its limits of time, its hooks; tools are run by `run`."""
    by_name = {
        journey.name: Performers(
            ModelCaller(
                lambda journey=journey: journey.client,  # type: ignore[misc]  # each its own
                clock=clock,
                timeout=journey.agent.config.model_timeout,
                retry=retry,
                raised=raised,
                hooks=journey.hooks,
                told=told,
                guarded=journey.guard,
            ),
            ToolCaller(run, clock=clock, timeout=journey.agent.config.tool_timeout, raised=raised, hooks=journey.hooks),
        )
        for journey in journeys
    }
    return lambda conversation: by_name[journeys.on(conversation).name]


async def completed(hooks: ExecutorHooks | None, ended: Ended) -> None:
    """Tell the hooks that a turn is over with a reply."""
    if hooks is not None and ended.outcome == "completed":
        await watched(hooks.on_complete, ended.text, ended.reason)

"""One turn without a server: the same actor over a log in memory, started for this turn and dropped after it."""

import asyncio
import logging
from typing import Any

from msgspec import Struct

from ...actors import (
    METADATA_LIMIT,
    ConversationActor,
    Delivered,
    Directory,
    Journey,
    Life,
    Open,
    SayToAgent,
    json_size,
)
from ...actors.journey import AgentContext, AgentMessage, AgentResult, Secrets
from ...events import CommandRefused, ConversationId, EventLog, MemoryLog, NoReply, Refused, WriterId
from ...projections import Conversation, Ended, UserMessage, fold, initial, render, state_of
from ..clock import Clock, SystemClock, new_id
from ..raised import raised_in
from ..retry import RetryPolicy
from ..secret_keys import secrets_of_run
from .asking import Raised
from .author import call_author
from .binding import BoundJourney
from .effects import (
    Announce,
    Halted,
    Performing,
    TurnEffects,
    completed,
    never,
    nobody,
    performing_by_journey,
)
from .equipped import EquippedJourney, loads
from .input_messages import split
from .journey_tools import SAVING_BACK, JourneyToolRun
from .journeys import Journeys

logger = logging.getLogger("agent_runtime_framework.agents")

LEAVING = SAVING_BACK + 5.0
"""Seconds that what runs has to end once a run is cancelled: time to save a state back, and some more."""


class TakenTurn(Struct, frozen=True):
    """Is a turn that was taken without a server: the conversation after it, its last frame, the journey that is on."""

    conversation: Conversation
    frame: str
    journey: BoundJourney

    def ended_well(self) -> Ended:
        """Return how the turn ended, with a reply; raises as `ended_well`."""
        return ended_well(self.conversation, self.frame)

    def said(self) -> list[dict[str, Any]]:
        """Return the messages that followed the user's."""
        return said_in(self.conversation, self.conversation.turns)


async def run_turn(
    agent: EquippedJourney[Any, Any, Any], ctx: AgentContext, log: EventLog | None = None
) -> AgentResult:
    """Answer the last user message of `ctx`; messages before it are history, the state comes from `load_state`.

    Raises:
        Refused: the message cannot be taken; the error says why.
        NoReply: the turn ended without a reply; the cause is what was raised, where something was.
        Exception: in debug, what a tool raised, as it was raised.

    """
    taken = await take_turn(agent, ctx, log=log)
    ended = taken.ended_well()
    await completed(taken.journey.hooks, ended)
    return AgentResult(
        response=ended.text,
        messages=[AgentMessage.from_dict(message) for message in taken.said()],
        state=state_of(taken.conversation),
        usage=dict(ended.usage),
        metadata={"reason": ended.reason, "journey": taken.journey.name},
    )


async def take_turn(
    agent: EquippedJourney[Any, Any, Any],
    ctx: AgentContext,
    *,
    log: EventLog | None = None,
    announce: Announce = nobody,
    halted: Halted = never,
    secrets: Secrets | None = None,
) -> TakenTurn:
    """Take a turn from the last user message of `ctx` to its end, whatever that is, and save the state.

    Without `secrets` what is marked is sealed under the master key, or, where there is none, a key of this process.
    """
    journeys, clock = Journeys(agent, context=ctx, secrets=secrets or secrets_of_run()), SystemClock()
    history, text = split(ctx.input_messages, agent.config.history_turns)
    id_ = origin_of(ctx)
    loaded = await call_author(agent.load_state, ctx) if loads(agent) else None
    first = journeys.open(id_, loaded, history)
    effects = _effects(journeys, first, ctx, clock=clock, announce=announce, halted=halted)
    # tools are given `ctx` itself, so its metadata may be anything; what a log would not take is not recorded
    metadata = dict(ctx.metadata) if json_size(ctx.metadata) <= METADATA_LIMIT else {}
    say = SayToAgent(id=str(ctx.run_id), agent=agent.key, text=text, metadata=metadata)
    kept = log if log is not None else MemoryLog(limit=None)
    try:
        after, frame = await converse(id_, say, journeys, effects, clock=clock, log=kept)
    except GeneratorExit:  # nothing can be awaited any more
        raise
    except BaseException:  # what a turn that was cancelled has changed is saved too
        try:
            async with asyncio.timeout(SAVING_BACK):
                await _save(journeys, (await _folded(kept, id_))[0], ctx)
        except Exception:  # what ended the turn is what is raised
            logger.exception("%s: the state could not be saved", id_)
        raise
    await _save(journeys, after, ctx)
    return TakenTurn(after, frame, journeys.on(after))


def origin_of(ctx: AgentContext) -> ConversationId:
    """Return the conversation that a turn without a server is part of; one without any is its own."""
    return ConversationId(str(ctx.conversation_id or ctx.run_id))


def _effects(
    journeys: Journeys, first: Open, ctx: AgentContext, *, clock: Clock, announce: Announce, halted: Halted
) -> TurnEffects:
    async def opening(_conversation: ConversationId, _command: SayToAgent) -> Open:
        return first

    def performing(raised: Raised) -> Performing:
        run = JourneyToolRun(journeys, context=ctx, saves=True)
        return performing_by_journey(journeys, run, clock=clock, retry=RetryPolicy(), raised=raised)

    return TurnEffects(opening, performing, announce=announce, halted=halted)


async def _save(journeys: Journeys, after: Conversation, ctx: AgentContext) -> None:
    """Save the state of each journey that was on."""
    with journeys.telling_none(after):
        for journey, state in journeys.to_save(after) if after.agent else ():
            await call_author(journey.agent.save_state, ctx, state)


async def _folded(log: EventLog, id_: ConversationId) -> tuple[Conversation, str]:
    """Return the conversation, and the hash of its last frame."""
    stored = [stored async for stored in log.read(id_)]
    return fold(initial(id_), [each.frame for each in stored]), stored[-1].head.hash if stored else ""


async def converse(
    conversation: ConversationId,
    say: SayToAgent,
    journey: Journey,
    effects: TurnEffects,
    *,
    clock: Clock,
    log: EventLog,
) -> tuple[Conversation, str]:
    """Take one message from its command to the end of its turn; return the conversation and its last frame's hash.

    Nothing of the turn runs any more then, also where it was cancelled.

    Raises:
        Refused: the message cannot be taken.

    """

    def create(key: str, id_: ConversationId, life: Life) -> ConversationActor:
        return ConversationActor(key, id_, journey=journey, log=log, effects=effects, life=life)

    directory = Directory(WriterId(new_id("run")), now=clock.now, sleep=clock.sleep, create=create)
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    directory.deliver(say.agent, conversation, _delivered(say, over))
    try:
        await over
    finally:
        await directory.end(LEAVING)
    async for stored in log.read(conversation):
        for event in stored.frame.events:
            if isinstance(event, CommandRefused) and event.command_id == say.id:
                raise Refused(f"the message was refused in {conversation!r}: {event.because}")
    return await _folded(log, conversation)


def ended_well(conversation: Conversation, frame: str) -> Ended:
    """Return how the turn ended that this frame recorded the end of, with a reply.

    Raises:
        NoReply: it ended without one.
        Exception: in debug, what a tool raised.

    """
    ended = conversation.ended
    if ended is None:
        raise Refused(f"the message was refused in {conversation.id!r}")
    if ended.outcome == "completed":
        return ended
    raise no_reply(conversation.id, ended, raised_in(frame))


def said_in(conversation: Conversation, turn: int) -> list[dict[str, Any]]:
    """Return the messages of a turn that followed the user's, as they stand among all: no call's id occurs twice."""
    entries = conversation.transcript.window(0, turn)
    spoken = max((at for at, entry in enumerate(entries) if isinstance(entry, UserMessage)), default=-1)
    return render("", entries)[len(render("", entries[: spoken + 1])) :]


def no_reply(conversation: str, ended: Ended, error: Exception | None = None) -> Exception:
    """Return what is raised to whoever awaits the reply of a turn that ended without one.

    In debug that is what a tool raised, if it was raised in this process; else that there is no reply, and why.
    """
    if error is not None and ended.reason == "tool_raised":
        return error
    why = f": {ended.error}" if ended.error else ""
    failure = NoReply(
        f"turn {ended.turn} of {conversation!r} {ended.outcome} ({ended.reason or 'no reason given'}){why}"
    )
    failure.__cause__ = error
    return failure


def _delivered(say: SayToAgent, over: asyncio.Future[None]) -> Delivered:
    def done() -> None:
        if not over.done():
            over.set_result(None)

    def failed(error: Exception) -> None:
        if not over.done():
            over.set_exception(error)

    return Delivered(say, done, failed)

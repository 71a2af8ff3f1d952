"""One turn without a server: the same actor over a log in memory, started for this turn and dropped after it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...actors import ConversationActor, Delivered, Directory, Life, SayToAgent
from ...actors.journey import AgentContext, AgentMessage, AgentResult
from ...events import AgentKey, ConversationId, EventLog, MemoryLog, NoReply, Refused, WriterId
from ...projections import Conversation, Ended, fold, initial, render, state_of
from ..clock import SystemClock, new_id
from .binding import BoundJourney
from .effects import AgentEffects

if TYPE_CHECKING:
    from .journey_agent import JourneyAgent


async def run_turn(agent: "JourneyAgent[Any, Any, Any]", ctx: AgentContext, log: EventLog | None = None) -> AgentResult:
    """Answer the last user message of `ctx`; messages before it are history, the state comes from `load_state`.

    Raises:
        NoReply: the turn ended without a reply; the cause is what was raised, where something was.

    """
    clock = SystemClock()
    journey = BoundJourney(agent)
    history, text = split(ctx.input_messages)
    conversation = ConversationId(str(ctx.conversation_id or ctx.run_id))
    effects = AgentEffects(journey, clock=clock, context=ctx)
    effects.opening = journey.open(await effects.call(agent.load_state, ctx), history)
    kept = log if log is not None else MemoryLog(limit=None)

    def create(key: str, id_: ConversationId, life: Life) -> ConversationActor:
        return ConversationActor(key, id_, journey=journey, log=kept, effects=effects, life=life)

    directory = Directory(WriterId(new_id("run")), now=clock.now, owns=lambda _agent, _id: True, create=create)
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    say = SayToAgent(id=str(ctx.run_id), agent=agent.key, text=text, metadata=dict(ctx.metadata))
    directory.deliver(AgentKey(agent.key), conversation, _delivered(say, over))
    try:
        await over
    finally:
        directory.abandon(lambda _agent, _id: True)
    after = initial(conversation)
    async for stored in kept.read(conversation):
        after = fold(after, [stored.frame])
    await effects.call(agent.save_state, ctx, journey.state(after))
    return _result(after, effects.error)


def split(messages: Sequence[AgentMessage | Mapping[str, Any]]) -> tuple[tuple[dict[str, Any], ...], str]:
    """Return what was said before the last user message, and that message's text."""
    plain = [message.to_dict() if isinstance(message, AgentMessage) else dict(message) for message in messages]
    for at in range(len(plain) - 1, -1, -1):
        content = plain[at].get("content")
        if plain[at].get("role") == "user" and isinstance(content, str):
            return tuple(plain[:at]), content
    return tuple(plain), ""


def _delivered(say: SayToAgent, over: asyncio.Future[None]) -> Delivered:
    def done() -> None:
        if not over.done():
            over.set_result(None)

    def failed(error: Exception) -> None:
        if not over.done():
            over.set_exception(error)

    return Delivered(say, done, failed)


def _result(conversation: Conversation, raised: Exception | None) -> AgentResult:
    ended = conversation.ended
    if ended is None:
        raise Refused(f"the message was refused in {conversation.id!r}")
    if ended.outcome != "completed":
        raise failure(conversation.id, ended) from raised
    said = render("", conversation.transcript.window(ended.turn, ended.turn))[1:]
    return AgentResult(
        response=ended.text,
        messages=[AgentMessage.from_dict(message) for message in said],
        state=state_of(conversation),
        usage={
            "prompt_tokens": ended.usage.prompt_tokens,
            "completion_tokens": ended.usage.completion_tokens,
            "total_tokens": ended.usage.total_tokens,
        },
        metadata={"reason": ended.reason},
    )


def failure(conversation: str, ended: Ended) -> NoReply:
    """Return the error for a turn that ended without a reply."""
    why = f": {ended.error}" if ended.error else ""
    return NoReply(f"turn {ended.turn} of {conversation!r} {ended.outcome} ({ended.reason}){why}")

"""Evolution: what each event makes of a conversation.

`initial()` and `evolve(conversation, event)` are pure and total.  History is never refused: an event that makes no
sense where it stands changes only the version.  Checks live in `actors.decide`.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from immutables import Map
from msgspec import Raw
from msgspec.structs import replace

from ..events import (
    ERASED,
    AgentSpoke,
    AnyEvent,
    CommandRefused,
    ConversationErased,
    ConversationStarted,
    Frame,
    JourneyEntered,
    JourneyRevised,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    StateChanged,
    StepEntered,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnResumed,
    TurnStarted,
    UnknownEvent,
    UserSpoke,
    add_usage,
)
from .calls import calls_of, names_in, text_of, tools_text
from .conversation import Conversation, Left, Standing
from .transcript import AssistantMessage, EarlierMessage, ToolMessage, Transcript, UserMessage
from .turn import POISONED, Answer, Ended, Request, Result, Running, Turn

_TurnEvent = TurnStarted | TurnResumed | TurnCompleted | TurnFailed | TurnCancelled
_ToolEvent = ToolStarted | ToolReturned | ToolFailed
_StateEvent = StateChanged | StepEntered | JourneyEntered | JourneyRevised


def fold(conversation: Conversation, frames: Iterable[Frame]) -> Conversation:
    """Return the conversation after these frames."""
    for frame in frames:
        conversation = begun(conversation, frame)
        for event in frame.events:
            conversation = evolve(conversation, event)
    return conversation


def begun(conversation: Conversation, frame: Frame) -> Conversation:
    """Return the conversation as the events of one more frame find it.

    What stood before a frame that erases may be gone; then that frame has all there is to know.
    """
    if frame.sealed:
        conversation = replace(conversation, withheld=True, lost=conversation.lost or frame.sealed == ERASED)
    if not frame.erases or frame.first == conversation.version + 1:
        return conversation
    return replace(
        conversation,
        version=frame.first - 1,
        agent=frame.agent,
        journey=conversation.journey or frame.agent,
        turns=frame.turn,
        step=frame.step,
    )


def evolve(conversation: Conversation, event: AnyEvent) -> Conversation:
    """Return the conversation after one more event."""
    version = conversation.version + 1
    now = replace(conversation, version=version)
    match event:
        case ModelRequested() | ModelAnswered() | ModelFailed():
            return _model(now, event, version)
        case ToolStarted() | ToolReturned() | ToolFailed():
            return _tool(now, event, version)
        case StateChanged() | StepEntered() | JourneyEntered() | JourneyRevised():
            return _state(now, event)
        case TurnStarted() | TurnResumed() | TurnCompleted() | TurnFailed() | TurnCancelled():
            return _turn(now, event, version)
        case UserSpoke():
            return replace(now, spoken=(version, event), handled=now.handled.set(event.message_id, now.turns + 1))
        case AgentSpoke():
            return replace(now, reply=_reply(now, version, event))
        case ConversationStarted():
            return _started(now, event)
        case CommandRefused():
            return replace(now, handled=now.handled.set(event.command_id, 0))
        case ConversationErased():
            return replace(
                now,
                erased=True,
                withheld=False,  # there is nothing left to withhold
                turn=None,
                spoken=None,
                state={},
                left=Map(),
                transcript=Transcript(),
                ended=None,
                reply=(0, ""),
                edits=(),
                prompts=Standing(),
                tools=Standing(),
            )
        case UnknownEvent():
            return replace(now, unknown=(*now.unknown, event.tag))
        case _:
            assert_never(event)


def _started(now: Conversation, event: ConversationStarted) -> Conversation:
    if event.lineage is not None and now.agent:
        edits = now.edits if event.edits is None else (*now.edits, event.edits)
        root = event.lineage.parent if now.lineage is None else now.root
        return replace(now, lineage=event.lineage, root=root, edits=edits, handled=Map(), poisoned=Map())
    history = tuple(EarlierMessage(message) for message in event.history)
    return replace(
        now,
        agent=event.agent,
        journey=event.agent,
        journey_hash=event.journey_hash,
        lineage=event.lineage,
        state=_fields(event.state),
        step=event.step,
        transcript=now.transcript.add(0, *history) if history else now.transcript,
    )


def _turn(now: Conversation, event: _TurnEvent, version: int) -> Conversation:
    match event:
        case TurnStarted():
            spoke, said = now.spoken or (0, UserSpoke(message_id="", text=""))
            turn = Turn(event.number, said.message_id, spoke, said.metadata, began=version)
            transcript = now.transcript.add(event.number, UserMessage(spoke, said.text))
            return replace(now, turn=turn, turns=event.number, spoken=None, transcript=transcript, reply=(0, ""))
        case TurnResumed():
            return now if now.turn is None else replace(now, turn=replace(now.turn, attempt=event.attempt))
        case TurnCompleted():
            return _end(now, version, "completed", event.reason)
        case TurnFailed():
            failed = _end(now, version, "failed", event.reason, event.error)
            if event.reason != POISONED or now.turn is None:
                return failed
            return replace(failed, poisoned=now.poisoned.set(now.turn.message_id, now.turn.attempt))
        case TurnCancelled():
            cancelled = _end(now, version, "cancelled", event.reason)
            if not event.command_id:  # nobody's command ended it
                return cancelled
            return replace(cancelled, handled=cancelled.handled.set(event.command_id, 0))
        case _:
            assert_never(event)


def _end(now: Conversation, version: int, outcome: str, reason: str, error: str = "") -> Conversation:
    turn = now.turn
    if turn is None:
        return now
    ended = Ended(
        turn.number,
        turn.message_id,
        version,
        outcome,
        reason,
        now.reply[1],
        error,
        turn.usage,
        turn.metadata,
        turn.left,
    )
    return replace(now, turn=None, ended=ended)


def _model(now: Conversation, event: ModelRequested | ModelAnswered | ModelFailed, version: int) -> Conversation:
    turn = now.turn
    if turn is None:
        return now
    match event:
        case ModelRequested():
            prompts, prompt = _stand(now.prompts, version, event.prompt, event.prompt_at)
            offered = tools_text(event.tools) if event.tools else None
            tools, tool_list = _stand(now.tools, version, offered, event.tools_at)
            request = Request(
                version,
                event.attempt,
                event.model,
                event.parameters,
                prompt,
                tool_list,
                event.effects,
                event.first_turn,
                event.last_turn,
                event.request,
                event.not_before,
            )
            turn = replace(turn, request=request, waiting=True, answer=None, offered=frozenset(names_in(tool_list)))
            return replace(now, turn=turn, prompts=prompts, tools=tools)
        case ModelAnswered():
            text, calls = text_of(event.message), calls_of(event.message)
            answer = Answer(version, text, calls, journey=now.journey)
            usage = add_usage(turn.usage, event.usage)
            turn = replace(turn, waiting=False, answer=answer, rounds=turn.rounds + 1, usage=usage)
            entry = AssistantMessage(version, text, calls)
            return replace(now, turn=turn, transcript=now.transcript.add(turn.number, entry))
        case ModelFailed():
            return replace(now, turn=replace(turn, waiting=False))
        case _:
            assert_never(event)


def _stand(standing: Standing, version: int, text: str | None, at: int | None) -> tuple[Standing, str]:
    if text is not None:
        return standing.add(version, text), text
    return standing, "" if at is None else standing.at.get(at, "")


def _tool(now: Conversation, event: _ToolEvent, version: int) -> Conversation:
    turn = now.turn
    if turn is None or turn.answer is None or event.cause != turn.answer.version:
        return now
    answer = turn.answer
    if isinstance(event, ToolStarted):
        running = Running(event.index, event.attempt, event.effect)
        return replace(now, turn=replace(turn, answer=replace(answer, running=running)))
    failed = isinstance(event, ToolFailed)
    result = Result(event.index, version, event.content, not failed)
    answer = replace(answer, running=None, results=(*answer.results, result))
    entry = ToolMessage(version, answer.version, event.index, event.content, failed)
    return replace(
        now,
        turn=replace(turn, answer=answer, last=result),
        transcript=now.transcript.add(turn.number, entry),
    )


def _state(now: Conversation, event: _StateEvent) -> Conversation:
    match event:
        case StateChanged():
            return replace(now, state=state_after(now.state, event))
        case StepEntered():
            return replace(now, step=event.step)
        case JourneyEntered():
            return _entered(now, event)
        case JourneyRevised():
            return replace(now, journey_hash=event.journey_hash)
        case _:
            assert_never(event)


def _entered(now: Conversation, event: JourneyEntered) -> Conversation:
    left = now.left.set(now.journey, Left(now.state, now.step, now.journey_hash))
    again = left.get(event.journey)
    as_left = again if event.resumed else None
    return replace(
        now,
        journey=event.journey,
        journey_hash=event.journey_hash if as_left is None else as_left.journey_hash,
        state=_fields(event.state) if as_left is None else as_left.state,
        step=event.step,
        left=left if again is None else left.delete(event.journey),
        turn=None if now.turn is None else _elsewhere(now.turn, now.journey),
    )


def _elsewhere(turn: Turn, left: str) -> Turn:
    """Return the turn in another journey: what was offered belongs to the one that was left."""
    return replace(turn, offered=frozenset(), left=(*turn.left, left), rounds_before=turn.rounds)


def _reply(now: Conversation, version: int, event: AgentSpoke) -> tuple[int, str]:
    """Return the words of a reply: those of the answer or the tool result that it refers to."""
    turn = now.turn
    if turn is not None and turn.last is not None and turn.last.version == event.cause:
        return version, turn.last.text
    if turn is not None and turn.answer is not None and turn.answer.version == event.cause:
        return version, turn.answer.text
    return version, ""


def _fields(stored: Mapping[str, Raw]) -> dict[str, bytes]:
    # copied, because a Raw keeps the whole frame that it was decoded from alive
    return {name: bytes(value) for name, value in stored.items()}


def state_after(state: Mapping[str, bytes], event: StateChanged) -> dict[str, bytes]:
    """Return a state after a change of it."""
    return {name: value for name, value in state.items() if name not in event.unset} | _fields(event.set)

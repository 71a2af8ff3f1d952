"""Which commands a recorded frame answers: the inverse of `decide`.

A log holds what was decided, not what was asked.  But each frame answers one command (the first one of a conversation
two), and its first events say which; what follows was asked of the journey while it was settled.  So settling the same
commands again by the same journey gives the same events, and by another journey what that one would have decided.
"""

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from ...events import (
    AnyEvent,
    CommandRefused,
    ConversationStarted,
    Frame,
    JourneyEntered,
    JourneyRevised,
    ModelAnswered,
    ModelFailed,
    StateChanged,
    StepEntered,
    ToolFailed,
    ToolReturned,
    TurnCancelled,
    TurnFailed,
    TurnResumed,
    UserSpoke,
)
from ...projections import Conversation, outstanding, state_after
from ..commands import (
    CancelTurn,
    EnterJourney,
    FailTurn,
    HaltTurn,
    InterruptTurn,
    Open,
    RecordAnswer,
    RecordModelFailure,
    RecordToolFailure,
    RecordToolReturn,
    RefuseCommand,
    ResumeTurn,
    SayToAgent,
)

NOT_ASKED = frozenset({"not_storable", "pinned"})
"""Reasons of a turn that ended by what came of it, without the journey being asked any more."""

Answered: TypeAlias = (
    Open
    | SayToAgent
    | InterruptTurn
    | CancelTurn
    | HaltTurn
    | ResumeTurn
    | FailTurn
    | RefuseCommand
    | RecordAnswer
    | RecordModelFailure
    | RecordToolReturn
    | RecordToolFailure
)
"""What a frame may answer."""


class Recorded(Struct, frozen=True):
    """Is what a frame answers; `asks` says whether the journey was asked what follows."""

    commands: tuple[Answered, ...]
    asks: bool = True


def recorded(before: Conversation, frame: Frame) -> Recorded | None:
    """Return the commands that a frame answers, in the terms of the conversation before it.

    None stands for a frame that answers none: the beginning of a fork, an erasure, events of another release.
    """
    events = frame.events
    first = events[0] if events else None
    match first:
        case ConversationStarted(lineage=None):
            rest = _command(before, frame, events[1:])
            return Recorded((_open(first), *(() if rest is None else (rest,))))
        case _:
            command = _command(before, frame, events)
    if command is None:
        return None
    last = events[-1]
    if isinstance(last, TurnFailed) and last.reason in NOT_ASKED:
        failure = FailTurn(reason=last.reason, error=last.error)
        return Recorded((failure,) if isinstance(command, FailTurn) else (command, failure), asks=False)
    return Recorded((command,))


def _open(event: ConversationStarted) -> Open:
    return Open(
        agent=event.agent,
        journey_hash=event.journey_hash,
        state={name: bytes(value) for name, value in event.state.items()},
        step=event.step,
        history=event.history,
    )


def _command(before: Conversation, frame: Frame, events: Sequence[AnyEvent]) -> Answered | None:
    match events[0] if events else None:
        case UserSpoke() as spoke:
            return _say(frame, spoke)
        case CommandRefused(command_id=id_, reason=reason):
            return RefuseCommand(id=id_, reason=reason)
        case TurnResumed() | JourneyRevised():  # a life that goes on with a turn first revises its journey
            return ResumeTurn()
        case ModelAnswered() | ModelFailed() as outcome:
            return _model_outcome(outcome)
        case ToolReturned() as returned:
            return _tool_return(before, frame.first, returned, events)
        case ToolFailed() | TurnCancelled() | TurnFailed():
            return _ending(before, frame, events)
        case _:
            return None


def _say(frame: Frame, spoke: UserSpoke) -> SayToAgent:
    return SayToAgent(id=spoke.message_id, agent=frame.agent, text=spoke.text, metadata=spoke.metadata)


def _model_outcome(event: ModelAnswered | ModelFailed) -> RecordAnswer | RecordModelFailure:
    request = event.cause or 0
    if isinstance(event, ModelFailed):
        return RecordModelFailure(
            request=request, kind=event.kind, error=event.error, retry_at=event.retry_at, latency_ms=event.latency_ms
        )
    return RecordAnswer(
        request=request,
        message=event.message,
        finish_reason=event.finish_reason,
        usage=event.usage,
        latency_ms=event.latency_ms,
        response_id=event.response_id,
        model=event.model,
    )


def _tool_return(
    before: Conversation, version: int, returned: ToolReturned, events: Sequence[AnyEvent]
) -> RecordToolReturn:
    state, step, enters = dict(before.state), before.step, None
    for event in events:
        if event.cause != version:
            continue
        match event:
            case StateChanged():
                state = state_after(state, event)
            case StepEntered():
                step = event.step
            case JourneyEntered():
                fields = None if event.resumed else {name: bytes(value) for name, value in event.state.items()}
                enters = EnterJourney(
                    journey=event.journey, journey_hash=event.journey_hash, state=fields, step=event.step
                )
            case _:
                pass
    return RecordToolReturn(
        answer=returned.cause or 0,
        index=returned.index,
        attempt=_attempt(before),
        content=returned.content,
        state=state,
        step=step,
        latency_ms=returned.latency_ms,
        enters=enters,
    )


def _ending(before: Conversation, frame: Frame, events: Sequence[AnyEvent]) -> Answered | None:
    """Return the command of a frame that begins with what calls came to, or with the end of the turn."""
    cancelled = next((event for event in events if isinstance(event, TurnCancelled)), None)
    if cancelled is not None:
        return _cancellation(before, frame, events, cancelled)
    first, last = events[0], events[-1]
    if isinstance(first, ToolFailed) and _is_outcome(before, first):
        return RecordToolFailure(
            answer=first.cause or 0,
            index=first.index,
            attempt=_attempt(before),
            kind=first.kind,
            content=first.content,
            error=first.error,
            latency_ms=first.latency_ms,
            fatal=isinstance(last, TurnFailed) and last.reason == "tool_raised",
        )
    return FailTurn(reason=last.reason, error=last.error) if isinstance(last, TurnFailed) else None


def _cancellation(
    before: Conversation, frame: Frame, events: Sequence[AnyEvent], cancelled: TurnCancelled
) -> Answered | None:
    if cancelled.command_id:
        return CancelTurn(id=cancelled.command_id, agent=frame.agent, reason=cancelled.reason)
    spoke = next((event for event in events if isinstance(event, UserSpoke)), None)
    if spoke is not None:
        return InterruptTurn(_say(frame, spoke))
    owed = outstanding(before)
    return None if owed is None else HaltTurn(owed=owed.id, reason=cancelled.reason)


def _is_outcome(before: Conversation, failed: ToolFailed) -> bool:
    """Say whether this is what the running call came to by itself; the others are closed with their turn."""
    answer = None if before.turn is None else before.turn.answer
    running = None if answer is None else answer.running
    return running is not None and running.index == failed.index and failed.kind not in ("cancelled", "in_doubt")


def _attempt(before: Conversation) -> int:
    answer = None if before.turn is None else before.turn.answer
    return 0 if answer is None or answer.running is None else answer.running.attempt

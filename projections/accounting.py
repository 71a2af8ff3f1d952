"""Keeping account: frames in, turns and asides out, each as soon as it is over.

The fold goes beside that of the conversation, which knows what an event only refers to; a frame costs the same however
many were before it.  Like that fold it is total: whatever stands where it makes no sense becomes an aside.
"""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..events import (
    AgentSpoke,
    AnyEvent,
    ConversationErased,
    Frame,
    JourneyEntered,
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
    UserSpoke,
    call_id,
)
from .account import Aside, Attempt, CallAccount, Change, Move, Round, Start, Taken, TurnAccount
from .calls import calls_of, names_in, text_of
from .conversation import Conversation
from .evolution import begun, evolve
from .timeline import Recorded
from .turn import Request

Account: TypeAlias = TurnAccount | Aside

_End = TurnCompleted | TurnFailed | TurnCancelled
_Model = ModelRequested | ModelAnswered | ModelFailed
_Tool = ToolStarted | ToolReturned | ToolFailed
_State = StateChanged | StepEntered | JourneyEntered


class Accounting(Struct, frozen=True):
    """Is how far the accounts of a conversation are.

    Attributes:
        conversation: as it is.
        turn: the account of the turn in progress, or None.
        said: what the user said that no turn has taken up, or None.

    """

    conversation: Conversation
    turn: TurnAccount | None = None
    said: Recorded | None = None


def account(now: Accounting, frame: Frame) -> tuple[Accounting, tuple[Account, ...]]:
    """Return the accounts after one more frame, and those that are over with it, in order."""
    over: list[Account] = []
    now = replace(now, conversation=begun(now.conversation, frame))
    for event in frame.events:
        before, after = now.conversation, evolve(now.conversation, event)
        recorded = Recorded(after.id, after.version, frame.time, frame.turn, event)
        now = _entered(replace(now, conversation=after), before, recorded, frame.writer, over)
    return now, tuple(over)


def unfinished(now: Accounting) -> tuple[Account, ...]:
    """Return what is not over where the log ends: the turn in progress, or what nobody has answered yet."""
    over: list[Account] = []
    last = _without_said(now, over)
    return tuple(over) if last.turn is None else (*over, last.turn)


def _entered(now: Accounting, before: Conversation, recorded: Recorded, writer: str, over: list[Account]) -> Accounting:
    event, turn = recorded.event, now.turn
    match event:
        case UserSpoke():
            return replace(_without_said(now, over), said=recorded)
        case TurnStarted():
            if turn is not None:
                over.append(turn)
            return replace(now, turn=_begun(now, recorded, event.number, writer), said=None)
        case ConversationErased() if turn is not None:
            erased = _with_aside(now, Aside(recorded), over)
            over.extend(() if erased.turn is None else (erased.turn,))
            return replace(erased, turn=None)
        case TurnCompleted() | TurnFailed() | TurnCancelled() if turn is not None:
            over.append(_ended(turn, recorded, event))
            return replace(now, turn=None)
    into = None if turn is None else _in_turn(turn, now.conversation, before, recorded, writer)
    if into is None:
        return _with_aside(now, Aside(recorded, _move(before, now.conversation, event)), over)
    return replace(now, turn=into)


def _without_said(now: Accounting, over: list[Account]) -> Accounting:
    return now if now.said is None else _with_aside(replace(now, said=None), Aside(now.said), over)


def _with_aside(now: Accounting, aside: Aside, over: list[Account]) -> Accounting:
    if now.turn is None:
        over.append(aside)
        return now
    return replace(now, turn=replace(now.turn, asides=(*now.turn.asides, aside)))


# --- a turn


def _begun(now: Accounting, recorded: Recorded, number: int, writer: str) -> TurnAccount:
    return TurnAccount(
        conversation=recorded.conversation,
        number=number,
        agent=now.conversation.agent,
        said=now.said,
        began=recorded.version,
        began_at=recorded.time,
        journey=now.conversation.journey,
        step=now.conversation.step,
        lives=(Taken(recorded.version, recorded.time, 1, writer),),
    )


def _ended(turn: TurnAccount, recorded: Recorded, event: _End) -> TurnAccount:
    over = replace(turn, ended=recorded.version, ended_at=recorded.time, reason=event.reason)
    match event:
        case TurnCompleted():
            return replace(over, outcome="completed")
        case TurnFailed():
            return replace(over, outcome="failed", error=event.error)
        case TurnCancelled():
            return replace(over, outcome="cancelled", cancelled_by=event.command_id)
        case _:
            assert_never(event)


def _in_turn(
    turn: TurnAccount, after: Conversation, before: Conversation, recorded: Recorded, writer: str
) -> TurnAccount | None:
    """Return the turn with what is part of its course; None for what is not."""
    event = recorded.event
    round_ = turn.rounds[-1] if turn.rounds else None
    match event:
        case TurnResumed():
            taken = Taken(recorded.version, recorded.time, event.attempt, writer)
            return replace(turn, lives=(*turn.lives, taken))
        case AgentSpoke():
            return replace(turn, reply=after.reply[1], replied=recorded.version)
        case ModelRequested() | ModelAnswered():
            waiting = round_ if round_ is not None and round_.answered is None else None
            rounds = turn.rounds if waiting is None else turn.rounds[:-1]
            return replace(turn, rounds=(*rounds, _asked(waiting, after, recorded, event)))
        case ModelFailed() | ToolStarted() | ToolReturned() | ToolFailed():
            into = None if round_ is None else _in_round(round_, recorded, event, writer)
        case StateChanged() | StepEntered() | JourneyEntered():
            into = None if round_ is None else _moved(round_, event, _move(before, after, event))
        case _:
            return None
    return None if into is None else replace(turn, rounds=(*turn.rounds[:-1], into))


# --- a round


def _asked(
    waiting: Round | None, now: Conversation, recorded: Recorded, event: ModelRequested | ModelAnswered
) -> Round:
    """Return the round that waits, or a new one, with a request or an answer."""
    if isinstance(event, ModelAnswered):
        return _answered(waiting or _where(Round(), now), recorded, event)
    attempt = Attempt(
        version=recorded.version,
        time=recorded.time,
        number=event.attempt,
        not_before=event.not_before,
        hash=event.request,
    )
    if waiting is not None:
        return replace(waiting, attempts=(*waiting.attempts, attempt))
    request = None if now.turn is None else now.turn.request
    return replace(_where(_given(request, recorded.version, event), now), attempts=(attempt,))


def _where(round_: Round, now: Conversation) -> Round:
    return replace(round_, journey=now.journey, journey_hash=now.journey_hash, step=now.step)


def _given(request: Request | None, version: int, event: ModelRequested) -> Round:
    return Round(
        model=event.model,
        parameters=event.parameters,
        prompt="" if request is None else request.prompt,
        prompt_at=event.prompt_at if event.prompt is None else version,
        tools=() if request is None else names_in(request.tools),
        tools_at=version if event.tools else event.tools_at,
        effects=event.effects,
        first_turn=event.first_turn,
        last_turn=event.last_turn,
    )


def _answered(round_: Round, recorded: Recorded, event: ModelAnswered) -> Round:
    calls = calls_of(event.message)
    return replace(
        round_,
        answered=recorded.version,
        answered_at=recorded.time,
        text=text_of(event.message),
        finish_reason=event.finish_reason,
        usage=event.usage,
        latency_ms=event.latency_ms,
        response_id=event.response_id,
        answered_by=event.model,
        calls=tuple(CallAccount(id=call_id(recorded.version, call.index), call=call) for call in calls),
    )


def _in_round(round_: Round, recorded: Recorded, event: ModelFailed | _Tool, writer: str) -> Round | None:
    if not isinstance(event, ModelFailed):
        return _called(round_, recorded, event, writer)
    last = round_.attempts[-1] if round_.attempts else None
    if last is None or last.version != event.cause or last.failed is not None:
        return None
    failed = replace(
        last,
        failed=recorded.version,
        failed_at=recorded.time,
        kind=event.kind,
        error=event.error,
        retry_at=event.retry_at,
        latency_ms=event.latency_ms,
    )
    return replace(round_, attempts=(*round_.attempts[:-1], failed))


# --- a call


def _called(round_: Round, recorded: Recorded, event: _Tool, writer: str) -> Round | None:
    index = event.index
    if event.cause != round_.answered or not 0 <= index < len(round_.calls) or round_.calls[index].outcome:
        return None
    call = round_.calls[index]
    match event:
        case ToolStarted():
            start = Start(recorded.version, recorded.time, event.attempt, event.effect, event.step, writer)
            begun = replace(call, starts=(*call.starts, start))
            return _with_call(round_, index, _judged(begun, event.policy, event.reason))
        case ToolReturned():
            outcome, error = "returned", None
        case ToolFailed():
            outcome, error = event.kind, event.error
            call = _judged(call, event.policy, event.reason)
        case _:
            assert_never(event)
    over = replace(
        call,
        outcome=outcome,
        version=recorded.version,
        time=recorded.time,
        content=event.content,
        error=error,
        latency_ms=event.latency_ms,
    )
    return _with_call(round_, index, over)


def _judged(call: CallAccount, policy: str | None, reason: str) -> CallAccount:
    return call if policy is None else replace(call, policy=policy, policy_reason=reason)


def _with_call(round_: Round, index: int, call: CallAccount) -> Round:
    return replace(round_, calls=(*round_.calls[:index], call, *round_.calls[index + 1 :]))


def _moved(round_: Round, event: _State, move: Move | None) -> Round | None:
    """Return the round with what the outcome of one of its calls did; None if it was none of them."""
    for index, call in enumerate(round_.calls):
        if move is not None and call.version is not None and call.version == event.cause:
            return _with_call(round_, index, replace(call, moves=(*call.moves, move)))
    return None


def _move(before: Conversation, after: Conversation, event: AnyEvent) -> Move | None:
    version = after.version
    match event:
        case StateChanged():
            fields = (*event.set, *event.unset)
            changes = tuple(Change(name, before.state.get(name), after.state.get(name)) for name in fields)
            return Move(version=version, changes=changes)
        case StepEntered():
            return Move(version=version, step=(event.previous, event.step))
        case JourneyEntered():
            changes = tuple(Change(name, None, bytes(value)) for name, value in event.state.items())
            journey, step = (event.previous, event.journey), (before.step, event.step)
            return Move(version=version, changes=changes, step=step, journey=journey, resumed=event.resumed)
        case _:
            return None

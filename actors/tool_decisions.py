"""What the calls of an answer come to: whether the next one runs, what it changes, how open ones are closed."""

from msgspec import Raw

from ..events import (
    STATE_LIMIT,
    Effect,
    JourneyEntered,
    KnownEvent,
    StateChanged,
    StepEntered,
    ToolFailed,
    ToolReturned,
    ToolStarted,
)
from ..projections import Conversation, Turn
from .commands import EnterJourney, RecordToolFailure, RecordToolReturn, RefuseTool, RunTool
from .journey.difference import difference
from .sizes import REASON_LIMIT, cut, size_of

_UNKNOWN_OUTCOME = (
    "Error: '{name}' was started, but its outcome is unknown. It may or may not have taken effect; "
    "nothing was changed in the state. Do not assume either."
)
_NOT_RUN = "Error: this tool was not run, because the turn had ended"
_NOT_FINISHED = (
    "Error: '{name}' was started and did not finish, because the turn had ended. It may have taken effect; "
    "nothing was changed in the state."
)


def verdict(conversation: Conversation, turn: Turn, command: RunTool | RefuseTool) -> tuple[KnownEvent, ...]:
    """Return the start of the next call, or its refusal."""
    answer = turn.answer
    call = None if answer is None else answer.next_call
    if answer is None or call is None:
        return ()
    reason = cut(command.reason, REASON_LIMIT)
    if isinstance(command, RunTool):
        started = ToolStarted(
            cause=answer.version,
            index=call.index,
            effect=command.effect,
            step=conversation.step,
            policy=command.policy,
            reason=reason,
        )
        return (started,)
    refused = ToolFailed(
        cause=answer.version,
        index=call.index,
        kind=command.kind,
        content=cut(command.content),
        policy=command.policy,
        reason=reason,
    )
    return (refused,)


def tool_outcome(
    conversation: Conversation, turn: Turn, command: RecordToolReturn | RecordToolFailure
) -> tuple[KnownEvent, ...]:
    """Return what the running call came to; nothing if this is the outcome of another call or attempt."""
    answer = turn.answer
    if answer is None or answer.running is None or answer.version != command.answer:
        return ()
    if (answer.running.index, answer.running.attempt) != (command.index, command.attempt):
        return ()
    if isinstance(command, RecordToolReturn):
        return _returned(conversation, command)
    failed = ToolFailed(
        cause=answer.version,
        index=command.index,
        kind=command.kind,
        content=cut(command.content),
        error=None if command.error is None else cut(command.error, REASON_LIMIT),
        latency_ms=command.latency_ms,
    )
    return (failed,)


def _returned(conversation: Conversation, command: RecordToolReturn) -> tuple[KnownEvent, ...]:
    changed, unset = ({}, ()) if command.enters is not None else difference(conversation.state, command.state)
    problem = _too_large(changed if command.enters is None else command.enters.state or {})
    if problem is not None:
        return (
            ToolFailed(
                cause=command.answer,
                index=command.index,
                kind="error",
                content=problem,
                latency_ms=command.latency_ms,
            ),
        )
    events: list[KnownEvent] = [
        ToolReturned(
            cause=command.answer, index=command.index, content=cut(command.content), latency_ms=command.latency_ms
        )
    ]
    cause = conversation.version + 1
    if command.enters is not None:
        return (*events, *_entered(conversation, command.enters, cause))
    if changed or unset:
        events.append(StateChanged(cause=cause, set=raw(changed), unset=unset))
    if command.step != conversation.step:
        events.append(StepEntered(cause=cause, previous=conversation.step, step=command.step))
    return tuple(events)


def _too_large(changed: dict[str, bytes]) -> str | None:
    if size_of(changed) <= STATE_LIMIT:
        return None
    largest = max(changed, key=lambda name: len(changed[name]))
    return f"Error: the change of the state is over {STATE_LIMIT} bytes; the largest field is '{largest}'"


def _entered(conversation: Conversation, enters: EnterJourney, cause: int) -> tuple[KnownEvent, ...]:
    if enters.journey == conversation.journey:
        return ()
    left = conversation.left.get(enters.journey) if enters.state is None else None
    return (
        JourneyEntered(
            cause=cause,
            previous=conversation.journey,
            journey=enters.journey,
            journey_hash=enters.journey_hash if left is None else left.journey_hash,
            state=raw(enters.state or {}),
            step=enters.step if left is None else left.step,
            resumed=left is not None,
        ),
    )


def in_doubt(answer: int, index: int, name: str) -> ToolFailed:
    """Return the outcome of a call of which nobody knows whether it took effect."""
    content = _UNKNOWN_OUTCOME.format(name=name)
    return ToolFailed(cause=answer, index=index, kind="in_doubt", content=content)


def closed(turn: Turn, *, begun: bool = True) -> tuple[KnownEvent, ...]:
    """Return an outcome for each call that has none: one that runs and hurts when repeated is in doubt.

    With `begun=False` it is known that the call which is to run was not begun.
    """
    answer = turn.answer
    if answer is None:
        return ()
    running = answer.running if begun else None
    return tuple(
        _unfinished(answer.version, call.index, call.name, running.effect)
        if running is not None and running.index == call.index
        else ToolFailed(cause=answer.version, index=call.index, kind="cancelled", content=_NOT_RUN)
        for call in answer.open_calls
    )


def _unfinished(answer: int, index: int, name: str, effect: Effect) -> ToolFailed:
    if effect == "once":
        return in_doubt(answer, index, name)
    return ToolFailed(cause=answer, index=index, kind="cancelled", content=_NOT_FINISHED.format(name=name))


def raw(fields: dict[str, bytes]) -> dict[str, Raw]:
    """Return fields as an event holds them."""
    return {name: Raw(value) for name, value in fields.items()}

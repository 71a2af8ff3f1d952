"""What an event says, in a few words for people.

An event does not repeat what an earlier one holds, so whoever tells them keeps what the events of the turn in progress
refer to: the calls of its answers, and the words of answers and tool results.
"""

from collections.abc import Mapping
from typing import Final, assert_never

from msgspec import Raw

from ....actors import VERSION_SHOWN
from ....events import (
    AgentSpoke,
    AnyEvent,
    CommandRefused,
    ConversationErased,
    ConversationStarted,
    Edits,
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
    Usage,
    UserSpoke,
)
from ....projections import Call, Recorded, called, calls_of, text_of
from ..console.text import SHOWN, one_line
from .times import local

NO_REASON: Final = "no reason given"
"""Is told of a turn that somebody cancelled without saying why."""

_Model = ModelRequested | ModelAnswered | ModelFailed
_Tool = ToolStarted | ToolReturned | ToolFailed
_Turn = TurnStarted | TurnResumed | TurnCompleted | TurnFailed | TurnCancelled
_State = StateChanged | StepEntered | JourneyEntered | JourneyRevised


class Summaries:
    """Tells events one after another, from the first."""

    def __init__(self) -> None:
        self._calls: dict[int, tuple[Call, ...]] = {}
        self._words: dict[int, str] = {}

    def of(self, recorded: Recorded) -> str:
        """Return what the next event says, on one line."""
        event = recorded.event
        if isinstance(event, TurnStarted):
            self._calls, self._words = {}, {}
        elif isinstance(event, ModelAnswered):
            self._calls[recorded.version] = calls_of(event.message)
            self._words[recorded.version] = text_of(event.message)
        elif isinstance(event, ToolReturned | ToolFailed):
            self._words[recorded.version] = event.content
        return one_line(self._said(event), SHOWN)

    def words(self, version: int | None) -> str:
        """Return the whole text of an answer or a tool result of the turn in progress."""
        return self._words.get(version or 0, "")

    def _said(self, event: AnyEvent) -> str:
        match event:
            case ConversationStarted():
                return _started(event)
            case UserSpoke():
                return event.text
            case AgentSpoke():
                return self.words(event.cause)
            case ToolStarted() | ToolReturned() | ToolFailed():
                return self._tool(event)
            case ModelRequested() | ModelAnswered() | ModelFailed():
                return _model(event)
            case TurnStarted() | TurnResumed() | TurnCompleted() | TurnFailed() | TurnCancelled():
                return _turn(event)
            case StateChanged() | StepEntered() | JourneyEntered() | JourneyRevised():
                return _state(event)
            case CommandRefused():
                return f"{event.command_id}: {event.reason}"
            case ConversationErased():
                return event.reason
            case UnknownEvent():
                return f"not known to this release: {event.raw[:SHOWN].decode(errors='replace')}"
            case _:
                assert_never(event)

    def _tool(self, event: _Tool) -> str:
        calls = self._calls.get(event.cause or 0, ())
        call = calls[event.index] if 0 <= event.index < len(calls) else None
        match event:
            case ToolStarted():
                again = f", attempt {event.attempt}" if event.attempt > 1 else ""
                allowed = "" if event.policy is None else f", {allowed_by_policy(event.reason)}"
                return f"{_name(event, call, whole=True)} [{event.effect}{again}{allowed}]"
            case ToolReturned():
                return f"{_name(event, call)}: {event.content}"
            case ToolFailed(policy="denied"):
                return f"{_name(event, call)} {denied_by_policy(event.reason)}"
            case ToolFailed():
                return f"{_name(event, call)} failed ({event.kind}): {event.content}"
            case _:
                assert_never(event)


def _name(event: _Tool, call: Call | None, *, whole: bool = False) -> str:
    """Return the id of a call and its tool, with what it was called with where the whole call is wanted."""
    if call is None:
        return event.call
    return f"{event.call} {called(call) if whole else call.name or '?'}"


def allowed_by_policy(reason: str) -> str:
    """Return that a policy allowed a call, and why, in words."""
    return f"allowed by policy{f': {reason}' if reason else ''}"


def denied_by_policy(reason: str) -> str:
    """Return that a policy denied a call, and why, in words."""
    return f"denied by policy: {reason}"


def _started(event: ConversationStarted) -> str:
    parts = [f"agent {event.agent}", f"step {event.step}" if event.step else ""]
    if event.lineage is not None:
        parts.append(f"forked from {event.lineage.parent} at version {event.lineage.version}")
    if event.edits is not None:
        parts += edited(event.edits)
    if event.history:
        parts.append(f"{len(event.history)} earlier messages")
    return ", ".join(part for part in parts if part)


def edited(edits: Edits) -> list[str]:
    """Return what a fork does otherwise than its parent, in words."""
    model = [f"answered by {edits.model}"] if edits.model else []
    where = f" in step {edits.step}" if edits.step else ""
    return model if edits.prompt is None else [*model, f"with another prompt{where}: {edits.prompt}"]


def _model(event: _Model) -> str:
    match event:
        case ModelRequested():
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return f"{event.model or 'the model'}{again}, {_offered(event)}"
        case ModelAnswered():
            said = [text_of(event.message), *(called(call) for call in calls_of(event.message))]
            return " ".join(part for part in said if part)
        case ModelFailed():
            again = "" if event.retry_at is None else f" (again at {local(event.retry_at)})"
            return f"{event.kind}: {event.error}{again}"
        case _:
            assert_never(event)


def _offered(event: ModelRequested) -> str:
    if event.tools_at is not None:
        return f"tools as at {event.tools_at}"
    functions = [tool.get("function") for tool in event.tools]
    names = [str(function.get("name")) for function in functions if isinstance(function, dict)]
    return f"offers {', '.join(names)}" if names else "no tools"


def _turn(event: _Turn) -> str:
    match event:
        case TurnStarted():
            return f"turn {event.number}"
        case TurnResumed():
            return f"turn {event.number}, attempt {event.attempt}"
        case TurnCompleted():
            return f"{event.reason}{_tokens(event.usage)}"
        case TurnFailed():
            return f"{event.reason}: {event.error}"
        case TurnCancelled():
            return event.reason or NO_REASON
        case _:
            assert_never(event)


def _tokens(usage: Usage) -> str:
    total = usage.get("total_tokens")
    return f", {total} tokens" if total else ""


def _state(event: _State) -> str:
    match event:
        case StateChanged():
            return ", ".join([*_fields(event.set), *(f"no {name}" for name in event.unset)])
        case StepEntered():
            return f"{event.previous} -> {event.step}"
        case JourneyEntered():
            return f"{event.previous} -> {event.journey}{f', step {event.step}' if event.step else ''}"
        case JourneyRevised():
            return f"{event.previous[:VERSION_SHOWN] or 'no version'} -> {event.journey_hash[:VERSION_SHOWN]}"
        case _:
            assert_never(event)


def _fields(stored: Mapping[str, Raw]) -> list[str]:
    return [f"{name}={bytes(value).decode(errors='replace')}" for name, value in stored.items()]

"""Evolution: what each event makes of a conversation.

`initial()` and `evolve(conversation, event)` are pure and total.  History is never refused: an event that makes no
sense where it stands changes only the version.  Checks live in `actors.decide`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

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
from .calls import calls_of, offered_in, text_of, tools_text
from .conversation import Conversation, Left, Standing
from .transcript import AssistantMessage, EarlierMessage, ToolMessage, Transcript, UserMessage
from .turn import POISONED, Answer, Ended, Request, Result, Running, Turn

E = TypeVar("E", bound=AnyEvent)
_Rule: TypeAlias = Callable[[Conversation, E, int], Conversation]

RULES: Final[dict[type[object], _Rule[Any]]] = {}
"""What each kind of event makes of the conversation before it, given the event's version.

They are found by type: to `match` one of twenty kinds takes longer than most of them do.
"""


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
    if frame.first == conversation.version + 1 and not frame.sealed:
        return conversation
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
    return RULES[type(event)](conversation, event, conversation.version + 1)


def _after(kind: type[E]) -> Callable[[_Rule[E]], _Rule[E]]:
    """Enter a rule for a kind of event."""

    def enter(rule: _Rule[E]) -> _Rule[E]:
        RULES[kind] = rule
        return rule

    return enter


# --- it begins and ends


@_after(ConversationStarted)
def _started(before: Conversation, event: ConversationStarted, version: int) -> Conversation:
    if event.lineage is not None and before.agent:
        return replace(
            before,
            version=version,
            lineage=event.lineage,
            root=event.lineage.parent if before.lineage is None else before.root,
            edits=before.edits if event.edits is None else (*before.edits, event.edits),
            handled=Map(),
            poisoned=Map(),
        )
    history = tuple(EarlierMessage(message) for message in event.history)
    return replace(
        before,
        version=version,
        agent=event.agent,
        journey=event.agent,
        journey_hash=event.journey_hash,
        lineage=event.lineage,
        state=_fields(event.state),
        step=event.step,
        transcript=before.transcript.add(0, *history) if history else before.transcript,
    )


@_after(ConversationErased)
def _erased(before: Conversation, _event: ConversationErased, version: int) -> Conversation:
    return replace(
        before,
        version=version,
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


@_after(UnknownEvent)
def _not_known(before: Conversation, event: UnknownEvent, version: int) -> Conversation:
    return replace(before, version=version, unknown=(*before.unknown, event.tag))


# --- what is said, and the turns


@_after(UserSpoke)
def _said(before: Conversation, event: UserSpoke, version: int) -> Conversation:
    handled = before.handled.set(event.message_id, before.turns + 1)
    return replace(before, version=version, spoken=(version, event), handled=handled)


@_after(CommandRefused)
def _refused(before: Conversation, event: CommandRefused, version: int) -> Conversation:
    return replace(before, version=version, handled=before.handled.set(event.command_id, 0))


@_after(AgentSpoke)
def _replied(before: Conversation, event: AgentSpoke, version: int) -> Conversation:
    return replace(before, version=version, reply=(version, _words(before.turn, event.cause)))


def _words(turn: Turn | None, cause: int | None) -> str:
    """Return the words of a reply: those of the answer or the tool result at the version `cause`."""
    if turn is not None and turn.last is not None and turn.last.version == cause:
        return turn.last.text
    if turn is not None and turn.answer is not None and turn.answer.version == cause:
        return turn.answer.text
    return ""


@_after(TurnStarted)
def _turn_began(before: Conversation, event: TurnStarted, version: int) -> Conversation:
    spoke, said = before.spoken or (0, UserSpoke(message_id="", text=""))
    return replace(
        before,
        version=version,
        turn=Turn(event.number, said.message_id, spoke, said.metadata, began=version),
        turns=event.number,
        spoken=None,
        transcript=before.transcript.add(event.number, UserMessage(spoke, said.text)),
        reply=(0, ""),
    )


@_after(TurnResumed)
def _resumed(before: Conversation, event: TurnResumed, version: int) -> Conversation:
    turn = before.turn
    return replace(before, version=version, turn=None if turn is None else replace(turn, attempt=event.attempt))


@_after(TurnCompleted)
def _completed(before: Conversation, event: TurnCompleted, version: int) -> Conversation:
    return _ended(before, version, "completed", event.reason)


@_after(TurnFailed)
def _failed(before: Conversation, event: TurnFailed, version: int) -> Conversation:
    failed = _ended(before, version, "failed", event.reason, event.error)
    if event.reason != POISONED or before.turn is None:
        return failed
    return replace(failed, poisoned=before.poisoned.set(before.turn.message_id, before.turn.attempt))


@_after(TurnCancelled)
def _cancelled(before: Conversation, event: TurnCancelled, version: int) -> Conversation:
    cancelled = _ended(before, version, "cancelled", event.reason)
    if not event.command_id:  # nobody's command ended it
        return cancelled
    return replace(cancelled, handled=before.handled.set(event.command_id, 0))


def _ended(before: Conversation, version: int, outcome: str, reason: str, error: str = "") -> Conversation:
    turn = before.turn
    if turn is None:
        return replace(before, version=version)
    ended = Ended(
        turn.number,
        turn.message_id,
        version,
        outcome,
        reason,
        before.reply[1],
        error,
        turn.usage,
        turn.metadata,
        turn.left,
    )
    return replace(before, version=version, turn=None, ended=ended)


# --- the model


@_after(ModelRequested)
def _requested(before: Conversation, event: ModelRequested, version: int) -> Conversation:
    turn = before.turn
    if turn is None:
        return replace(before, version=version)
    prompts, prompt = _stand(before.prompts, version, event.prompt, event.prompt_at)
    offered = tools_text(event.tools) if event.tools else None
    tools, tool_list = _stand(before.tools, version, offered, event.tools_at)
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
    turn = replace(turn, request=request, waiting=True, answer=None, offered=offered_in(tool_list))
    return replace(before, version=version, turn=turn, prompts=prompts, tools=tools)


def _stand(standing: Standing, version: int, text: str | None, at: int | None) -> tuple[Standing, str]:
    if text is not None:
        return standing.add(version, text), text
    return standing, "" if at is None else standing.at.get(at, "")


@_after(ModelAnswered)
def _answered(before: Conversation, event: ModelAnswered, version: int) -> Conversation:
    turn = before.turn
    if turn is None:
        return replace(before, version=version)
    text, calls = text_of(event.message), calls_of(event.message)
    answer = Answer(version, text, calls, journey=before.journey)
    usage = add_usage(turn.usage, event.usage)
    return replace(
        before,
        version=version,
        turn=replace(turn, waiting=False, answer=answer, rounds=turn.rounds + 1, usage=usage),
        transcript=before.transcript.add(turn.number, AssistantMessage(version, text, calls)),
    )


@_after(ModelFailed)
def _unanswered(before: Conversation, _event: ModelFailed, version: int) -> Conversation:
    turn = before.turn
    return replace(before, version=version, turn=None if turn is None else replace(turn, waiting=False))


# --- the tools


@_after(ToolStarted)
def _running(before: Conversation, event: ToolStarted, version: int) -> Conversation:
    turn = before.turn
    if turn is None or turn.answer is None or turn.answer.version != event.cause:
        return replace(before, version=version)
    running = Running(event.index, event.attempt, event.effect)
    return replace(before, version=version, turn=replace(turn, answer=replace(turn.answer, running=running)))


@_after(ToolReturned)
def _returned(before: Conversation, event: ToolReturned, version: int) -> Conversation:
    return _came_to(before, event, version, failed=False)


@_after(ToolFailed)
def _not_returned(before: Conversation, event: ToolFailed, version: int) -> Conversation:
    return _came_to(before, event, version, failed=True)


def _came_to(before: Conversation, event: ToolReturned | ToolFailed, version: int, *, failed: bool) -> Conversation:
    turn = before.turn
    if turn is None or turn.answer is None or turn.answer.version != event.cause:
        return replace(before, version=version)
    answer = turn.answer
    result = Result(event.index, version, event.content, not failed)
    entry = ToolMessage(version, answer.version, event.index, event.content, failed)
    return replace(
        before,
        version=version,
        turn=replace(turn, answer=replace(answer, running=None, results=(*answer.results, result)), last=result),
        transcript=before.transcript.add(turn.number, entry),
    )


# --- the state, and where the journey is


@_after(StateChanged)
def _changed(before: Conversation, event: StateChanged, version: int) -> Conversation:
    return replace(before, version=version, state=state_after(before.state, event))


def state_after(state: Mapping[str, bytes], event: StateChanged) -> dict[str, bytes]:
    """Return a state after a change of it."""
    after = {**state}
    for name in event.unset:
        after.pop(name, None)
    return after | _fields(event.set)


def _fields(stored: Mapping[str, Raw]) -> dict[str, bytes]:
    # copied, because a Raw keeps the whole frame that it was decoded from alive
    return {name: bytes(value) for name, value in stored.items()}


@_after(StepEntered)
def _stepped(before: Conversation, event: StepEntered, version: int) -> Conversation:
    return replace(before, version=version, step=event.step)


@_after(JourneyRevised)
def _revised(before: Conversation, event: JourneyRevised, version: int) -> Conversation:
    return replace(before, version=version, journey_hash=event.journey_hash)


@_after(JourneyEntered)
def _entered(before: Conversation, event: JourneyEntered, version: int) -> Conversation:
    left = before.left.set(before.journey, Left(before.state, before.step, before.journey_hash))
    again = left.get(event.journey)
    as_left = again if event.resumed else None
    return replace(
        before,
        version=version,
        journey=event.journey,
        journey_hash=event.journey_hash if as_left is None else as_left.journey_hash,
        state=_fields(event.state) if as_left is None else as_left.state,
        step=event.step,
        left=left if again is None else left.delete(event.journey),
        turn=None if before.turn is None else _elsewhere(before.turn, before.journey),
    )


def _elsewhere(turn: Turn, left: str) -> Turn:
    """Return the turn in another journey: what was offered belongs to the one that was left."""
    return replace(turn, offered=frozenset(), left=(*turn.left, left), rounds_before=turn.rounds)

"""What a command comes to: `decide(conversation, command)`, pure, the only place where events are made.

A command that has had its effect, or that no longer applies, comes to nothing: an empty tuple.  A person's command that
cannot be taken comes to `command.refused`.
"""

from typing import assert_never

import msgspec

from ..events import (
    QUEUE_LIMIT,
    STATE_LIMIT,
    TEXT_LIMIT,
    AgentSpoke,
    CommandRefused,
    ConversationStarted,
    KnownEvent,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    TooLarge,
    ToolFailed,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnResumed,
    TurnStarted,
    UserSpoke,
)
from ..projections import (
    POISONED,
    RENDERER,
    Conversation,
    Request,
    Turn,
    UserMessage,
    evolve,
    outstanding,
    request_hash,
)
from .commands import (
    AskModel,
    CancelTurn,
    Command,
    EndTurn,
    FailTurn,
    HaltTurn,
    InterruptTurn,
    Open,
    RecordAnswer,
    RecordModelFailure,
    RecordToolFailure,
    RecordToolReturn,
    RefuseCommand,
    RefuseTool,
    ResumeTurn,
    ReviseJourney,
    RunTool,
    SayToAgent,
)
from .edits import edited
from .erasing import ERASED, EraseConversation, erasure
from .revision import revised
from .sizes import REASON_LIMIT, cut, json_size, size_of
from .tool_decisions import closed, in_doubt, raw, tool_outcome, verdict

METADATA_LIMIT = 64 * 1024
"""Bytes of JSON that may come with a message."""

POISON = 5
"""A turn that four workers ended or broke in fails, and is not tried a fifth time: something in it ends workers."""


def decide(conversation: Conversation, command: Command | EraseConversation) -> tuple[KnownEvent, ...]:
    """Return the events that `command` comes to, none if it has no effect here.

    Raises:
        TooLarge: a first state, or one that a new version made, that no frame can hold.

    """
    match command:
        case SayToAgent():
            return _say(conversation, command)
        case InterruptTurn():
            return _interrupt(conversation, command.say)
        case CancelTurn():
            return _cancel(conversation, command)
        case RefuseCommand():
            return () if command.id in conversation.handled else (_refusal(command.id, command.reason),)
        case Open():
            return _open(conversation, command)
        case ReviseJourney():
            return revised(conversation, command)
        case EraseConversation():
            return erasure(conversation, command)
        case _:
            turn = conversation.turn
            return () if turn is None else _in_turn(conversation, turn, command)


def _in_turn(
    conversation: Conversation,
    turn: Turn,
    command: AskModel
    | RunTool
    | RefuseTool
    | EndTurn
    | FailTurn
    | HaltTurn
    | ResumeTurn
    | RecordAnswer
    | RecordModelFailure
    | RecordToolReturn
    | RecordToolFailure,
) -> tuple[KnownEvent, ...]:
    match command:
        case RecordAnswer() | RecordModelFailure():
            return _model_outcome(conversation, turn, command)
        case RecordToolReturn() | RecordToolFailure():
            return _tool_outcome(conversation, turn, command)
        case RunTool() | RefuseTool():
            return verdict(conversation, turn, command)
        case AskModel():
            return _ask(conversation, turn, command)
        case EndTurn():
            return _end(conversation, turn, command)
        case HaltTurn():
            owed = outstanding(conversation)
            if owed is None or owed.id != command.owed:
                return ()
            end = TurnCancelled(command_id="", reason=command.reason, usage=turn.usage, cause=turn.began)
            return (*closed(turn, begun=False), end)
        case FailTurn():
            return (*closed(turn), _failure(turn, command.reason, command.error))
        case ResumeTurn():
            return _resume(conversation, turn, command)
        case _:
            assert_never(command)


# --- what people send ---------------------------------------------------------------------------------------------


def _open(conversation: Conversation, command: Open) -> tuple[KnownEvent, ...]:
    if conversation.agent or conversation.erased:
        return ()
    if size_of(command.state) > STATE_LIMIT:
        raise TooLarge(f"the first state of {conversation.id!r} has more than {STATE_LIMIT} bytes")
    return (
        ConversationStarted(
            agent=command.agent,
            journey_hash=command.journey_hash,
            state=raw(command.state),
            step=command.step,
            history=command.history,
        ),
    )


def _say(conversation: Conversation, command: SayToAgent) -> tuple[KnownEvent, ...]:
    if command.id in conversation.handled:
        return ()
    reason = refusal_of(conversation, command)
    if reason is not None:
        return (_refusal(command.id, reason),)
    spoke = conversation.version + 1
    return (
        UserSpoke(message_id=command.id, text=command.text, metadata=command.metadata),
        TurnStarted(number=conversation.turns + 1, cause=spoke),
    )


def _interrupt(conversation: Conversation, say: SayToAgent) -> tuple[KnownEvent, ...]:
    turn = conversation.turn
    if turn is None or say.id in conversation.handled:
        return _say(conversation, say)
    end = TurnCancelled(command_id="", reason=f"interrupted by message {say.id}", usage=turn.usage, cause=turn.began)
    ending, over = (*closed(turn), end), conversation
    for event in ending:
        over = evolve(over, event)
    if refusal_of(over, say) is not None:  # a message that cannot be taken interrupts nothing
        return _say(over, say)
    return (*ending, *_say(over, say))


def refusal_of(conversation: Conversation, command: SayToAgent) -> str | None:
    """Return why this message cannot be taken now, or None if it can."""
    if conversation.erased:
        return ERASED
    if conversation.agent and conversation.agent != command.agent:
        return _another_agents(conversation, command.agent)
    if conversation.turn is not None:
        return "a turn is in progress"
    if json_size(command.text) > TEXT_LIMIT:
        return f"the text has more than {TEXT_LIMIT} bytes"
    if json_size(command.metadata) > METADATA_LIMIT:
        return f"the metadata has more than {METADATA_LIMIT} bytes"
    return None


def overflow(command: SayToAgent) -> RefuseCommand:
    """Return the refusal of a message that finds `QUEUE_LIMIT` others waiting."""
    return RefuseCommand(id=command.id, reason=f"{QUEUE_LIMIT} messages are waiting in this conversation already")


def _cancel(conversation: Conversation, command: CancelTurn) -> tuple[KnownEvent, ...]:
    turn = conversation.turn
    if command.id in conversation.handled:
        return ()
    if conversation.agent and conversation.agent != command.agent:
        return (_refusal(command.id, _another_agents(conversation, command.agent)),)
    if turn is None:
        return (_refusal(command.id, "no turn is in progress"),)
    reason = cut(command.reason, REASON_LIMIT)
    end = TurnCancelled(command_id=command.id, reason=reason, usage=turn.usage, cause=turn.began)
    return (*closed(turn), end)


def _another_agents(conversation: Conversation, agent: str) -> str:
    return f"the conversation belongs to agent {conversation.agent!r}, not to {agent!r}"


def _refusal(id_: str, reason: str) -> CommandRefused:
    return CommandRefused(command_id=id_, reason=cut(reason, REASON_LIMIT))


# --- the model ----------------------------------------------------------------------------------------------------


def _ask(conversation: Conversation, turn: Turn, command: AskModel) -> tuple[KnownEvent, ...]:
    if turn.waiting:
        return ()
    command = edited(conversation, command)
    last = turn.number
    request = Request(
        version=conversation.version + 1,
        attempt=1,
        model=command.model,
        parameters=command.parameters,
        prompt=command.prompt,
        tools=command.tools,
        effects=command.effects,
        first_turn=_first_of(conversation, last, command.history_turns),
        last_turn=last,
        hash="",
    )
    prompt_at = conversation.prompts.where.get(command.prompt)
    tools_at = conversation.tools.where.get(command.tools)
    event = ModelRequested(
        cause=turn.began if turn.last is None else turn.last.version,
        model=command.model,
        parameters=command.parameters,
        prompt=command.prompt if command.prompt and prompt_at is None else None,
        prompt_at=prompt_at,
        tools=tuple(msgspec.json.decode(command.tools)) if command.tools and tools_at is None else (),
        tools_at=tools_at,
        effects=command.effects,
        first_turn=request.first_turn,
        last_turn=last,
        renderer=RENDERER,
        request=request_hash(conversation.transcript, request),
    )
    return (event,)


def _first_of(conversation: Conversation, last: int, history_turns: int | None) -> int:
    """Return the first turn that the model is given: so many before the last, which is always whole."""
    if history_turns is None:
        return 0
    spoken = conversation.transcript.window(last, last)[:1]
    silent = all(isinstance(entry, UserMessage) and not entry.text for entry in spoken)
    # a turn without words of the user's goes on with what was said before, so that is part of it
    return max(last - max(history_turns, int(silent)), 0)


def _ask_again(
    conversation: Conversation, request: Request, cause: int, attempt: int, not_before: int | None
) -> ModelRequested:
    """Return the same request once more: same texts, same window, rendered as this release does."""
    return ModelRequested(
        cause=cause,
        attempt=attempt,
        model=request.model,
        parameters=request.parameters,
        prompt_at=conversation.prompts.where.get(request.prompt),
        tools_at=conversation.tools.where.get(request.tools),
        effects=request.effects,
        first_turn=request.first_turn,
        last_turn=request.last_turn,
        renderer=RENDERER,
        request=request_hash(conversation.transcript, request),
        not_before=not_before,
    )


def _model_outcome(
    conversation: Conversation, turn: Turn, command: RecordAnswer | RecordModelFailure
) -> tuple[KnownEvent, ...]:
    if not turn.waiting or turn.request is None or turn.request.version != command.request:
        return ()
    if isinstance(command, RecordAnswer):
        return (
            ModelAnswered(
                cause=command.request,
                message=command.message,
                finish_reason=command.finish_reason,
                usage=command.usage,
                latency_ms=command.latency_ms,
                response_id=command.response_id,
                model=command.model,
            ),
        )
    failed = ModelFailed(
        cause=command.request,
        kind=command.kind,
        error=cut(command.error, REASON_LIMIT),
        retry_at=command.retry_at,
        latency_ms=command.latency_ms,
    )
    if command.retry_at is None:
        return (failed, _failure(turn, f"model_{command.kind}", command.error))
    attempt = turn.request.attempt + 1
    return (failed, _ask_again(conversation, turn.request, conversation.version + 1, attempt, command.retry_at))


def _tool_outcome(
    conversation: Conversation, turn: Turn, command: RecordToolReturn | RecordToolFailure
) -> tuple[KnownEvent, ...]:
    outcome = tool_outcome(conversation, turn, command)
    if not outcome or not isinstance(command, RecordToolFailure) or not command.fatal:
        return outcome
    rest = (event for event in closed(turn) if not isinstance(event, ToolFailed) or event.index != command.index)
    return (*outcome, *rest, _failure(turn, "tool_raised", command.content))


# --- the turn -----------------------------------------------------------------------------------------------------


def _resume(conversation: Conversation, turn: Turn, command: ResumeTurn) -> tuple[KnownEvent, ...]:
    if command.revision is not None:
        revision = revised(conversation, command.revision)
        for event in revision:
            conversation = evolve(conversation, event)
        return (*revision, *_resume(conversation, turn, ResumeTurn()))
    resumed = TurnResumed(cause=turn.began, number=turn.number, attempt=turn.attempt + 1)
    if resumed.attempt >= POISON:
        error = f"{resumed.attempt - 1} workers ended or broke in this turn; it is not tried again"
        return (resumed, *closed(turn), _failure(turn, POISONED, error))
    request = turn.request
    if turn.waiting and request is not None:
        # another life's request counts as the same attempt: retries are for the model's failures
        again = _ask_again(conversation, request, conversation.version + 1, request.attempt, request.not_before)
        return (resumed, again)
    answer = turn.answer
    if answer is None or answer.running is None:
        return (resumed,)
    running = answer.running
    if running.effect == "once":
        name = answer.calls[running.index].name if 0 <= running.index < len(answer.calls) else ""
        return (resumed, in_doubt(answer.version, running.index, name))
    once_more = ToolStarted(
        cause=answer.version,
        index=running.index,
        effect=running.effect,
        attempt=running.attempt + 1,
        step=conversation.step,
    )
    return (resumed, once_more)


def _end(conversation: Conversation, turn: Turn, command: EndTurn) -> tuple[KnownEvent, ...]:
    if command.spoken is None:
        return (TurnCompleted(cause=turn.began, reason=command.reason, usage=turn.usage),)
    return (
        AgentSpoke(cause=command.spoken),
        TurnCompleted(cause=conversation.version + 1, reason=command.reason, usage=turn.usage),
    )


def _failure(turn: Turn, reason: str, error: str) -> TurnFailed:
    return TurnFailed(cause=turn.began, reason=reason, error=cut(error, REASON_LIMIT), usage=turn.usage)

"""The rows of a turn and of a frame, made of their accounts: what a log means is understood there alone."""

from collections.abc import Iterator

import msgspec
from msgspec import Raw

from ..events import Stored, UnknownEvent, UserSpoke, encode_event
from .account import Attempt, Round, TurnAccount
from .calls import DEEPEST, depth
from .deciding import decisions_of
from .decision import ToolDecision
from .tables import EventRow, ModelCallRow, Row, Time, ToolCallRow, TurnRow

_encoder = msgspec.json.Encoder()
_fields = msgspec.json.Decoder(dict[str, Raw])
_EMPTY = Raw(b"{}")


def event_rows(stored: Stored) -> Iterator[EventRow]:
    """Yield the rows of a frame's events."""
    frame = stored.frame
    for version, event in frame.numbered():
        tag = event.tag if isinstance(event, UnknownEvent) else str(type(event).__struct_config__.tag)
        yield EventRow(
            conversation=stored.conversation,
            version=version,
            time=Time(frame.time),
            turn=frame.turn,
            step=frame.step,
            agent=frame.agent,
            type=tag,
            cause=event.cause,
            writer=frame.writer,
            command=frame.command or None,
            position=stored.head.position,
            data=_unknown(event) if isinstance(event, UnknownEvent) else _own(encode_event(event), tag, event.cause),
        )


def _own(data: bytes, tag: str, cause: int | None) -> Raw:
    """Return an event's own fields; its tag and its cause come first in what is encoded, and stand in columns."""
    before = len(tag) + 10 + (0 if cause is None else len(str(cause)) + 9)
    rest = data[before + 1 :]
    return sound(b"{" + rest) if rest else _EMPTY


def _unknown(event: UnknownEvent) -> Raw:
    fields = _fields.decode(event.raw)
    return sound(_encoder.encode({name: value for name, value in fields.items() if name not in ("type", "cause")}))


def sound(data: bytes) -> Raw:
    """Return JSON that any database takes: as it is, or as one text where it is nested too deep or is no UTF-8."""
    brackets = data.count(b"[") + data.count(b"{")
    try:
        text = "" if brackets <= DEEPEST and data.isascii() else data.decode()
    except UnicodeDecodeError:
        return Raw(_encoder.encode(data.decode(errors="backslashreplace")))
    return Raw(data if brackets <= DEEPEST or depth(text) <= DEEPEST else _encoder.encode(text))


def turn_rows(turn: TurnAccount) -> Iterator[Row]:
    """Yield the rows of a turn, of its questions to the model and of its tool calls."""
    yield turn_row(turn)
    for number, round_ in enumerate(turn.rounds, 1):
        last = round_.attempts[-1] if round_.attempts else None
        for attempt in round_.attempts or (None,):
            yield _model_call(turn, number, round_, attempt, answered=attempt is last and round_.answered is not None)
    for decision in decisions_of(turn):
        yield tool_call_row(decision)


def turn_row(turn: TurnAccount) -> TurnRow:
    """Return the row of a turn."""
    usage, said = turn.usage, turn.said
    spoke = None if said is None else said.event
    return TurnRow(
        conversation=turn.conversation,
        agent=turn.agent,
        turn=turn.number,
        journey=turn.journey,
        step=turn.step,
        message_id=spoke.message_id if isinstance(spoke, UserSpoke) else None,
        message=None if said is None else turn.text,
        reply=None if turn.replied is None else turn.reply,
        outcome=turn.outcome or None,
        reason=turn.reason or None,
        error=turn.error or None,
        cancelled_by=turn.cancelled_by or None,
        began=turn.began,
        began_at=Time(turn.began_at),
        replied=turn.replied,
        ended=turn.ended,
        ended_at=_time(turn.ended_at),
        whole_ms=turn.whole_ms,
        model_ms=turn.model_ms,
        tool_ms=turn.tool_ms,
        lives=len(turn.lives),
        rounds=len(turn.rounds),
        model_failures=sum(round_.failures for round_ in turn.rounds),
        tool_calls=len(turn.calls),
        tokens=usage.get("total_tokens"),
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
    )


def _model_call(
    turn: TurnAccount, number: int, round_: Round, attempt: Attempt | None, *, answered: bool
) -> ModelCallRow:
    """Return the row of one attempt; the answer is that of the last."""
    asked = ModelCallRow(
        conversation=turn.conversation,
        agent=turn.agent,
        turn=turn.number,
        round=number,
        attempt=1 if attempt is None else attempt.number,
        request=None if attempt is None else attempt.version,
        requested_at=None if attempt is None else Time(attempt.time),
        not_before=None if attempt is None else _time(attempt.not_before),
        request_hash=None if attempt is None else attempt.hash or None,
        journey=round_.journey,
        journey_hash=round_.journey_hash,
        step=round_.step,
        model=round_.model,
        parameters=sound(_encoder.encode(round_.parameters)),
        prompt_at=round_.prompt_at,
        tools_at=round_.tools_at,
        offered=round_.tools,
        first_turn=round_.first_turn,
        last_turn=round_.last_turn,
    )
    if answered:
        return _answered(asked, round_)
    return asked if attempt is None or attempt.failed is None else _failed(asked, attempt)


def _answered(asked: ModelCallRow, round_: Round) -> ModelCallRow:
    usage = round_.usage
    return msgspec.structs.replace(
        asked,
        outcome="answered",
        answered=round_.answered,
        answered_at=_time(round_.answered_at),
        latency_ms=round_.latency_ms,
        words=round_.text,
        tool_calls=len(round_.calls),
        finish_reason=round_.finish_reason,
        response_id=round_.response_id,
        answered_by=round_.answered_by or None,
        tokens=usage.get("total_tokens"),
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
        usage=Raw(_encoder.encode(usage)),
    )


def _failed(asked: ModelCallRow, attempt: Attempt) -> ModelCallRow:
    return msgspec.structs.replace(
        asked,
        outcome="failed",
        answered=attempt.failed,
        answered_at=_time(attempt.failed_at),
        latency_ms=attempt.latency_ms,
        failure=attempt.kind,
        error=attempt.error,
        retry_at=_time(attempt.retry_at),
    )


def tool_call_row(decision: ToolDecision) -> ToolCallRow:
    """Return the row of a tool call."""
    led = [move.step[1] for move in decision.moves if move.step is not None]
    return ToolCallRow(
        conversation=decision.conversation,
        agent=decision.agent,
        turn=decision.turn,
        call=decision.call,
        provider_id=decision.provider_id or None,
        message_id=decision.message_id or None,
        message=None if decision.spoke is None else decision.message,
        spoke=decision.spoke,
        spoke_at=_time(decision.spoke_at),
        journey=decision.journey,
        journey_hash=decision.journey_hash,
        step=decision.step,
        model=decision.model,
        answered_by=decision.answered_by or None,
        response_id=decision.response_id,
        request=decision.request,
        request_hash=decision.request_hash or None,
        asked=decision.asked,
        prompt_at=decision.prompt_at,
        tools_at=decision.tools_at,
        offered=decision.offered,
        words=decision.words or None,
        tool=decision.tool or None,
        arguments=sound(_encoder.encode(decision.arguments)),
        problem=decision.problem,
        verdict=decision.verdict,
        policy=decision.policy or None,
        policy_reason=decision.policy_reason or None,
        effect=decision.effect,
        key=decision.key,
        attempts=len(decision.attempts),
        outcome=decision.outcome or None,
        outcome_at=decision.outcome_at,
        content=decision.content if decision.outcome else None,
        error=decision.error,
        requested_at=_time(decision.requested),
        chosen_at=Time(decision.chosen),
        started_at=_time(decision.started),
        ended_at=_time(decision.ended),
        latency_ms=decision.latency_ms,
        changed=tuple(change.field for change in decision.changes),
        step_after=led[-1] if led else None,
        tokens=decision.usage.get("total_tokens"),
        model_ms=decision.model_ms,
        turn_outcome=decision.turn_outcome or None,
        turn_reason=decision.turn_reason or None,
    )


def _time(milliseconds: int | None) -> Time | None:
    return None if milliseconds is None else Time(milliseconds)

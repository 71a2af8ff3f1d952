"""The tool decisions in the account of a turn: one for each call that a model made in it, whatever became of it."""

from ..events import UserSpoke
from .account import CallAccount, Round, TurnAccount
from .calls import call_key
from .decision import REFUSALS, ToolDecision, Verdict


def decisions_of(turn: TurnAccount, holder: str = "") -> tuple[ToolDecision, ...]:
    """Return the decisions of a turn, in the order of its calls.

    `holder` is the conversation whose log has the turn, where it is not the one that was read: see `Stored.holder`.
    """
    return tuple(
        _decision(turn, round_, call, holder or turn.conversation) for round_ in turn.rounds for call in round_.calls
    )


def verdict_of(call: CallAccount) -> Verdict:
    """Return what was decided of a call."""
    if call.outcome == "in_doubt":
        return "in_doubt"
    if call.starts:
        return "run"
    if not call.outcome:
        return "undecided"
    return next((verdict for verdict in REFUSALS if verdict == call.outcome), "not_run")


def _decision(turn: TurnAccount, round_: Round, account: CallAccount, conversation: str) -> ToolDecision:
    call, asked = account.call, round_.attempts[-1] if round_.attempts else None
    said = turn.said.event if turn.said is not None else None
    spoke = said if isinstance(said, UserSpoke) else None
    return ToolDecision(
        conversation=conversation,
        agent=turn.agent,
        turn=turn.number,
        call=account.id,
        provider_id=call.provider_id,
        message_id="" if spoke is None else spoke.message_id,
        message=turn.text,
        spoke=None if turn.said is None else turn.said.version,
        spoke_at=None if turn.said is None else turn.said.time,
        journey=round_.journey,
        journey_hash=round_.journey_hash,
        step=round_.step,
        model=round_.model,
        answered_by=round_.answered_by,
        parameters=round_.parameters,
        response_id=round_.response_id,
        request=None if asked is None else asked.version,
        request_hash="" if asked is None else asked.hash,
        asked=len(round_.attempts),
        prompt=round_.prompt,
        prompt_at=round_.prompt_at,
        offered=round_.tools,
        tools_at=round_.tools_at,
        words=round_.text,
        tool=call.name,
        arguments=call.arguments,
        problem=call.problem,
        verdict=verdict_of(account),
        policy=account.policy,
        policy_reason=account.policy_reason,
        effect=account.starts[-1].effect if account.starts else round_.effects.get(call.name, "once"),
        key=call_key(conversation, account.id),
        attempts=account.starts,
        outcome=account.outcome,
        outcome_at=account.version,
        content=account.content,
        error=account.error,
        requested=None if asked is None else asked.time,
        chosen=round_.answered_at or 0,
        ended=account.time,
        latency_ms=account.latency_ms,
        moves=account.moves,
        usage=round_.usage,
        model_ms=round_.latency_ms,
        turn_outcome=turn.outcome,
        turn_reason=turn.reason,
        turn_error=turn.error,
        reply=turn.reply,
    )

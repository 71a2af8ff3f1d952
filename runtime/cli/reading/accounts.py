"""The account of a turn as plain data, for programs."""

from typing import Any

from ....events import UserSpoke
from ....projections import Account, Aside, Attempt, CallAccount, Recorded, Round, Start, TurnAccount
from .changes import move_as_data
from .log import as_data as event_as_data
from .times import iso


def as_data(account: Account) -> dict[str, Any]:
    """Return the account of a turn, or of what is part of none, as plain data."""
    return (
        {"kind": "turn", **_turn(account)} if isinstance(account, TurnAccount) else {"kind": "aside", **_aside(account)}
    )


def _aside(aside: Aside) -> dict[str, Any]:
    return {**event_as_data(aside.recorded), "move": None if aside.move is None else move_as_data(aside.move)}


def _turn(turn: TurnAccount) -> dict[str, Any]:
    return {
        "conversation": turn.conversation,
        "turn": turn.number,
        "agent": turn.agent,
        "journey": turn.journey,
        "step": turn.step,
        "began": when(turn.began, turn.began_at),
        "said": None if turn.said is None else _said(turn.said),
        "lives": [
            {"version": life.version, "time": iso(life.time), "attempt": life.attempt, "writer": life.writer}
            for life in turn.lives
        ],
        "rounds": [_round(round_) for round_ in turn.rounds],
        "asides": [_aside(aside) for aside in turn.asides],
        "reply": None if turn.replied is None else {"version": turn.replied, "text": turn.reply},
        "ended": when(turn.ended, turn.ended_at),
        "outcome": turn.outcome or None,
        "reason": turn.reason,
        "error": turn.error,
        "cancelled_by": turn.cancelled_by or None,
        "usage": turn.usage,
        "model_ms": turn.model_ms,
        "tool_ms": turn.tool_ms,
        "whole_ms": turn.whole_ms,
    }


def _said(recorded: Recorded) -> dict[str, Any]:
    event = recorded.event
    spoke = event if isinstance(event, UserSpoke) else UserSpoke(message_id="", text="")
    words = {"message_id": spoke.message_id, "text": spoke.text, "metadata": spoke.metadata}
    return {"version": recorded.version, "time": iso(recorded.time), **words}


def _round(round_: Round) -> dict[str, Any]:
    return {
        "journey": round_.journey,
        "journey_hash": round_.journey_hash,
        "step": round_.step,
        "model": round_.model,
        "parameters": round_.parameters,
        "prompt": {"at": round_.prompt_at, "text": round_.prompt},
        "tools": {"at": round_.tools_at, "names": round_.tools, "effects": round_.effects},
        "history": {"first_turn": round_.first_turn, "last_turn": round_.last_turn},
        "attempts": [_attempt(attempt) for attempt in round_.attempts],
        "answer": _answer(round_),
        "calls": [_call(call) for call in round_.calls],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    failure = {
        "kind": attempt.kind,
        "error": attempt.error,
        "retry_at": None if attempt.retry_at is None else iso(attempt.retry_at),
        "latency_ms": attempt.latency_ms,
    }
    failed = when(attempt.failed, attempt.failed_at)
    return {
        "version": attempt.version,
        "time": iso(attempt.time),
        "attempt": attempt.number,
        "not_before": None if attempt.not_before is None else iso(attempt.not_before),
        "request": attempt.hash,
        "failure": None if failed is None else {**failed, **failure},
    }


def _answer(round_: Round) -> dict[str, Any] | None:
    answered = when(round_.answered, round_.answered_at)
    if answered is None:
        return None
    return {
        **answered,
        "text": round_.text,
        "finish_reason": round_.finish_reason,
        "usage": round_.usage,
        "latency_ms": round_.latency_ms,
        "response_id": round_.response_id,
        "model": round_.answered_by,
    }


def _call(account: CallAccount) -> dict[str, Any]:
    call = account.call
    return {
        "id": account.id,
        "provider_id": call.provider_id,
        "name": call.name,
        "arguments": call.arguments,
        "problem": call.problem,
        "starts": [start_as_data(start) for start in account.starts],
        "policy": policy_as_data(account.policy, account.policy_reason),
        "outcome": account.outcome or None,
        "refused": account.refused,
        "at": when(account.version, account.time),
        "content": account.content,
        "error": account.error,
        "latency_ms": account.latency_ms,
        "moves": [move_as_data(move) for move in account.moves],
    }


def start_as_data(start: Start) -> dict[str, Any]:
    """Return one start of a tool as plain data."""
    return {
        "version": start.version,
        "time": iso(start.time),
        "attempt": start.attempt,
        "effect": start.effect,
        "step": start.step,
        "writer": start.writer,
    }


def policy_as_data(verdict: str, reason: str) -> dict[str, Any] | None:
    """Return what a policy said of a call, None where none was asked."""
    return {"verdict": verdict, "reason": reason} if verdict else None


def when(version: int | None, time: int | None) -> dict[str, Any] | None:
    """Return where and when something stands, None for what does not."""
    return None if version is None or time is None else {"version": version, "time": iso(time)}

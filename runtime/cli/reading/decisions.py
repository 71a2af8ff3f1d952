"""A tool decision as plain data, and what is told of one in the same words everywhere."""

from typing import Any

from ....projections import Call, Prices, ToolDecision, called
from .accounts import policy_as_data, start_as_data, when
from .changes import move_as_data
from .times import iso, lasting


def as_data(decision: ToolDecision, prices: Prices, *, whole: bool = True) -> dict[str, Any]:
    """Return a decision as plain data; where it is not wanted whole, without the prompt, which has a place."""
    return {
        "conversation": decision.conversation,
        "agent": decision.agent,
        "turn": decision.turn,
        "call": decision.call,
        "provider_id": decision.provider_id,
        "said": _said(decision),
        "journey": decision.journey,
        "journey_hash": decision.journey_hash,
        "step": decision.step,
        "request": _request(decision, whole=whole),
        "answer": _answer(decision),
        "tool": decision.tool,
        "arguments": decision.arguments,
        "problem": decision.problem,
        "verdict": decision.verdict,
        "policy": policy_as_data(decision.policy, decision.policy_reason),
        "effect": decision.effect,
        "key": decision.key,
        "attempts": [start_as_data(start) for start in decision.attempts],
        "outcome": decision.outcome or None,
        "at": when(decision.outcome_at, decision.ended),
        "content": decision.content,
        "error": decision.error,
        "latency_ms": decision.latency_ms,
        "moves": [move_as_data(move) for move in decision.moves],
        "cost": cost_of(decision, prices),
        "turn_ended": _ended(decision),
    }


def _said(decision: ToolDecision) -> dict[str, Any] | None:
    at = when(decision.spoke, decision.spoke_at)
    return None if at is None else {**at, "message_id": decision.message_id, "text": decision.message}


def _request(decision: ToolDecision, *, whole: bool) -> dict[str, Any]:
    text = {"text": decision.prompt} if whole else {}
    return {
        "version": decision.request,
        "time": None if decision.requested is None else iso(decision.requested),
        "hash": decision.request_hash,
        "asked": decision.asked,
        "model": decision.model,
        "parameters": decision.parameters,
        "prompt": {"at": decision.prompt_at, **text},
        "tools": {"at": decision.tools_at, "names": decision.offered},
    }


def _answer(decision: ToolDecision) -> dict[str, Any]:
    return {
        "version": int(decision.call.partition(".")[0]),
        "time": iso(decision.chosen),
        "model": decision.answered_by,
        "response_id": decision.response_id,
        "text": decision.words,
        "usage": decision.usage,
        "latency_ms": decision.model_ms,
    }


def _ended(decision: ToolDecision) -> dict[str, Any] | None:
    if not decision.turn_outcome:
        return None
    return {
        "outcome": decision.turn_outcome,
        "reason": decision.turn_reason,
        "error": decision.turn_error,
        "reply": decision.reply,
    }


def cost_of(decision: ToolDecision, prices: Prices) -> float | None:
    """Return what the model call that chose it cost, None where that is not known."""
    return prices.cost(decision.usage, decision.answered_by, decision.model)


def chosen(decision: ToolDecision) -> str:
    """Return the call as it is written in Python; what cannot be read of it is a question mark."""
    if not decision.tool or decision.problem is not None:
        return f"{decision.tool or '?'}(?)"
    return called(Call(0, decision.tool, decision.arguments))


def took(decision: ToolDecision) -> str:
    """Return how long the tool took, empty where that is not known."""
    known = decision.attempts and decision.outcome not in ("", "in_doubt", "cancelled")
    return lasting(decision.latency_ms) if known else ""


def outcome_of(decision: ToolDecision) -> str:
    """Return verdict and outcome in as few words as say both."""
    if decision.verdict == "run":
        return f"run, {decision.outcome or 'not over yet'}"
    return decision.verdict.replace("_", " ")

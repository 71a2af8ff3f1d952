"""Calls of which only the structure is known: what was called is content, and is erased or sealed with the answer.

Then an answer has no calls, and what tools did stands beside the course of the turn.  That is enough to count them.
"""

from typing import Final

from msgspec.structs import replace

from ...events import ToolFailed, ToolReturned, ToolStarted, call_id
from ...projections import Call, CallAccount, Recorded, Round, Start, TurnAccount

WITHHELD: Final = "what was called is withheld"
"""The problem of such a call."""

_Tool = ToolStarted | ToolReturned | ToolFailed


def with_withheld(turn: TurnAccount) -> TurnAccount:
    """Return a turn with these calls among the others, in order."""
    asides = [aside.recorded for aside in turn.asides if isinstance(aside.recorded.event, _Tool)]
    if not asides:
        return turn
    return replace(turn, rounds=tuple(_with_calls(round_, asides) for round_ in turn.rounds))


def _with_calls(round_: Round, asides: list[Recorded]) -> Round:
    found: dict[int, CallAccount] = {}
    for recorded in asides:
        event = recorded.event
        if isinstance(event, _Tool) and event.cause == round_.answered and event.index >= len(round_.calls):
            blank = CallAccount(id=call_id(event.cause or 0, event.index), call=Call(event.index, "", {}, WITHHELD))
            found[event.index] = _after(found.get(event.index, blank), recorded, event)
    return replace(round_, calls=(*round_.calls, *(found[index] for index in sorted(found))))


def _after(call: CallAccount, recorded: Recorded, event: _Tool) -> CallAccount:
    if isinstance(event, ToolStarted):
        start = Start(recorded.version, recorded.time, event.attempt, event.effect, event.step)
        return replace(call, starts=(*call.starts, start), policy=event.policy or call.policy)
    outcome, policy = ("returned", None) if isinstance(event, ToolReturned) else (event.kind, event.policy)
    return replace(
        call,
        outcome=outcome,
        version=recorded.version,
        time=recorded.time,
        latency_ms=event.latency_ms,
        policy=policy or call.policy,
    )

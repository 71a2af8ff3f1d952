"""What was checked of a call before its tool started, in the order in which it is: what each check said.

A log holds the outcome of the checks, not each of them: where one refused, those before it had passed, and those after
it were not made.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from ....projections import ToolDecision
from .summary import allowed_by_policy, denied_by_policy

NOT_REACHED: Final = "not checked any more"


class Check(NamedTuple):
    """Is one check: what of, what it said, and whether it passed; None where it was not made."""

    what: str
    said: str
    passed: bool | None


def checks(decision: ToolDecision) -> Iterator[Check]:
    """Yield what was checked of a call, and with what result."""
    if decision.verdict in ("not_run", "undecided"):
        yield Check("nothing", f"{_not_reached(decision)}; it was not started", None)
        return
    unreadable = decision.problem is not None and decision.verdict == "invalid"
    order = (_offered, _arguments, _step, _policy) if unreadable else (_offered, _step, _arguments, _policy)
    refused = False
    for check in order:
        what, (said, passed) = _WHAT[check], (NOT_REACHED, None) if refused else check(decision)
        yield Check(what, said, passed)
        refused = refused or passed is False


def _not_reached(decision: ToolDecision) -> str:
    if decision.verdict == "undecided":
        return "what was called before it comes first"
    if decision.turn_reason == "author_error":
        return f"a check or other code of the author raised, which ended the turn: {decision.turn_error}"
    return "its turn ended before"


_Said: TypeAlias = tuple[str, bool | None]


def _offered(decision: ToolDecision) -> _Said:
    if decision.verdict == "unknown":
        return f"there is no such tool: {decision.content}", False
    if decision.tool in decision.offered:
        return "yes, in that request", True
    if decision.verdict == "not_offered":
        return f"no: {decision.content}", False
    return "no, and nobody minded", True


def _step(decision: ToolDecision) -> _Said:
    if decision.verdict == "not_offered":
        return f"no, the journey had moved on: {decision.content}", False
    step = decision.attempts[0].step if decision.attempts else decision.step
    return f"in {step}" if step else "the journey has none", True


def _arguments(decision: ToolDecision) -> _Said:
    if decision.verdict == "invalid":
        return f"no: {decision.problem or decision.content}", False
    return "they fit", True


def _policy(decision: ToolDecision) -> _Said:
    match decision.policy:
        case "denied":
            return denied_by_policy(decision.policy_reason), False
        case "allowed":
            return allowed_by_policy(decision.policy_reason), True
        case _ if decision.verdict == "denied":
            return f"denied by the runtime: {decision.content}", False
        case _:
            return "the agent has none", None


_WHAT: Final = {_offered: "offered", _step: "step", _arguments: "arguments", _policy: "policy"}

"""Tool decisions as CSV, one row a call, for spreadsheets.

What models and people wrote is data, and a spreadsheet takes a cell that begins with = + - @ for a formula, which may
read files or call servers.  So such a cell gets an apostrophe before it, as spreadsheets themselves mark text.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from ....projections import Prices, ToolDecision
from ..console.text import visible
from .decisions import cost_of
from .times import iso

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell may not begin with; the last ones are the wide forms of the first."""

COLUMNS: Final = (
    "time",
    "conversation",
    "agent",
    "turn",
    "call",
    "message",
    "journey",
    "step",
    "model",
    "response_id",
    "tool",
    "arguments",
    "verdict",
    "policy",
    "policy_reason",
    "effect",
    "key",
    "attempts",
    "outcome",
    "content",
    "latency_ms",
    "changed",
    "tokens",
    "cost",
    "turn_outcome",
)


def csv_lines(decisions: Iterable[ToolDecision], prices: Prices) -> Iterator[str]:
    """Yield the heading and a row for each call, without the ends of their lines."""
    yield _line(COLUMNS)
    for decision in decisions:
        yield _line(_cell(value) for value in _values(decision, prices))


def _values(decision: ToolDecision, prices: Prices) -> tuple[Any, ...]:
    cost = cost_of(decision, prices)
    return (
        iso(decision.chosen),
        decision.conversation,
        decision.agent,
        decision.turn,
        decision.call,
        decision.message,
        decision.journey,
        decision.step,
        decision.answered_by or decision.model,
        decision.response_id or "",
        decision.tool,
        msgspec.json.encode(decision.arguments).decode(),
        decision.verdict,
        decision.policy,
        decision.policy_reason,
        decision.effect,
        decision.key,
        len(decision.attempts),
        decision.outcome,
        decision.content,
        decision.latency_ms,
        " ".join(change.field for change in decision.changes),
        decision.usage.get("total_tokens", ""),
        "" if cost is None else f"{cost:.6f}",
        decision.turn_outcome,
    )


def _cell(value: Any) -> str:
    if not isinstance(value, str):
        return str(value)
    text = visible(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _line(cells: Iterable[str]) -> str:
    written = io.StringIO()
    # what ends a line is also what makes Python put a cell with a line break into quotes
    csv.writer(written, lineterminator="\n").writerow(cells)
    return written.getvalue().removesuffix("\n")

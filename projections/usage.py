"""What a conversation has cost so far."""

from msgspec import Struct
from msgspec.structs import replace

from ..events import AnyEvent, ModelAnswered, ModelFailed, ToolStarted, TurnStarted, Usage, add_usage


class Spent(Struct, frozen=True):
    """Counts turns, model calls (answered and failed), tool starts, tokens, and milliseconds waited for the model."""

    turns: int = 0
    answers: int = 0
    failures: int = 0
    tool_starts: int = 0
    usage: Usage = {}
    model_ms: int = 0


def spend(spent: Spent, event: AnyEvent) -> Spent:
    """Return what is spent after one more event."""
    match event:
        case TurnStarted():
            return replace(spent, turns=spent.turns + 1)
        case ModelAnswered():
            return replace(
                spent,
                answers=spent.answers + 1,
                usage=add_usage(spent.usage, event.usage),
                model_ms=spent.model_ms + event.latency_ms,
            )
        case ModelFailed():
            return replace(spent, failures=spent.failures + 1, model_ms=spent.model_ms + event.latency_ms)
        case ToolStarted():
            return replace(spent, tool_starts=spent.tool_starts + 1)
        case _:
            return spent

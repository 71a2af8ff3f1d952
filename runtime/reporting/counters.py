"""What is counted of one tool, one model, one agent; each becomes a row."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, TypeAlias, TypeVar

from .costs import plus
from .listing import KEPT
from .periods import Key
from .report import FATES, AgentRow, Fate, ModelRow, Tokens, ToolRow
from .spreads import Latencies

T = TypeVar("T")

Rows: TypeAlias = Mapping[Key, tuple[float, ...]]
"""Amounts by part of the period, by what they are of."""

NAMES: Final = 500
"""So many of a kind are counted one by one, and the rest together: a model can make up names of tools without end."""


class Named(dict[str | None, T]):
    """Holds what is counted, by name; what is beyond `NAMES` under None."""

    def of(self, name: str, kind: type[T]) -> tuple[str | None, T]:
        """Return what counts for a name, and the name under which it does."""
        name = name[:KEPT]
        key = name if name in self or len(self) < NAMES else None
        found = self.get(key)
        if found is None:
            found = self[key] = kind()
        return key, found


class ToolCount:
    """Counts the calls of a tool."""

    def __init__(self) -> None:
        self.fates: Counter[Fate] = Counter()
        self.failures: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.latencies = Latencies()
        self.tokens = Tokens()

    def add(self, fate: Fate, kind: str, tokens: Tokens, took: int | None) -> None:
        """Count a call; `took` is None for one that was not run to an end."""
        self.fates[fate] += 1
        self.tokens = plus(self.tokens, tokens)
        if took is not None:
            self.latencies.add(took)
        if fate == "failed":
            self.failures[kind] += 1
        elif fate == "refused":
            self.refusals[kind] += 1

    def row(self, tool: str | None, rows: Rows, *, hidden: bool = False) -> ToolRow:
        """Return the row of a tool."""
        kind = "hidden" if hidden else "tool"
        return ToolRow(
            tool=tool,
            hidden=hidden,
            calls=self.fates.total(),
            fates=dict(self.fates),
            failures=dict(self.failures.most_common()),
            refusals=dict(self.refusals.most_common()),
            latency=self.latencies.spread(),
            tokens=self.tokens,
            over_time={fate: rows[kind, tool, fate] for fate in FATES if (kind, tool, fate) in rows},
        )


class ModelCount:
    """Counts what a model was asked for."""

    def __init__(self) -> None:
        self.answers = self.failures = 0
        self.latencies = Latencies()
        self.tokens = Tokens()

    def row(self, model: str | None, rows: Rows) -> ModelRow:
        """Return the row of a model."""
        return ModelRow(
            model=model,
            answers=self.answers,
            failures=self.failures,
            latency=self.latencies.spread(),
            tokens=self.tokens,
            tokens_over_time=rows.get(("model tokens", model), ()),
            cost_over_time=rows.get(("model cost", model), ()),
        )


class AgentCount:
    """Counts what an agent did."""

    def __init__(self) -> None:
        self.calls = 0
        self.outcomes: Counter[str] = Counter()
        self.tokens = Tokens()

    def row(self, agent: str | None, rows: Rows) -> AgentRow:
        """Return the row of an agent."""
        return AgentRow(
            agent=agent,
            turns=self.outcomes.total(),
            outcomes=dict(self.outcomes.most_common()),
            calls=self.calls,
            tokens=self.tokens,
            tokens_over_time=rows.get(("agent tokens", agent), ()),
            cost_over_time=rows.get(("agent cost", agent), ()),
        )

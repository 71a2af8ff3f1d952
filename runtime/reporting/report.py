"""The report as data: all that its page shows, and nothing else, so that its size has a bound."""

from typing import Final, Generic, Literal, TypeAlias, TypeVar, get_args

from msgspec import Struct

from ...projections import ToolDecision
from .periods import Unit, is_time

T = TypeVar("T")

Fate: TypeAlias = Literal["returned", "failed", "in_doubt", "refused", "denied", "not_run", "open"]
"""What became of a call, one of seven:

  - returned, failed: the tool was run, and that came of it.
  - in_doubt: it was started, and nobody knows whether it took effect.
  - refused: the runtime did not let it start: not offered, invalid, no such tool, or denied by the runtime.
  - denied: the agent's policy did not let it start.
  - not_run: its turn ended first.
  - open: it has no outcome yet: it runs, or nothing is decided of it.
"""

FATES: Final[tuple[Fate, ...]] = get_args(Fate)


def fate_of(decision: ToolDecision) -> Fate:
    """Return what became of a call."""
    match decision.verdict:
        case "run" if decision.outcome:
            return "returned" if decision.outcome == "returned" else "failed"
        case "run" | "undecided":
            return "open"
        case "in_doubt" | "not_run":
            return decision.verdict
        case "denied" if decision.policy == "denied":
            return "denied"
        case _:
            return "refused"


class Words(Struct, frozen=True):
    """Is the beginning of a text, and how many characters all of it has."""

    text: str = ""
    length: int = 0


class Scope(Struct, frozen=True, kw_only=True):
    """Is what was asked for; times are Unix milliseconds, `until` is not in the period any more.

    `prices` says whether there is a price list, without which no cost is known.
    """

    namespace: str = "arf"
    agent: str = ""
    since: int | None = None
    until: int | None = None
    made: int = 0
    prices: bool = False

    @property
    def end(self) -> int | None:
        """When the period ends: one that has a beginning ends at the latest when the report is made."""
        return self.until if self.until is not None or self.since is None else self.made + 1

    def has(self, time: int | None) -> bool:
        """Say whether a time is in the period; what has no time is in one that is open on both sides."""
        if time is None or not is_time(time):
            return self.since is None and self.until is None
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


class Tokens(Struct, frozen=True):
    """Counts tokens: what models were given, what they answered, all; and what they cost.

    `cost` is None where none of them has a price; `unpriced` counts the answers among them that have none.
    """

    given: float = 0
    answered: float = 0
    all: float = 0
    cost: float | None = None
    unpriced: int = 0


class Spread(Struct, frozen=True):
    """Is how long something took in milliseconds: how often it was measured, half and 95 % of them, the longest."""

    count: int = 0
    p50: int = 0
    p95: int = 0
    longest: int = 0


class ToolRow(Struct, frozen=True, kw_only=True):
    """Is what became of the calls of one tool.

    Attributes:
        tool: its name; None for all that are beyond those that are counted one by one, and for those that are
            `hidden`: their names were content, which is erased or sealed.
        calls, fates: how many.
        failures, refusals: how many of each kind.
        latency: of those that were run.
        tokens: each call's share of the answer that chose it.
        over_time: how many of each fate, by part of the period.

    """

    tool: str | None
    hidden: bool = False
    calls: int
    fates: dict[Fate, int]
    failures: dict[str, int]
    refusals: dict[str, int]
    latency: Spread
    tokens: Tokens
    over_time: dict[Fate, tuple[float, ...]]


class ModelRow(Struct, frozen=True, kw_only=True):
    """Is what one model was asked for: answers, failures, tokens, and these by part of the period."""

    model: str | None
    answers: int
    failures: int
    latency: Spread
    tokens: Tokens
    tokens_over_time: tuple[float, ...]
    cost_over_time: tuple[float, ...]


class AgentRow(Struct, frozen=True, kw_only=True):
    """Is what one agent did: turns by how they ended, calls, tokens, and these by part of the period."""

    agent: str | None
    turns: int
    outcomes: dict[str, int]
    calls: int
    tokens: Tokens
    tokens_over_time: tuple[float, ...]
    cost_over_time: tuple[float, ...]


class CallLine(Struct, frozen=True, kw_only=True):
    """Is one call in a list; `hidden` without its content, which is erased or sealed.

    `by` says who refused it, `kind` as what it is recorded, `started` when its tool was started last.
    """

    conversation: str
    agent: str
    turn: int
    call: str
    tool: str
    arguments: Words = Words()
    time: int
    fate: Fate
    kind: str = ""
    by: str = ""
    reason: Words = Words()
    effect: str = "once"
    key: str = ""
    attempts: int = 0
    started: int | None = None
    hidden: bool = False


class TurnLine(Struct, frozen=True, kw_only=True):
    """Is one turn that failed."""

    conversation: str
    agent: str
    turn: int
    time: int
    reason: str
    error: Words = Words()


class ConversationLine(Struct, frozen=True, kw_only=True):
    """Is one conversation: how many turns and calls it has in the period, when it was active last, how it stands.

    `outcome` is that of its last turn, or `erased`, `damaged`, `open`; `why` says more of what is damaged or failed.
    """

    conversation: str
    agent: str
    parent: str = ""
    turns: int = 0
    calls: int = 0
    last: int = 0
    outcome: str = ""
    why: Words = Words()


class Listed(Struct, Generic[T], frozen=True):
    """Is the latest of a list, newest first, and how many there are in all."""

    latest: tuple[T, ...] = ()
    total: int = 0


class Report(Struct, frozen=True, kw_only=True):
    """Is what a page shows.

    Attributes:
        scope: what was asked for.
        period: from when to when, None where nothing is.
        unit, parts: how the period is divided, and when each part began.
        conversations, erased: how many had something in it; how many of them are erased.
        turns, outcomes: how many, and how they ended.
        calls, fates: how many, and what became of them.
        calls_over_time: these by part of the period.
        tokens: of all answers.
        tools, models, agents: the rows, the most used first.
        in_doubt, failures, refusals, open: the lists of calls.
        failed_turns: the list of turns that failed.
        lines: the conversations that are mentioned, and the latest beside them, newest first.
        damaged: the ones that cannot be read, or not to their end.

    """

    scope: Scope = Scope()
    period: tuple[int, int] | None = None
    unit: Unit = "day"
    parts: tuple[int, ...] = ()
    conversations: int = 0
    erased: int = 0
    turns: int = 0
    outcomes: dict[str, int] = {}
    calls: int = 0
    fates: dict[Fate, int] = {}
    calls_over_time: dict[Fate, tuple[float, ...]] = {}
    tokens: Tokens = Tokens()
    tools: tuple[ToolRow, ...] = ()
    models: tuple[ModelRow, ...] = ()
    agents: tuple[AgentRow, ...] = ()
    in_doubt: Listed[CallLine] = Listed()
    failures: Listed[CallLine] = Listed()
    refusals: Listed[CallLine] = Listed()
    open: Listed[CallLine] = Listed()
    failed_turns: Listed[TurnLine] = Listed()
    lines: Listed[ConversationLine] = Listed()
    damaged: Listed[ConversationLine] = Listed()

"""Counting: turns in, a report out.  What is kept is what a page shows, however many turns there are.

Each thing is counted when it was: a turn when it began, an answer when it came, a call when it was chosen; so a turn
that goes on over the edge of a period is partly in it.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ...projections import Prices, Round, ToolDecision, TurnAccount, decisions_of
from .costs import plus, share, tokens_of
from .counters import AgentCount, ModelCount, Named, ToolCount
from .listing import KEPT, Latest, line_of, words
from .mentions import Mentions
from .periods import Key, Timeline
from .report import FATES, CallLine, ConversationLine, Fate, Report, Scope, Tokens, TurnLine, fate_of
from .withheld import WITHHELD, with_withheld

LISTED: Final = 100
"""So many calls has a list at most, and so many turns."""

IN_DOUBT: Final = 10_000
"""So many calls in doubt are listed, and so many damaged conversations: each wants a person to look at it."""

_LISTS: Final[dict[Fate, str]] = {
    "in_doubt": "in_doubt",
    "failed": "failures",
    "refused": "refusals",
    "denied": "refusals",
    "open": "open",
}


class Chapter:
    """Is what was counted so far of the conversation at hand."""

    def __init__(self, line: ConversationLine, *, erased: bool) -> None:
        self.line = line
        self.erased = erased
        self.turns = self.calls = 0
        self.touched = False
        self.outcome = ""
        self.why = ""


class Audit:
    """Counts what is in the scope, conversation by conversation: `begin` one, give it its turns, `end` it.

    >>> from agent_runtime_framework.projections import TurnAccount
    >>> from agent_runtime_framework.runtime.reporting import Audit, ConversationLine
    >>> audit = Audit(Scope())
    >>> chapter = audit.begin(ConversationLine(conversation="c-1", agent="desk", last=5))
    >>> audit.turn(chapter, TurnAccount(conversation="c-1", number=1, began=2, began_at=5, outcome="completed"))
    >>> audit.end(chapter)
    >>> audit.report().turns, audit.report().outcomes
    (1, {'completed': 1})

    """

    def __init__(self, scope: Scope, prices: Prices | None = None) -> None:
        self._scope = scope
        self._prices = prices or Prices()
        self._timeline = Timeline(scope.since, scope.end)
        self._tools: Named[ToolCount] = Named()
        self._hidden = ToolCount()
        self._models: Named[ModelCount] = Named()
        self._agents: Named[AgentCount] = Named()
        self._lists = {name: Latest[CallLine](IN_DOUBT if name == "in_doubt" else LISTED) for name in _LISTS.values()}
        self._failed: Latest[TurnLine] = Latest(LISTED)
        self._damaged: Latest[ConversationLine] = Latest(IN_DOUBT)
        self._mentions = Mentions(self._mentioned)
        self._tokens = Tokens()
        self._conversations = self._erased = 0

    # --- conversations

    def begin(self, line: ConversationLine, *, erased: bool = False) -> Chapter:
        """Begin with a conversation, of which is known what `line` says; of an erased one only structure is kept."""
        return Chapter(line, erased=erased)

    def end(self, chapter: Chapter, *, damage: str = "") -> None:
        """End it; `damage` says why it cannot be read, or not to its end."""
        if not (chapter.touched or damage or self._scope.has(chapter.line.last)):
            return
        line = ConversationLine(
            conversation=chapter.line.conversation,
            agent=chapter.line.agent,
            parent=chapter.line.parent,
            turns=chapter.turns,
            calls=chapter.calls,
            last=chapter.line.last,
            outcome="damaged" if damage else "erased" if chapter.erased else chapter.outcome,
            why=words(damage or chapter.why),
        )
        self._conversations += 1
        self._erased += chapter.erased
        if damage:
            self._damaged.add(line.last, lambda: line)
        self._mentions.add(line)

    def _mentioned(self) -> Iterator[str]:
        for lines in self._lists.values():
            yield from (line.conversation for line in lines)
        yield from (line.conversation for line in self._failed)
        yield from (line.conversation for line in self._damaged)

    # --- turns

    def turn(self, chapter: Chapter, turn: TurnAccount) -> None:
        """Count a turn."""
        turn = with_withheld(turn)
        chapter.outcome, chapter.why = turn.outcome or "open", turn.reason if turn.outcome != "completed" else ""
        name, agent = self._agents.of(turn.agent, AgentCount)
        if self._scope.has(turn.began_at):
            chapter.touched = True
            chapter.turns += 1
            agent.outcomes[chapter.outcome] += 1
            self._timeline.add(turn.began_at, {("turns",): 1})
        if turn.outcome == "failed" and self._scope.has(turn.ended_at):
            chapter.touched = True
            self._failed.add(turn.ended_at or 0, lambda: _failed(turn, erased=chapter.erased))
        decisions = iter(decisions_of(turn))
        for round_ in turn.rounds:
            tokens = self._round(chapter, name, agent, round_)
            for _ in round_.calls:
                self._call(chapter, agent, next(decisions), share(tokens, len(round_.calls)))

    def _round(self, chapter: Chapter, name: str | None, agent: AgentCount, round_: Round) -> Tokens:
        """Count a question to the model, and return what its answer came to."""
        key, model = self._models.of(round_.model or round_.answered_by, ModelCount)
        model.failures += sum(each.failed is not None and self._scope.has(each.failed_at) for each in round_.attempts)
        if round_.answered is None:
            return Tokens()
        tokens = tokens_of(round_.usage, self._prices.cost(round_.usage, round_.answered_by, round_.model))
        if self._scope.has(round_.answered_at):
            chapter.touched = True
            model.answers += 1
            model.latencies.add(round_.latency_ms)
            model.tokens, agent.tokens = plus(model.tokens, tokens), plus(agent.tokens, tokens)
            self._tokens = plus(self._tokens, tokens)
            spent: dict[Key, float] = {("model tokens", key): tokens.all, ("agent tokens", name): tokens.all}
            if tokens.cost is not None:
                spent |= {("model cost", key): tokens.cost, ("agent cost", name): tokens.cost}
            self._timeline.add(round_.answered_at or 0, spent)
        return tokens

    def _call(self, chapter: Chapter, agent: AgentCount, decision: ToolDecision, tokens: Tokens) -> None:
        if not self._scope.has(decision.chosen):
            return
        chapter.touched = True
        chapter.calls += 1
        agent.calls += 1
        fate = fate_of(decision)
        hidden = chapter.erased or decision.problem == WITHHELD
        name, tool = (None, self._hidden) if hidden else self._tools.of(decision.tool, ToolCount)
        ran = fate in ("returned", "failed")
        tool.add(fate, decision.outcome, tokens, decision.latency_ms if ran else None)
        self._timeline.add(decision.chosen, {("calls", fate): 1, ("hidden" if hidden else "tool", name, fate): 1})
        if fate in _LISTS:
            self._lists[_LISTS[fate]].add(decision.chosen, lambda: line_of(decision, fate, hidden=hidden))

    # --- the report

    def report(self) -> Report:
        """Return what was counted."""
        unit, parts, rows = self._timeline.rows()
        hidden = self._hidden.row(None, rows, hidden=True)
        tools = [*(tool.row(name, rows) for name, tool in self._tools.items()), *([hidden] if hidden.calls else [])]
        models = [model.row(name, rows) for name, model in self._models.items() if model.answers or model.failures]
        agents = [agent.row(name, rows) for name, agent in self._agents.items()]
        agents = [agent for agent in agents if agent.turns or agent.calls or agent.tokens.all]
        fates: Counter[Fate] = sum((tool.fates for tool in self._tools.values()), self._hidden.fates)
        outcomes: Counter[str] = sum((agent.outcomes for agent in self._agents.values()), Counter())
        return Report(
            scope=self._scope,
            period=self._timeline.period,
            unit=unit,
            parts=parts,
            conversations=self._conversations,
            erased=self._erased,
            turns=outcomes.total(),
            outcomes=dict(outcomes.most_common()),
            calls=fates.total(),
            fates=dict(fates),
            calls_over_time={fate: rows["calls", fate] for fate in FATES if ("calls", fate) in rows},
            tokens=self._tokens,
            tools=tuple(sorted(tools, key=lambda row: (row.tool is None, -row.calls, row.tool or ""))),
            models=tuple(sorted(models, key=lambda row: (row.model is None, -row.tokens.all, row.model or ""))),
            agents=tuple(sorted(agents, key=lambda row: (row.agent is None, -row.turns, row.agent or ""))),
            in_doubt=self._lists["in_doubt"].listed(),
            failures=self._lists["failures"].listed(),
            refusals=self._lists["refusals"].listed(),
            open=self._lists["open"].listed(),
            failed_turns=self._failed.listed(),
            lines=self._mentions.listed(),
            damaged=self._damaged.listed(),
        )


def _failed(turn: TurnAccount, *, erased: bool) -> TurnLine:
    return TurnLine(
        conversation=turn.conversation,
        agent=turn.agent,
        turn=turn.number,
        time=turn.ended_at or 0,
        reason=turn.reason[:KEPT],
        error=words("" if erased else turn.error),
    )

"""The tables that add up: by tool, how long each took, by model, by agent."""

from collections.abc import Sequence
from typing import Final

from ..report import AgentRow, ModelRow, Report, Spread, Tokens, ToolRow
from .charts import Scale
from .elements import Child, Markup, tag, together
from .figures import NONE, counted, lasting, money, number, some
from .tables import kinds, named, row, table

SHOWN: Final = 60
"""So many rows are shown of each."""


def tools(report: Report) -> Markup:
    """Return what became of the calls of each tool."""
    columns = (
        ("Tool", "id"),
        ("Calls", "num"),
        ("Returned", "num"),
        ("Failed", "num"),
        ("In doubt", "num"),
        ("Refused", "num"),
        ("Denied by policy", "num"),
        ("Not run", "num"),
        ("Open", "num"),
        ("p50", "num"),
        ("p95", "num"),
        ("Tokens", "num"),
        *_cost_column(report),
    )
    rows = [row(columns, _tool(report, tool)) for tool in report.tools[:SHOWN]]
    fates = report.fates
    calls = (fates.get("returned", 0), fates.get("failed", 0), fates.get("in_doubt", 0), fates.get("refused", 0))
    rest = (fates.get("denied", 0), fates.get("not_run", 0), fates.get("open", 0))
    shared = [tool.tokens for tool in report.tools]
    cells = ("All", number(report.calls), *map(some, (*calls, *rest)), "", "", number(sum(one.all for one in shared)))
    costs = [one.cost for one in shared if one.cost is not None]
    foot = row(columns, (*cells, *_cost(report, Tokens(cost=sum(costs) if costs else None))))
    return together(table("Calls by tool", columns, rows, foot=foot), _rest(report.tools, "tool"))


def _tool(report: Report, tool: ToolRow) -> tuple[Child, ...]:
    fates, latency = tool.fates, tool.latency
    return (
        _called(tool),
        number(tool.calls),
        some(fates.get("returned", 0)),
        kinds(fates.get("failed", 0), tool.failures),
        some(fates.get("in_doubt", 0)),
        kinds(fates.get("refused", 0), tool.refusals),
        *(some(fates.get(fate, 0)) for fate in ("denied", "not_run", "open")),
        lasting(latency.p50) if latency.count else NONE,
        lasting(latency.p95) if latency.count else NONE,
        some(tool.tokens.all),
        *_cost(report, tool.tokens),
    )


def _called(tool: ToolRow) -> Markup:
    return named(tool.tool, "erased or sealed" if tool.hidden else "all other tools")


def latencies(report: Report) -> Markup:
    """Return how long each tool took, as far as it was run to an end."""
    measured = [tool for tool in report.tools if tool.latency.count]
    scale = Scale(max(tool.latency.longest for tool in measured))
    spread = together("Spread", scale.axis())
    columns = (("Tool", "id"), ("Runs", "num"), ("p50", "num"), ("p95", "num"), ("Longest", "num"), (spread, "bar"))
    rows = [row(columns, (_called(tool), *_spread(tool.latency, scale))) for tool in measured[:SHOWN]]
    return together(
        table("How long tools took; bars on a scale of powers of ten", columns, rows), _rest(measured, "tool")
    )


def _spread(spread: Spread, scale: Scale) -> tuple[Child, ...]:
    times = (lasting(time) for time in (spread.p50, spread.p95, spread.longest))
    return (number(spread.count), *times, scale.bar(spread.p50, spread.p95, spread.longest))


def models(report: Report) -> Markup:
    """Return what each model was asked for."""
    columns = (
        ("Model", "id"),
        ("Answers", "num"),
        ("Failures", "num"),
        ("p50", "num"),
        ("p95", "num"),
        *_TOKENS,
        *_cost_column(report),
    )
    rows = [row(columns, _model(report, model)) for model in report.models[:SHOWN]]
    return together(table("Tokens by model", columns, rows), _rest(report.models, "model"))


def _model(report: Report, model: ModelRow) -> tuple[Child, ...]:
    times = (lasting(time) if model.latency.count else NONE for time in (model.latency.p50, model.latency.p95))
    return (
        named(model.model, "all other models"),
        number(model.answers),
        some(model.failures),
        *times,
        *_tokens(report, model.tokens),
    )


def agents(report: Report) -> Markup:
    """Return what each agent did."""
    columns = (("Agent", "id"), ("Turns", "num"), ("Calls", "num"), *_TOKENS, *_cost_column(report))
    rows = [row(columns, _agent(report, agent)) for agent in report.agents[:SHOWN]]
    return together(table("Tokens by agent", columns, rows), _rest(report.agents, "agent"))


def _agent(report: Report, agent: AgentRow) -> tuple[Child, ...]:
    turns = kinds(agent.turns, {how: count for how, count in agent.outcomes.items() if how != "completed"})
    return (named(agent.agent, "all other agents"), turns, some(agent.calls), *_tokens(report, agent.tokens))


_TOKENS: Final = (("Tokens given", "num"), ("Answered", "num"), ("All", "num"))


def _tokens(report: Report, tokens: Tokens) -> tuple[Child, ...]:
    return (some(tokens.given), some(tokens.answered), some(tokens.all), *_cost(report, tokens))


def _cost_column(report: Report) -> tuple[tuple[str, str], ...]:
    return (("Cost", "num"),) if report.scope.prices else ()


def _cost(report: Report, tokens: Tokens) -> tuple[str, ...]:
    return (money(tokens.cost),) if report.scope.prices else ()


def _rest(rows: Sequence[object], one: str) -> Markup | None:
    rest = len(rows) - SHOWN
    return None if rest <= 0 else tag("p", f"{counted(rest, one)} more with fewer are not shown here.", class_="note")

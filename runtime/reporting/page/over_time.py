"""What is drawn over the period: calls by what became of them, tokens and cost by model and agent."""

from collections.abc import Sequence
from typing import Final

from ..report import FATES, AgentRow, Fate, ModelRow, Report, ToolRow
from .charts import LARGE, MEDIUM, SMALL, Band, Frame, stacked
from .elements import Markup, exact, tag, together
from .figures import label, name, number, some
from .tables import NAME, named, row, table

FATE: Final[dict[Fate, str]] = {
    "returned": "returned",
    "failed": "failed",
    "in_doubt": "in doubt",
    "refused": "refused",
    "denied": "denied by policy",
    "not_run": "not run",
    "open": "open",
}
"""What each fate is called."""

MULTIPLES: Final = 9
"""So many tools have a chart of their own."""

BANDS: Final = 5
"""So many models, or agents, have a band of their own."""


def parts_of(report: Report) -> list[tuple[str, str]]:
    """Return label and name of each part of the period."""
    return [(label(start, report.unit), name(start, report.unit)) for start in report.parts]


def calls(report: Report) -> Markup:
    """Return the calls over time, of all tools and of each that is called most."""
    return together(
        _figure(
            stacked(
                _bands(report.calls_over_time),
                parts_of(report),
                LARGE,
                title=f"Tool calls by {report.unit}",
                words=_words(report.calls_over_time),
            ),
            _range(report),
            key([(FATE[fate], fate) for fate in FATES if fate in report.calls_over_time]),
        ),
        _numbers(report),
        tag("h3", "By tool"),
        tag("div", *_multiples(report), class_="multiples"),
        _beyond(report),
    )


def _range(report: Report) -> str:
    bar = f"Each bar is {'an' if report.unit == 'hour' else 'a'} {report.unit} in UTC"
    return f"{bar}, from {name(report.parts[0], report.unit)} to {name(report.parts[-1], report.unit)}."


def _multiples(report: Report) -> list[Markup]:
    parts = parts_of(report)
    return [
        tag(
            "figure",
            tag("figcaption", _called(tool), f" {number(tool.calls)}"),
            stacked(
                _bands(tool.over_time),
                parts,
                SMALL,
                title=f"Calls of {'what is erased or sealed' if tool.hidden else _plain(tool.tool)} by {report.unit}",
                words=_words(tool.over_time),
            ),
        )
        for tool in report.tools[:MULTIPLES]
    ]


def _called(tool: ToolRow) -> Markup:
    return named(tool.tool, "erased or sealed" if tool.hidden else "all other tools")


def _beyond(report: Report) -> Markup | None:
    beyond = report.tools[MULTIPLES:]
    if not beyond:
        return None
    amount = f"{number(len(beyond))} more tools with {number(sum(tool.calls for tool in beyond))} calls"
    return tag("p", f"{amount} are in the table, not drawn.", class_="note")


def _bands(over_time: dict[Fate, tuple[float, ...]]) -> list[Band]:
    return [Band(FATE[fate], fate, over_time[fate]) for fate in FATES if fate in over_time]


def _words(over_time: dict[Fate, tuple[float, ...]]) -> str:
    told = [f"{number(sum(over_time[fate]))} {FATE[fate]}" for fate in FATES if fate in over_time]
    return f"In all: {', '.join(told) or 'none'}."


def key(looks: Sequence[tuple[str | Markup, str]]) -> Markup:
    """Return what the colours stand for."""
    return tag("ul", *[tag("li", swatch(look), words) for words, look in looks], class_="key")


def swatch(look: str) -> Markup:
    """Return a square of a colour."""
    square = tag("rect", x=0.5, y=0.5, width=11, height=11, class_=look)
    return tag("svg", square, viewBox="0 0 12 12", aria_hidden="true")


def _figure(chart: Markup, caption: str, legend: Markup) -> Markup:
    return tag("figure", chart, tag("figcaption", caption), legend)


def _numbers(report: Report) -> Markup:
    """Return the same as a table, for who does not look at charts."""
    fates = [fate for fate in FATES if fate in report.calls_over_time]
    columns = [(report.unit.capitalize(), "when"), *((FATE[fate].capitalize(), "num") for fate in fates)]
    rows = [
        row(columns, [name(start, report.unit), *(some(report.calls_over_time[fate][place]) for fate in fates)])
        for place, start in enumerate(report.parts)
        if any(report.calls_over_time[fate][place] for fate in fates)
    ]
    caption = f"Tool calls by {report.unit}, where there are any"
    return tag("details", tag("summary", "As a table"), table(caption, columns, rows))


# --- tokens and cost


def spent(report: Report, rows: Sequence[ModelRow] | Sequence[AgentRow], what: str) -> Markup:
    """Return tokens, and cost where it is known, over time by model or by agent."""
    drawn = [_spent(report, rows, f"Tokens by {what}", cost=False, frame=MEDIUM)]
    if report.tokens.cost is not None:
        drawn.append(_spent(report, rows, f"Cost by {what}", cost=True, frame=MEDIUM))
    return tag("div", *drawn, class_="pair")


def _spent(
    report: Report, rows: Sequence[ModelRow] | Sequence[AgentRow], title: str, *, cost: bool, frame: Frame
) -> Markup:
    of = [(_row_name(one), one.cost_over_time if cost else one.tokens_over_time) for one in rows]
    of = [(name_, amounts) for name_, amounts in of if any(amounts)]
    bands = [Band(_plain(name_), f"s{place}", amounts) for place, (name_, amounts) in enumerate(of[:BANDS], 1)]
    looks: list[tuple[str | Markup, str]] = [
        (tag("code", _name(name_), class_="name"), band.look) for (name_, _), band in zip(of, bands, strict=False)
    ]
    if len(of) > BANDS:
        rest = [sum(amounts) for amounts in zip(*(amounts for _, amounts in of[BANDS:]), strict=True)]
        bands.append(Band("others", "s6", rest))
        looks.append((f"{len(of) - BANDS} others", "s6"))
    words = f"In all: {', '.join(f'{band.name} {sum(band.amounts):,.6g}' for band in bands) or 'none'}."
    chart = stacked(bands, parts_of(report), frame, title=f"{title}, by {report.unit}", words=words, whole=not cost)
    return _figure(chart, title, key(looks))


def _row_name(one: ModelRow | AgentRow) -> str | None:
    return one.model if isinstance(one, ModelRow) else one.agent


def _plain(name_: str | None) -> str:
    return "others" if name_ is None else name_[:NAME] or "no name"


def _name(name_: str | None) -> Markup:
    return exact(_plain(name_))

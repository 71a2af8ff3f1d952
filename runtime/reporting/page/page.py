"""The page itself: its head, its sections, and what keeps it from asking anybody for anything."""

import base64
import hashlib
from typing import Final

from ..report import Report
from . import over_time, sums
from .elements import Child, Markup, exact, tag, together
from .figures import NONE, counted, moment, money, number, some
from .lists import Lists
from .style import STYLE

_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
"""What the page may load and run: its own style, and nothing else."""

_SECTIONS: Final = (
    ("in-doubt", "In doubt"),
    ("calls", "Calls over time"),
    ("tools", "Tools"),
    ("failures", "Failures"),
    ("refusals", "Refusals"),
    ("open", "Open calls"),
    ("latency", "Latency"),
    ("tokens", "Tokens and cost"),
    ("conversations", "Conversations"),
    ("words", "Words"),
)


def page(report: Report) -> str:
    """Return the page of a report.

    >>> from agent_runtime_framework.runtime.reporting import Report
    >>> from agent_runtime_framework.runtime.reporting.page import page
    >>> "Nothing happened in this period." in page(Report())
    True

    """
    body = (_head(report), *_body(report)) if report.conversations else (_head(report), _empty(report))
    title = f"Audit report, {report.scope.namespace}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", exact(title)),
        Markup(f"<style>{STYLE}</style>"),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', _PATTERNS, *body), lang='en')}\n"


_PATTERNS: Final = tag(
    "svg",
    tag(
        "defs",
        tag(
            "pattern",
            tag("rect", width=5, height=5, class_="ground"),
            tag("line", x1=0, y1=0, x2=0, y2=5, class_="hatch"),
            id="hatched",
            width=5,
            height=5,
            patternUnits="userSpaceOnUse",
            patternTransform="rotate(45)",
        ),
    ),
    class_="defs",
    aria_hidden="true",
)


# --- the head


def _head(report: Report) -> Markup:
    scope = report.scope
    agent = together(", agent ", tag("code", exact(scope.agent))) if scope.agent else None
    where = tag("p", "Namespace ", tag("code", exact(scope.namespace)), agent, ", ", _period(report), class_="sub")
    made = tag("p", f"Made {moment(scope.made)} UTC from the event log, which it only reads.", class_="sub")
    if not report.conversations:
        return tag("header", tag("h1", "Audit report"), where, made)
    links = [tag("a", name, href=f"#{id_}") for id_, name in _SECTIONS]
    return together(
        tag("header", tag("h1", "Audit report"), where, made, tag("nav", *links, aria_label="Sections")),
        _tiles(report),
        _damaged(report),
    )


def _period(report: Report) -> str:
    scope = report.scope
    since, until = (None if time is None else f"{moment(time)} UTC" for time in (scope.since, scope.until))
    if since is not None:
        return f"from {since} to {until or 'when this was made'}"
    first, last = report.period or (None, None)
    began = f"from the first record, {moment(first)} UTC," if first else "from the first record"
    return f"{began} to {until or ('the last, ' + moment(last) + ' UTC' if last else 'the last')}"


def _tiles(report: Report) -> Markup:
    fates, tokens, scope = report.fates, report.tokens, report.scope
    turns = ", ".join(f"{number(count)} {how}" for how, count in report.outcomes.items())
    refused = fates.get("refused", 0) + fates.get("denied", 0)
    unpriced = f"{counted(tokens.unpriced, 'answer')} without a price" if tokens.unpriced else "by the price list"
    tiles = [
        _tile("Conversations", number(report.conversations), f"{report.erased} erased" if report.erased else ""),
        _tile("Turns", number(report.turns), turns),
        _tile("Calls", number(report.calls), f"{len(report.tools)} tools" if report.calls else ""),
        _tile("Returned", some(fates.get("returned", 0)), _part(fates.get("returned", 0), report.calls)),
        _tile("Failed", some(fates.get("failed", 0)), _part(fates.get("failed", 0), report.calls)),
        _tile("Refused", some(refused), f"{number(fates.get('denied', 0))} by policy" if refused else ""),
        _tile("In doubt", some(report.in_doubt.total), "look at each" if report.in_doubt.total else "", look=True),
        _tile("Not run, open", f"{some(fates.get('not_run', 0))}, {some(fates.get('open', 0))}"),
        _tile("Tokens", some(tokens.all), f"{number(tokens.given)} given, {number(tokens.answered)} answered"),
        _tile("Cost", money(tokens.cost), unpriced) if scope.prices else _tile("Cost", NONE, "no price list"),
    ]
    return tag("dl", *tiles, class_="tiles")


def _tile(name: str, figure: str, more: str = "", *, look: bool = False) -> Markup:
    small = tag("small", more) if more else None
    return tag("div", tag("dt", name), tag("dd", figure, small), class_="look" if look and figure != NONE else None)


def _part(some_: int, all_: int) -> str:
    return f"{100 * some_ / all_:.1f} %" if some_ else ""


def _damaged(report: Report) -> Markup | None:
    if not report.damaged.total:
        return None
    words = (
        f"{counted(report.damaged.total, 'conversation')} cannot be read, or not to the end. "
        "What stands before the damage is counted; what comes after it is not known."
    )
    return together(tag("p", words, class_="warn"), Lists(report).damaged())


def _empty(report: Report) -> Markup:
    whose = " of this agent" if report.scope.agent else ""
    return tag(
        "main",
        tag("p", "Nothing happened in this period.", class_="warn"),
        tag("p", f"No conversation{whose} was active in it."),
    )


# --- the sections


def _body(report: Report) -> tuple[Markup, ...]:
    lists = Lists(report)
    nothing = "No tool was called in this period."
    drawn = over_time.calls(report) if report.calls else tag("p", nothing)
    measured = any(tool.latency.count for tool in report.tools)
    sections: tuple[tuple[Child, ...], ...] = (
        (lists.in_doubt() if report.in_doubt.total else tag("p", "No call is in doubt."),),
        (drawn,),
        (sums.tools(report) if report.calls else tag("p", nothing), tag("p", _SHARE, class_="note")),
        (
            lists.failures() if report.failures.total else tag("p", "No call that was run failed."),
            lists.turns() if report.failed_turns.total else tag("p", "No turn failed."),
        ),
        (lists.refusals() if report.refusals.total else tag("p", "No call was refused."),),
        (lists.open() if report.open.total else tag("p", "Every call has an outcome."),),
        (sums.latencies(report) if measured else tag("p", "No tool was run to an end."),),
        (_tokens(report),),
        (lists.conversations(),),
        (_words(),),
    )
    leaves = {"failures", "tokens", "conversations"}
    made = [
        tag("section", tag("h2", name), *children, id=id_, class_="leaf" if id_ in leaves else None)
        for (id_, name), children in zip(_SECTIONS, sections, strict=True)
    ]
    return (tag("main", *made),)


_SHARE: Final = (
    "Tokens and cost of an answer that chose several calls are shared among them; answers that chose none are not in "
    "this table."
)


def _tokens(report: Report) -> Markup:
    if not report.models:
        return tag("p", "No model was asked in this period.")
    tokens = report.tokens
    unpriced = f" {counted(tokens.unpriced, 'answer')} had none, and are not in it." if tokens.unpriced else ""
    priced = f"Cost is by the price list that was given, in its currency.{unpriced}"
    return together(
        tag("p", priced if report.scope.prices else "No price list was given, so no cost is told.", class_="note"),
        over_time.spent(report, report.models, "model"),
        sums.models(report),
        over_time.spent(report, report.agents, "agent"),
        sums.agents(report),
    )


def _words() -> Markup:
    told = (
        ("Returned, failed", "The tool was run, and that came of it."),
        (
            "In doubt",
            "The tool was started, and nobody knows whether it took effect. It is not run again by itself.",
        ),
        (
            "Refused",
            "The runtime did not start it: not offered, arguments that do not fit, no such tool.",
        ),
        ("Denied by policy", "The agent's policy was asked before the tool was started, and said no."),
        ("Not run", "Its turn ended before."),
        ("Open", "It runs, or nothing is decided of it yet."),
        ("Time", "All times are UTC. A turn counts when it began, an answer when it came, a call when it was chosen."),
        ("p50, p95", "Half of all, or 95 of 100, took so long or less; to three digits."),
        ("Forks", "What a fork has from before its cut counts once, with the conversation that it was forked from."),
    )
    return tag("dl", *[together(tag("dt", word), tag("dd", words)) for word, words in told], class_="words")

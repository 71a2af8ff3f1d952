"""The story of one call on one screen: from who asked for it to what it changed and what came of it."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from ....actors import VERSION_SHOWN
from ....projections import Prices, ToolDecision
from ..console.text import SHOWN, command, one_line, visible
from .changes import as_json
from .checks import checks
from .decisions import chosen, cost_of, outcome_of, took
from .narration import Narrator, tokens
from .rows import Row
from .summary import NO_REASON
from .times import exact, lasting

FIRST_LINES: Final = 4
"""So many lines are told of a prompt that is not wanted whole; where there are more, the last says how many."""


class Storyteller(Struct, frozen=True):
    """Tells calls; with `prompts` the prompt is told whole.

    `place` is what `arf` is told of the place, so that a command which is printed finds it too.
    """

    prices: Prices = Prices()
    prompts: bool = False
    place: tuple[str, ...] = ()

    def heading(self, decision: ToolDecision) -> str:
        """Return what a story begins with."""
        what = f"{decision.conversation} {decision.call} {chosen(decision)}"
        return f"{one_line(what, SHOWN)}: {outcome_of(decision)}"

    def rows(self, decision: ToolDecision) -> Iterator[Row]:
        """Yield the rows of a story."""
        yield from _asked(decision)
        yield from self._given(decision)
        yield from _chosen(decision)
        for number, check in enumerate(checks(decision)):
            style = {True: "", False: "red", None: "dim"}[check.passed]
            yield Row("" if number else "checked", _line(f"{check.what}: {check.said}"), style)
        yield from _run(decision)
        yield from _outcome(decision)
        yield from _changed(decision)
        yield self._cost(decision)
        yield from _end(decision)

    def _given(self, decision: ToolDecision) -> Iterator[Row]:
        if decision.request is None:
            yield Row("asked", "nothing is recorded of the request", "red")
            return
        version = decision.journey_hash[:VERSION_SHOWN]
        where = [
            decision.journey,
            f"version {version}" if version else "",
            f"step {decision.step}" * bool(decision.step),
        ]
        parameters = "".join(f", {name}={as_json(value)}" for name, value in decision.parameters.items())
        again = f", after {decision.asked - 1} that failed" if decision.asked > 1 else ""
        at = "" if decision.requested is None else f", {exact(decision.requested)}"
        yield Row("asked", _line(f"@{decision.request} {decision.model or 'the model'}{parameters}{at}{again}"))
        yield Row("", _line(f"in {', '.join(part for part in where if part)}"))
        yield from self._prompt(decision)
        listed = "" if decision.tools_at is None else f" (as @{decision.tools_at})"
        yield Row("offered", _line(f"{', '.join(decision.offered) or 'no tools'}{listed}"))
        printing = command("arf", *self.place, "prompt", decision.conversation, str(decision.request))
        yield Row("exactly", printing, "dim")
        if decision.request_hash:
            yield Row("", f"sha256 {decision.request_hash}", "dim")

    def _prompt(self, decision: ToolDecision) -> Iterator[Row]:
        at = decision.prompt_at
        if at is None:
            yield Row("prompt", "none", "dim")
            return
        lines = visible(decision.prompt).strip().split("\n")
        if not self.prompts and (len(lines) > FIRST_LINES or len(decision.prompt) > SHOWN):
            more = len(lines) - FIRST_LINES + 1
            rest = f"… and {more} more lines: --prompt" if len(lines) > FIRST_LINES else "…: --prompt"
            lines = [*(one_line(line, SHOWN // FIRST_LINES) for line in lines[: FIRST_LINES - 1]), rest]
        yield Row("prompt", "\n".join(lines), "dim")
        if at != decision.request:
            yield Row("", f"as @{at}", "dim")

    def _cost(self, decision: ToolDecision) -> Row:
        cost = cost_of(decision, self.prices)
        spent = [lasting(decision.model_ms), *tokens(decision.usage)]
        money = [] if cost is None else [f"{cost:.6f}".rstrip("0").rstrip(".")]
        return Row("cost", _line(f"{', '.join([*money, *spent])}, for that answer"))


def _asked(decision: ToolDecision) -> Iterator[Row]:
    if decision.spoke is None:
        yield Row("user", "nothing is recorded of what was said", "red")
        return
    at = "" if decision.spoke_at is None else f", {exact(decision.spoke_at)}"
    yield Row("user", _words(decision.message), "cyan")
    what = f"@{decision.spoke} message {decision.message_id}{at}, turn {decision.turn} of {decision.agent}"
    yield Row("", _line(what), "dim")


def _chosen(decision: ToolDecision) -> Iterator[Row]:
    answer = decision.call.partition(".")[0]
    by = f" by {decision.answered_by}" if decision.answered_by else ""
    named = f", response {decision.response_id}" if decision.response_id else ""
    theirs = f", call {decision.provider_id}" if decision.provider_id else ""
    yield Row("chose", _line(chosen(decision)))
    when = f"@{answer} {exact(decision.chosen)}, {lasting(decision.model_ms)}"
    yield Row("", _line(f"{when}{by}{named}{theirs}"), "dim")
    if decision.words:
        yield Row("", f"beside it: {_words(decision.words)}", "green")


def _run(decision: ToolDecision) -> Iterator[Row]:
    for number, start in enumerate(decision.attempts):
        attempt = f", attempt {start.attempt}" if start.attempt > 1 else ""
        style = "yellow" if number else ""
        yield Row(
            "" if number else "run", _line(f"@{start.version} {exact(start.time)} by {start.writer}{attempt}"), style
        )
    if not decision.attempts:
        yield Row("run", "never started", "dim")
    yield Row("", _line(f"[{decision.effect}], key {decision.key}"), "dim")


def _outcome(decision: ToolDecision) -> Iterator[Row]:
    if not decision.outcome:
        yield Row("outcome", "it runs" if decision.attempts else "none yet", "yellow")
        return
    lasted = f", {took(decision)}" if took(decision) else ""
    style = "" if decision.outcome == "returned" else "red"
    at = "" if decision.ended is None else f" {exact(decision.ended)}"
    yield Row("outcome", _line(f"@{decision.outcome_at}{at} {decision.outcome}{lasted}"), style)
    yield Row("", f"the model was told: {_words(decision.content)}", style)
    if decision.error:
        yield Row("", f"and the operator: {_words(decision.error)}", "red")


def _changed(decision: ToolDecision) -> Iterator[Row]:
    moved = list(Narrator().moved(decision.moves))
    if not moved:
        yield Row("changed", "nothing", "dim")
    for number, row in enumerate(moved):
        yield Row("" if number else "changed", f"{row.label} {row.text}", row.style)


def _end(decision: ToolDecision) -> Iterator[Row]:
    if not decision.turn_outcome:
        yield Row("then", f"turn {decision.turn} has not ended", "yellow")
        return
    error = f": {decision.turn_error}" if decision.turn_error else ""
    why = decision.turn_reason or NO_REASON
    style = "" if decision.turn_outcome == "completed" else "red"
    yield Row("then", _line(f"turn {decision.turn} {decision.turn_outcome}, {why}{error}"), style)
    if decision.reply:
        yield Row("reply", _words(decision.reply), "green")


def _line(text: str) -> str:
    return one_line(text, SHOWN)


def _words(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= SHOWN else shown[:SHOWN] + "…"

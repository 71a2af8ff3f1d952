"""The lists of a page: calls and turns one by one, and the conversations that they are from."""

from collections.abc import Sequence
from typing import Final

from ..report import CallLine, ConversationLine, Listed, Report, TurnLine
from .commands import Commands
from .elements import Child, Markup, prose, tag, together
from .figures import counted, moment, number, some
from .tables import anchor, link, named, row, table, told

HIDDEN: Final = tag("i", "erased or sealed")

FAILURES: Final = "error,unknown,not_offered,invalid,denied,timeout,cancelled"
REFUSALS: Final = "not_offered,invalid,denied,unknown"


class Lists:
    """Writes the lists of one report."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._there = frozenset(line.conversation for line in report.lines.latest)
        self._commands = Commands(report.scope)

    def in_doubt(self) -> Markup:
        """Return all calls that nobody knows the outcome of."""
        columns = (*_CALL, ("Effect and idempotency key", "id"), ("Started last (UTC)", "when"))
        rows = [
            row(columns, (*self._call(line), self._effect(line), moment(line.started)))
            for line in self._report.in_doubt.latest
        ]
        caption = "Calls in doubt: started, and nobody knows whether they took effect"
        return self._listed(caption, columns, rows, self._report.in_doubt, "--verdict", "in_doubt")

    def failures(self) -> Markup:
        """Return the latest calls that failed."""
        columns = (*_CALL, ("Failed as, and what the model was told", "wide"))
        rows = [row(columns, (*self._call(line), _reason(line))) for line in self._report.failures.latest]
        filters = ("--verdict", "run", "--outcome", FAILURES)
        return self._listed("Calls that were run and failed", columns, rows, self._report.failures, *filters)

    def refusals(self) -> Markup:
        """Return the latest calls that were refused."""
        columns = (*_CALL, ("Refused by", ""), ("As, and why", "wide"))
        rows = [row(columns, (*self._call(line), line.by, _reason(line))) for line in self._report.refusals.latest]
        caption = "Calls that were refused, and not started"
        return self._listed(caption, columns, rows, self._report.refusals, "--verdict", REFUSALS)

    def open(self) -> Markup:
        """Return the latest calls that have no outcome."""
        columns = (*_CALL, ("How it stands", ""), ("Started last (UTC)", "when"))
        rows = [
            row(columns, (*self._call(line), _stands(line), _when(line.started))) for line in self._report.open.latest
        ]
        caption = "Calls without an outcome when this was made"
        return self._listed(caption, columns, rows, self._report.open, "--outcome", "none")

    def turns(self) -> Markup:
        """Return the latest turns that failed."""
        columns = (
            ("Ended (UTC)", "when"),
            ("Conversation", "id"),
            ("Turn", "num"),
            ("Agent", ""),
            ("Reason", ""),
            ("Error", "wide"),
        )
        rows = [row(columns, self._turn(line)) for line in self._report.failed_turns.latest]
        listed = self._report.failed_turns
        return together(
            table(_of("Turns that failed", listed), columns, rows),
            None if listed.total <= len(rows) else _cut(listed, self._commands.conversations()),
        )

    def damaged(self) -> Markup:
        """Return the conversations that cannot be read."""
        columns = (
            ("Conversation", "id"),
            ("Agent", ""),
            ("Last activity (UTC)", "when"),
            ("What does not fit", "wide"),
        )
        lines = self._report.damaged.latest
        cells = [(self._link(line), named(line.agent, ""), _when(line.last), told(line.why, 400)) for line in lines]
        rows = [row(columns, each) for each in cells]
        return table(_of("Conversations that cannot be read, or not to their end", self._report.damaged), columns, rows)

    def conversations(self) -> Markup:
        """Return the conversations that are mentioned, and the latest beside them."""
        columns = (
            ("Conversation", "id"),
            ("Agent", ""),
            ("Turns", "num"),
            ("Calls", "num"),
            ("Last activity (UTC)", "when"),
            ("Last turn", ""),
            ("To look", ""),
        )
        rows = [self._conversation(columns, line) for line in self._report.lines.latest]
        listed = self._report.lines
        cut = "" if listed.total <= len(rows) else ", and those that are mentioned above"
        return together(
            table(f"{_of('Conversations', listed)}{cut}, the one active last first", columns, rows),
            None if listed.total <= len(rows) else _cut(listed, self._commands.conversations()),
        )

    def _conversation(self, columns: Sequence[tuple[str, str]], line: ConversationLine) -> Markup:
        fork = together(tag("small", " forked from ", link(line.parent, self._there))) if line.parent else None
        why = together(": ", told(line.why, 80)) if line.why.text and line.outcome != "damaged" else None
        cells: tuple[Child, ...] = (
            together(link(line.conversation, frozenset()), fork),
            named(line.agent, ""),
            some(line.turns),
            some(line.calls),
            _when(line.last),
            together(prose(line.outcome or "none yet"), why),
            self._commands.show(line.conversation),
        )
        return row(columns, cells, id_=anchor(line.conversation))

    # --- cells

    def _link(self, line: CallLine | TurnLine | ConversationLine) -> Markup:
        return link(line.conversation, self._there)

    def _call(self, line: CallLine) -> tuple[Child, ...]:
        call = (
            HIDDEN
            if line.hidden
            else together(named(line.tool, ""), tag("code", told(line.arguments, 160), class_="args"))
        )
        where = together(self._link(line), tag("small", f" turn {line.turn}, call ", line.call))
        return (_when(line.time), where, together(call, tag("div", self._why(line))))

    def _turn(self, line: TurnLine) -> tuple[Child, ...]:
        where = self._link(line)
        return (_when(line.time), where, number(line.turn), named(line.agent, ""), _kind(line.reason), told(line.error))

    def _effect(self, line: CallLine) -> Markup:
        again = f", started {line.attempts} times" if line.attempts > 1 else ""
        return together(f"{line.effect}{again} ", tag("code", line.key, class_="args"))

    def _why(self, line: CallLine) -> Markup:
        return self._commands.why(line.conversation, line.call)

    def _listed(
        self,
        caption: str,
        columns: Sequence[tuple[str, str]],
        rows: Sequence[Markup],
        listed: Listed[CallLine],
        *filters: str,
    ) -> Markup:
        cut = None if listed.total <= len(rows) else _cut(listed, self._commands.tools(*filters))
        return together(table(_of(caption, listed), columns, rows), cut)


_CALL: Final = (("Chosen (UTC)", "when"), ("Conversation", "id"), ("Call", "wide"))


def _of(caption: str, listed: Listed[CallLine] | Listed[TurnLine] | Listed[ConversationLine]) -> str:
    shown = len(listed.latest)
    if shown == listed.total:
        return f"{caption}: {number(shown)}"
    return f"{caption}: the latest {number(shown)} of {number(listed.total)}"


def _cut(listed: Listed[CallLine] | Listed[TurnLine] | Listed[ConversationLine], command: Markup) -> Markup:
    return tag(
        "p",
        f"{number(listed.total - len(listed.latest))} more are not shown here; all of them: ",
        command,
        class_="note",
    )


def _when(time: int | None) -> str:
    return "\N{EN DASH}" if not time else moment(time)


def _kind(kind: str) -> Markup:
    return prose(kind.replace("_", " "))


def _reason(line: CallLine) -> Markup:
    why = HIDDEN if line.hidden else told(line.reason)
    return together(tag("b", _kind(line.kind)), " ", why)


def _stands(line: CallLine) -> str:
    return f"running, {counted(line.attempts, 'start')}" if line.attempts else "undecided"

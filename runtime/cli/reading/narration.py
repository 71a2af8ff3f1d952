"""The account of a turn in words: a heading and rows, in the order in which it all happened."""

from collections.abc import Iterator

from ....events import Usage
from ....projections import Aside, Attempt, CallAccount, Move, Round, Taken, TurnAccount, called
from ..console.text import SHOWN, one_line, visible
from .changes import NONE, as_json, plain, told_change
from .rows import Row
from .summary import NO_REASON, Summaries, allowed_by_policy, denied_by_policy
from .times import lasting, local


class Narrator:
    """Tells turns one after another; with `whole` nothing is cut, with `prompts` these are told whole, each once."""

    def __init__(self, *, whole: bool = False, prompts: bool = False) -> None:
        self._whole = whole
        self._prompts = prompts
        self._told: set[int] = set()
        self._summaries = Summaries()

    def heading(self, turn: TurnAccount) -> str:
        """Return what a turn begins with."""
        where = f", step {turn.step}" if turn.step else ""
        return one_line(f"turn {turn.number}, {local(turn.began_at)}, {turn.journey}{where}")

    def aside(self, aside: Aside) -> Iterator[Row]:
        """Yield the rows of what is part of no turn."""
        recorded = aside.recorded
        style = "red" if recorded.type == "command.refused" else ""
        told = self._summaries.of(recorded) if aside.move is None else ""
        yield Row(f"@{recorded.version}", f"{recorded.type} {told}".strip(), style)
        if aside.move is not None:
            yield from self.moved((aside.move,))

    def rows(self, turn: TurnAccount) -> Iterator[Row]:
        """Yield the rows of a turn."""
        if not self._prompts:
            self._told.clear()  # each turn can be read alone
        yield Row("user", self._words(turn.text), "cyan")
        for _, rows in sorted(self._parts(turn), key=lambda part: part[0]):
            yield from rows
        if turn.ended is None:
            yield Row("open", f"it has not ended here: {_cost(turn)}", "yellow")

    def _parts(self, turn: TurnAccount) -> Iterator[tuple[int, list[Row]]]:
        """Yield the parts of a turn, each with the version where it stands."""
        before: Round | None = None
        for round_ in turn.rounds:
            for attempt in round_.attempts:
                yield attempt.version, list(self._asked(round_, attempt, before))
            before = round_
            for attempt in round_.attempts:
                if attempt.failed is not None:
                    yield attempt.failed, [_failed(attempt)]
            if round_.answered is not None:
                spoken = turn.replied is not None and round_ is turn.rounds[-1] and round_.text == turn.reply
                yield round_.answered, list(self._answered(round_, spoken=spoken))
            for call in round_.calls:
                at = call.starts[0].version if call.starts else call.version
                row, *rest = self._called(call)
                yield at or round_.answered or 0, [row] if call.starts[1:] else [row, *rest]
                if call.starts[1:]:  # what came between the two starts stands there
                    yield call.starts[1].version, rest
        for life in turn.lives[1:]:
            yield life.version, [_taken(life)]
        for aside in turn.asides:
            yield aside.recorded.version, list(self.aside(aside))
        if turn.replied is not None:
            yield turn.replied, [Row("reply", self._words(turn.reply) or "(no words)", "green")]
        if turn.ended is not None:
            yield turn.ended, [_ended(turn)]

    def _asked(self, round_: Round, attempt: Attempt, before: Round | None) -> Iterator[Row]:
        again = attempt is not round_.attempts[0]
        known = again or (before is not None and _given(before) == _given(round_))
        number = f", attempt {attempt.number}" if attempt.number > 1 else ""
        window = f", turns {round_.first_turn} to {round_.last_turn}" if round_.first_turn else ""
        parameters = "".join(f", {name}={as_json(value)}" for name, value in round_.parameters.items())
        where = f", step {round_.step}" if round_.step else ""
        what = f"{round_.model or 'the model'}{where}{parameters}{window}{number}"
        same = ", the same again" if again else ", with prompt and tools as before" if known else ""
        yield Row("asked", one_line(f"@{attempt.version} {what}{same}", SHOWN))
        if not known:
            yield from self._prompt(round_)
            yield Row("tools", one_line(", ".join(round_.tools) or "none", SHOWN), "dim")

    def _prompt(self, round_: Round) -> Iterator[Row]:
        at = round_.prompt_at
        if at is None:
            yield Row("prompt", "none", "dim")
        elif at in self._told:
            yield Row("prompt", f"as @{at}", "dim")
        elif self._prompts:
            yield Row("prompt", visible(round_.prompt), "dim")
        else:
            first, _, more = round_.prompt.strip().partition("\n")
            yield Row("prompt", one_line(first, 200) + (" …" if more else ""), "dim")
        if at is not None:
            self._told.add(at)

    def _answered(self, round_: Round, *, spoken: bool) -> Iterator[Row]:
        calls = len(round_.calls)
        chose = [] if not calls else [f"{calls} call{'' if calls == 1 else 's'}"]
        parts = [*chose, lasting(round_.latency_ms), *tokens(round_.usage)]
        if round_.finish_reason not in (None, "stop", "tool_calls"):
            parts.append(f"ended by {round_.finish_reason}")
        if round_.answered_by and round_.answered_by != round_.model:
            parts.append(f"by {round_.answered_by}")
        yield Row("answered", one_line(f"@{round_.answered} {', '.join(parts)}"))
        if round_.text and not spoken:
            yield Row("", self._words(round_.text), "green")

    def _called(self, account: CallAccount) -> Iterator[Row]:
        call = account.call
        allowed = f", {allowed_by_policy(account.policy_reason)}" if account.policy == "allowed" else ""
        effect = f" [{account.starts[0].effect}{allowed}]" if account.starts else ""
        took = f", {lasting(account.latency_ms)}" if account.starts and account.outcome else ""
        told = called(call) if call.name and call.problem is None else f"{call.name or '?'}(?)"
        yield Row("call", self._cut(one_line(f"{account.id}  {told}{effect}{took}")))
        for start in account.starts[1:]:
            yield Row("", f"started again @{start.version}, attempt {start.attempt}", "yellow")
        yield self._outcome(account)
        if account.error:
            yield Row("", self._words(account.error), "red")
        yield from self.moved(account.moves)

    def _outcome(self, account: CallAccount) -> Row:
        if not account.outcome:
            return Row("", "it has no outcome here" if account.starts else "it was not decided on here", "yellow")
        if account.outcome == "returned":
            return Row("", f"-> {self._words(account.content)}")
        if account.policy == "denied":
            return Row("", self._words(denied_by_policy(account.policy_reason)), "red")
        how = "not run" if account.refused else "failed"
        return Row("", f"{how} ({account.outcome}): {self._words(account.content)}", "red")

    def moved(self, moves: tuple[Move, ...]) -> Iterator[Row]:
        """Yield what became of the state, and where the journey moved; a field `step` does not say so twice."""
        steps = {move.step for move in moves if move.step is not None}
        for move in moves:
            if move.journey is not None:
                left = ", as it was left" if move.resumed else ""
                yield Row("journey", one_line(f"{move.journey[0]} -> {move.journey[1]}{left}"), "magenta")
            for change in move.changes:
                held = move.journey is None and change.field == "step"
                if not held or (_text(change.before), _text(change.after)) not in steps:
                    yield from (Row("state", line, "magenta") for line in told_change(change, whole=self._whole))
            if move.step is not None and move.step[0] != move.step[1]:
                yield Row("step", one_line(f"{move.step[0] or NONE} -> {move.step[1] or NONE}"), "magenta")

    def _words(self, text: str) -> str:
        return self._cut(visible(text))

    def _cut(self, text: str) -> str:
        return text if self._whole or len(text) <= SHOWN else text[:SHOWN] + "…"


def _given(round_: Round) -> tuple[int | None, int | None]:
    return round_.prompt_at, round_.tools_at


def _text(value: bytes | None) -> str:
    found = "" if value is None else plain(value)
    return found if isinstance(found, str) else ""


def _failed(attempt: Attempt) -> Row:
    again = "" if attempt.retry_at is None else f"; again at {local(attempt.retry_at)}"
    took = f" after {lasting(attempt.latency_ms)}"
    return Row("failed", one_line(f"@{attempt.failed} {attempt.kind}{took}: {attempt.error}{again}", SHOWN), "red")


def _taken(life: Taken) -> Row:
    return Row(
        "resumed", one_line(f"@{life.version} {local(life.time)} by {life.writer}, life {life.attempt}"), "yellow"
    )


def _ended(turn: TurnAccount) -> Row:
    style = "" if turn.outcome == "completed" else "red"
    reason = turn.reason or NO_REASON
    why = f": {turn.error}" if turn.error else ""
    by = f" by {turn.cancelled_by}" if turn.cancelled_by else ""
    return Row("ended", one_line(f"@{turn.ended} {turn.outcome}{by}, {reason}{why}; {_cost(turn)}", SHOWN), style)


def _cost(turn: TurnAccount) -> str:
    whole = [] if turn.whole_ms is None else [f"{lasting(turn.whole_ms)} in all"]
    spent = [*whole, f"model {lasting(turn.model_ms)}", f"tools {lasting(turn.tool_ms)}", *tokens(turn.usage)]
    failures = sum(round_.failures for round_ in turn.rounds)
    if failures:
        spent.append(f"{failures} failed attempt{'' if failures == 1 else 's'}")
    return ", ".join(spent)


def tokens(usage: Usage) -> list[str]:
    """Return the tokens in words, under the provider's names where it has others than OpenAI's."""
    total, asked, answered = (usage.get(name) for name in ("total_tokens", "prompt_tokens", "completion_tokens"))
    if total is None:
        return [one_line(f"{count} {name.replace('_', ' ')}") for name, count in usage.items()]
    parts = f" ({asked} + {answered})" if asked is not None and answered is not None else ""
    return [f"{total} tokens{parts}"]

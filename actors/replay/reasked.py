"""What came of asking again: each point with both choices, what they cost, and how many differ."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

from msgspec import Struct

from ...events import Usage, add_usage
from .choice import Choice, Difference, Differs

Result: TypeAlias = Literal["same", "words", "differs", "failed"]
"""What a point came to: the same choice in the same words, or in other words, another choice, or no answer at all."""


SHOWN = 500
"""So many characters of what was said or chosen are told."""


class Asked(Struct, frozen=True, kw_only=True):
    """Is one point at which the model was asked again.

    Attributes:
        version, turn, journey, step: the recorded request, and where the conversation was.
        said: what the person had said in this turn.
        result: `same`, `words` (the same choice in other words), `differs`, or `failed` (the model gave no answer).
        then, now: the choices; None for now if there is no answer.
        differences: where they differ.
        error: why there is no answer; empty if there is.
        unchanged: whether the model was given the very bytes that it was given then.
        attempts: how often the model was asked, failures included.
        model: who answered now.
        usage_then, usage: the tokens of both answers.
        latency_ms: how long the answer took now.

    >>> from agent_runtime_framework import Asked
    >>> asked = Asked(version=4, turn=1, journey="desk", step="hello", said="hi", result="same", then=Choice("Hello!"))
    >>> asked.counts
    False

    """

    version: int
    turn: int
    journey: str
    step: str
    said: str
    result: Result
    then: Choice
    now: Choice | None = None
    differences: tuple[Differs, ...] = ()
    error: str = ""
    unchanged: bool = False
    attempts: int = 0
    model: str = ""
    usage_then: Usage = {}
    usage: Usage = {}
    latency_ms: int = 0

    @property
    def counts(self) -> bool:
        """Whether the model chose otherwise, or could not be asked."""
        return self.result in ("differs", "failed")


class Counts(Struct, frozen=True, kw_only=True):
    """Counts points by what they came to; one that differs in tool or arguments may differ in its step, too.

    `points` is all there are, `asked` those that were looked at within the budget.
    """

    points: int = 0
    asked: int = 0
    same: int = 0
    words: int = 0
    tool: int = 0
    arguments: int = 0
    step: int = 0
    code: int = 0
    failed: int = 0
    unchanged: int = 0
    usage_then: Usage = {}
    usage: Usage = {}

    def __str__(self) -> str:
        names = {"words": "other words", "tool": "other tool", "arguments": "other arguments", "step": "other step"}
        names |= {"code": "not asked by today's code", "failed": "failed"}
        told = [f"{getattr(self, name)} {what}" for name, what in names.items() if getattr(self, name)]
        of = "" if self.asked == self.points else f" of {self.points:,}"
        points = f"{self.asked:,}{of} point{'' if self.points == 1 else 's'}"
        return f"{points}: {', '.join([f'{self.same} the same', *told])}"


class Reasked(Struct, frozen=True, kw_only=True):
    """Is what came of asking again in one conversation.

    Attributes:
        conversation, agent: which one.
        version, turns: how much is recorded of it.
        total: how many points it has.
        points: those that were asked, in the order of the log; fewer where the budget was spent.

    >>> import asyncio
    >>> from agent_runtime_framework import reask
    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, ScriptedLLM, simulate
    >>> log = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=(), model=lambda *_: "Hello!").logs["c-1"]
    >>> again = asyncio.run(reask(log, OnboardingAgent(ScriptedLLM("Good day!"))))
    >>> print(again.counts)
    1 point: 0 the same, 1 other words
    >>> again.differs
    False

    """

    conversation: str
    agent: str
    version: int
    turns: int
    total: int
    points: tuple[Asked, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the model chose otherwise anywhere, or could not be asked."""
        return any(one.counts for one in self.points)

    @property
    def counts(self) -> Counts:
        """How many points came to what."""
        return counted(self.points, self.total)

    def __str__(self) -> str:
        return "\n".join([f"{self.conversation}: {self.counts}", *(_told(one) for one in self.points if one.counts)])


def counted(points: Iterable[Asked], total: int) -> Counts:
    """Count points, of `total`."""
    listed = list(points)
    results = Counter(one.result for one in listed)
    kinds: Counter[Difference] = Counter(kind for one in listed for kind in {each.kind for each in one.differences})
    usage_then: Usage = {}
    usage: Usage = {}
    for one in listed:
        usage_then, usage = add_usage(usage_then, one.usage_then), add_usage(usage, one.usage)
    return Counts(
        points=total,
        asked=len(listed),
        same=results["same"],
        words=results["words"],
        failed=results["failed"],
        unchanged=sum(one.unchanged for one in listed),
        usage_then=usage_then,
        usage=usage,
        **{kind: kinds[kind] for kind in get_args(Difference)},
    )


def _told(one: Asked) -> str:
    step = f", step {one.step}" if one.step else ""
    kinds = ", ".join(dict.fromkeys(each.kind for each in one.differences)) or one.result
    lines = [f"\n  version {one.version}, turn {one.turn}{step}: {kinds}"]
    if one.said:
        lines += _field("said", f'"{one.said}"')
    lines += _field("then", str(one.then))
    lines += _field("now", str(one.now) if one.now is not None else one.error)
    for each in one.differences:
        if each.kind in ("arguments", "step"):
            lines += _field("", f"{each.subject or each.kind}: {each.then} -> {each.now}")
    return "\n".join(lines)


def _field(name: str, text: str) -> list[str]:
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    beginning, *rest = shown.splitlines() or [""]
    return [f"    {name:<4}  {beginning}", *(f"          {line}" for line in rest)]

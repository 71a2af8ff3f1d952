"""What a replay found, in words: behaviour first, text last, each as what was then and what is now."""

import difflib
from collections.abc import Collection, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from .choice import MISSING, unequal
from .divergence import ASPECTS, TEXT, Aspect, Divergence

SHOWN = 20
"""So many differences in behaviour are told one by one."""

_ONLY_LIVE = "given to the model; what it makes of it only a live one shows (--model live):"


class Replayed(Struct, frozen=True, kw_only=True):
    """Is what a replay found.

    Attributes:
        conversation, agent: which one.
        version, turns: how much of it was decided again.
        divergences: where today's code does something else, in the order in which it shows.
        ignored: what of these is told, but does not count.

    >>> import asyncio
    >>> from agent_runtime_framework import replay
    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, simulate
    >>> log = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=(), model=lambda *_: "Hello!").logs["c-1"]
    >>> class Politely(OnboardingAgent):
    ...     def get_system_prompt(self, state):
    ...         return super().get_system_prompt(state) + " Be polite."
    >>> found = asyncio.run(replay(log, Politely()))
    >>> found.first.aspect, found.first.subject, found.first.version
    ('prompt', 'welcome', 4)
    >>> print(asyncio.run(replay(log, OnboardingAgent())))
    c-1: 1 turn, 7 events: the same

    """

    conversation: str
    agent: str
    version: int
    turns: int
    divergences: tuple[Divergence, ...] = ()
    ignored: frozenset[Aspect] = frozenset()

    @property
    def counted(self) -> tuple[Divergence, ...]:
        """The differences that count."""
        return tuple(one for one in self.divergences if one.aspect not in self.ignored)

    @property
    def first(self) -> Divergence | None:
        """The first difference that counts, None for a conversation that today's code leads as it was led."""
        return next(iter(self.counted), None)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def described(divergence: Divergence) -> str:
    """Return one difference on one line, such as `step: email -> plan`."""
    if divergence.aspect in TEXT:
        changes = _text_changes(divergence)
        return f"{_title(divergence)}: {changes[0] if len(changes) == 1 else f'{len(changes)} changes'}"
    return f"{_title(divergence)}: {divergence.then or 'none'} -> {divergence.now or 'none'}"


def _lines(replayed: Replayed) -> Iterator[str]:
    length = f"{_count(replayed.turns, 'turn')}, {_count(replayed.version, 'event')}"
    first = replayed.first
    if first is None:
        verdict = "the same" if not replayed.divergences else "the same but for what is ignored"
        yield f"{replayed.conversation}: {length}: {verdict}"
    else:
        where = f"version {first.version}, turn {first.turn}"
        yield f"{replayed.conversation}: {length}: diverges at {where}: {_title(first)}"
    behaviour = [one for one in replayed.divergences if one.behaviour]
    for one in behaviour[:SHOWN]:
        yield from ("", *_behaviour(one, replayed.ignored))
    if len(behaviour) > SHOWN:
        yield from ("", f"  and {len(behaviour) - SHOWN} more differences in behaviour")
    text = [one for one in replayed.divergences if not one.behaviour]
    if text:
        yield from ("", f"  {_ONLY_LIVE}")
    for one in sorted(text, key=lambda one: ASPECTS.index(one.aspect)):
        yield from ("", f"  {_title(one)}{_where(one, replayed.ignored)}")
        yield from (f"    {line}" for line in _text_changes(one))


def _behaviour(one: Divergence, ignored: Collection[Aspect]) -> Iterator[str]:
    yield f"  {_title(one)}{_where(one, ignored)}"
    for when, text in (("then", one.then), ("now ", one.now)):
        beginning, *rest = text.splitlines() or ["(nothing)"]
        yield f"    {when}  {beginning}"
        yield from (f"          {line}" for line in rest)


def _where(one: Divergence, ignored: Collection[Aspect]) -> str:
    times = f", {one.times} times" if one.times > 1 else ""
    follows = ", because the state differs" if one.follows else ""
    return f"  (version {one.version}, turn {one.turn}{times}{follows}{', ignored' if one.aspect in ignored else ''})"


def _title(one: Divergence) -> str:
    match one.aspect:
        case "state":
            return f"state.{one.subject}" if one.subject else "state"
        case "call":
            return one.subject
        case "result":
            return f"result of {one.subject}"
        case "prompt" | "tools" | "parameters" | "window":
            return f"{one.aspect} in step {one.subject}" if one.subject else one.aspect
        case _:
            return one.aspect


def _text_changes(one: Divergence) -> list[str]:
    match one.aspect:
        case "tools":
            return tool_changes(one.then, one.now)
        case "prompt":
            lines = difflib.unified_diff(one.then.splitlines(), one.now.splitlines(), lineterm="", n=1)
            return [line for line in lines if not line.startswith(("---", "+++"))]
        case _:
            return [f"{one.then} -> {one.now}"]


def tool_changes(then: str, now: str) -> list[str]:
    """Return how two lists of tools differ, a line a tool: added, removed, renamed, or what of it changed."""
    one, other = _tools(then), _tools(now)
    gone, new = [name for name in one if name not in other], [name for name in other if name not in one]
    changes = []
    for name in list(gone):
        renamed = next((to for to in new if _unnamed(other[to]) == _unnamed(one[name])), None)
        if renamed is not None:
            changes.append(f"{name}: renamed to {renamed}")
            gone.remove(name)
            new.remove(renamed)
    changes += [f"{name}: not offered any more" for name in gone]
    changes += [f"{name}: newly offered" for name in new]
    for name in one.keys() & other.keys():
        changes += [f"{name}: {change}" for change in _changes(one[name], other[name])]
    if not changes:
        changes.append(f"order: {', '.join(one)} -> {', '.join(other)}")
    return sorted(changes)


def _tools(text: str) -> dict[str, dict[str, Any]]:
    """Return tools by name, each with what an author says of it."""
    given = msgspec.json.decode(text)
    found: dict[str, dict[str, Any]] = {}
    for tool in given["tools"]:
        function = tool.get("function", {})
        name = str(function.get("name", ""))
        found[name] = {**function, "effect": given["effects"].get(name, "not declared")}
    return found


def _unnamed(tool: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tool.items() if key != "name"}


def _changes(then: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for key in sorted(then.keys() | now.keys()):
        for path, one, other in unequal(key, then.get(key), now.get(key)):
            yield f"{path}: {_json(one)} -> {_json(other)}"


def _json(value: Any) -> str:
    return "none" if value in (None, MISSING) else msgspec.json.encode(value).decode()


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"

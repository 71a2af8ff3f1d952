"""What a replay found, in words: behaviour first, text last, each as what was then and what is now."""

import difflib
from collections.abc import Collection, Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .choice import MISSING, unequal
from .divergence import ASPECTS, TEXT, Aspect, Divergence

SHOWN = 20
"""So many differences are told one by one, in behaviour, and in what the model is given."""

LINES = 40
"""So many lines of one text or difference are told."""

LONGEST = 600
"""So many characters of one text are told."""

LINE = 100
"""So many characters of a text are told where there is one line for it."""

_ONLY_LIVE = "given to the model; what it makes of it only a live one shows (--model live):"


class Replayed(Struct, frozen=True, kw_only=True):
    """Is what a replay found.

    Attributes:
        conversation, agent: which one.
        version, turns: where it ends.
        since: the version from which it was decided again: 1, or where its state was migrated last.
        outcomes: how many of tools were taken from the log, so that what today's tools do is not known.
        divergences: where today's code does something else, in the order in which it shows.
        ignored: what of these is told, but does not count.
        remaining: what still differs at the end, of state, step and last reply.
        unsteady: what the model is given, and in which step, that differs each time today's code is asked, so that
            nothing can be told from it; it is not compared.

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
    since: int = 1
    outcomes: int = 0
    divergences: tuple[Divergence, ...] = ()
    ignored: frozenset[Aspect] = frozenset()
    remaining: tuple[Divergence, ...] = ()
    unsteady: tuple[tuple[Aspect, str], ...] = ()

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
    title = _title(divergence)
    if divergence.aspect not in TEXT:
        return f"{title}: {_line(divergence.then)} -> {_line(divergence.now)}"
    changes = _text_changes(divergence)
    if divergence.aspect == "prompt":
        changes = [line for line in changes if line.startswith(("-", "+"))]
        return f"{title}: {' '.join(_line(line) for line in changes[:2])}{' ...' if len(changes) > 2 else ''}"
    more = f", and {_count(len(changes) - 1, 'more change')}" if len(changes) > 1 else ""
    return f"{title}: {_line(changes[0])}{more}"


def _lines(replayed: Replayed) -> Iterator[str]:
    length = f"{_count(replayed.turns, 'turn')}, {_count(replayed.version, 'event')}"
    if replayed.since > 1:
        length += f" (from {replayed.since} on, where the state was migrated)"
    first = replayed.first
    if first is None:
        verdict = "the same" if not replayed.divergences else "the same but for what is ignored"
        yield f"{replayed.conversation}: {length}: {verdict}"
    else:
        yield f"{replayed.conversation}: {length}: diverges at version {first.version}, turn {first.turn}"
        yield f"  {described(first)}"
    yield from _behaviour(replayed)
    if replayed.remaining:
        yield from ("", "  in the end")
        yield from _listed([f"    {described(one)}" for one in replayed.remaining])
    yield from _text(replayed)
    if replayed.unsteady:
        what = ", ".join(_at_steps(aspect, [step]) for aspect, step in replayed.unsteady)
        yield from ("", f"  not compared, because it differs each time it is asked for: {what}")


def _behaviour(replayed: Replayed) -> Iterator[str]:
    behaviour = [one for one in replayed.divergences if one.behaviour]
    for one in behaviour[:SHOWN]:
        yield from ("", f"  {_title(one)}{_told(one, replayed.ignored)}")
        yield from _value("then", one.then, f"version {one.version}")
        yield from _value("now ", one.now, "-o json")
    if len(behaviour) > SHOWN:
        yield from ("", f"  and {len(behaviour) - SHOWN} more differences in behaviour (-o json has them)")


def _text(replayed: Replayed) -> Iterator[str]:
    text = [one for one in replayed.divergences if not one.behaviour]
    if text:
        yield from ("", f"  {_ONLY_LIVE}")
    alike: dict[tuple[Aspect, tuple[str, ...]], list[Divergence]] = {}
    for one in sorted(text, key=lambda one: ASPECTS.index(one.aspect)):
        alike.setdefault((one.aspect, tuple(_text_changes(one))), []).append(one)
    for (aspect, changes), found in [*alike.items()][:SHOWN]:
        title = _at_steps(aspect, dict.fromkeys(one.subject for one in found))
        whole = replace(found[0], times=sum(one.times for one in found))
        yield from ("", f"  {title}{_told(whole, replayed.ignored)}")
        yield from _listed([f"    {_cut(line, '-o json')}" for line in changes])
    if len(alike) > SHOWN:
        yield from ("", f"  and {len(alike) - SHOWN} more differences in what the model is given (-o json has them)")


def _at_steps(aspect: str, steps: Collection[str]) -> str:
    named = [step for step in steps if step]
    return f"{aspect} in step{'s' if len(named) > 1 else ''} {', '.join(named)}" if named else aspect


def _listed(lines: list[str]) -> Iterator[str]:
    yield from lines[:LINES]
    if len(lines) > LINES:
        yield f"    ... {_count(len(lines) - LINES, 'more line')} (-o json has them)"


def _value(when: str, text: str, whole: str) -> Iterator[str]:
    """Yield what was or is, in a few lines; `whole` says where all of it is found."""
    beginning, *rest = _cut(text, whole).splitlines() or ["(nothing)"]
    yield f"    {when}  {beginning}"
    yield from (f"          {line}" for line in rest[: LINES - 1])
    if len(rest) >= LINES:
        yield f"          ... {_count(len(rest) - LINES + 1, 'more line')} (whole: {whole})"


def _cut(text: str, whole: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters, whole: {whole})"


def _line(text: str) -> str:
    """Return a text on one short line."""
    words = " ".join(text.split()) or "(nothing)"
    return words if len(words) <= LINE else f"{words[:LINE]}..."


def _told(one: Divergence, ignored: Collection[Aspect]) -> str:
    times = f", {one.times} times" if one.times > 1 else ""
    follows = ", because the state differs" if one.follows else ""
    return f"  (version {one.version}, turn {one.turn}{times}{follows}{', ignored' if one.aspect in ignored else ''})"


def _title(one: Divergence) -> str:
    match one.aspect:
        case "state":
            return f"state.{one.subject}" if one.subject else "state"
        case "call":
            return _line(one.subject)
        case "result":
            return f"result of {_line(one.subject)}"
        case "prompt" | "tools" | "parameters" | "window":
            return _at_steps(one.aspect, [one.subject])
        case _:
            return one.aspect


def _text_changes(one: Divergence) -> list[str]:
    match one.aspect:
        case "tools":
            return tool_changes(one.then, one.now)
        case "prompt":
            lines = difflib.unified_diff(one.then.splitlines(), one.now.splitlines(), lineterm="", n=1)
            return list(lines)[2:]
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
    if not changes and [*one] != [*other]:
        changes.append(f"order: {', '.join(one)} -> {', '.join(other)}")
    elif not changes:
        changes += [
            f"{name}: its parameters in another order" for name in one if _json(one[name]) != _json(other[name])
        ]
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

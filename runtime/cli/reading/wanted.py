"""Which calls are wanted: what was typed as filters, checked once, and asked of each call."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from ....events import InvalidInput, ToolFailure, check_token
from ....projections import VERDICTS, ToolDecision
from .moments import period

NONE_YET: Final = "none"
"""Stands for the outcome of a call that has none yet."""

OUTCOMES: Final = ("returned", *get_args(ToolFailure), NONE_YET)


class Argument(Struct, frozen=True):
    """Is an argument that a call must have: where it stands, and its value, as text and as JSON if it is some."""

    path: str
    text: str
    value: Any

    def fits(self, arguments: dict[str, Any]) -> bool:
        """Say whether a call with these arguments is wanted."""
        return any(found == self.text or _same(found, self.value) for found in _found(arguments, self.path))


class Filters(Struct, frozen=True, kw_only=True):
    """Is what was typed, as it was typed; nothing means that any will do."""

    tools: Sequence[str] = ()
    agents: Sequence[str] = ()
    conversations: Sequence[str] = ()
    verdicts: Sequence[str] = ()
    outcomes: Sequence[str] = ()
    since: str | None = None
    until: str | None = None
    arguments: Sequence[str] = ()


class Wanted(Struct, frozen=True, kw_only=True):
    """Says of each call whether it is wanted."""

    tools: frozenset[str]
    agents: frozenset[str]
    conversations: tuple[str, ...]
    verdicts: frozenset[str]
    outcomes: frozenset[str]
    since: int
    until: int | None
    arguments: tuple[Argument, ...]

    def fits(self, decision: ToolDecision) -> bool:
        """Say whether a call is wanted."""
        pairs = (
            (self.tools, decision.tool),
            (self.agents, decision.agent),
            (self.verdicts, decision.verdict),
            (self.outcomes, decision.outcome or NONE_YET),
        )
        return (
            all(not wanted or found in wanted for wanted, found in pairs)
            and decision.chosen >= self.since
            and (self.until is None or decision.chosen < self.until)
            and all(argument.fits(decision.arguments) for argument in self.arguments)
        )


def wanted(typed: Filters, now: int) -> Wanted:
    """Return what is wanted.

    Raises:
        InvalidInput: something is no filter; the message says what there is.

    """
    since, until = period(typed.since, typed.until, now)
    return Wanted(
        tools=frozenset(typed.tools),
        agents=frozenset(check_token(agent, "agent key") for agent in typed.agents),
        conversations=tuple(dict.fromkeys(check_token(id_, "conversation id") for id_ in typed.conversations)),
        verdicts=_of("--verdict", typed.verdicts, VERDICTS),
        outcomes=_of("--outcome", typed.outcomes, OUTCOMES),
        since=since or 0,
        until=until,
        arguments=tuple(map(_argument, typed.arguments)),
    )


def _of(option: str, given: Iterable[str], known: Sequence[str]) -> frozenset[str]:
    named = [part.strip() for each in given for part in each.split(",")]
    for name in named:
        if name not in known:
            raise InvalidInput(f"{option} {name!r}: there is {', '.join(known)}")
    return frozenset(named)


def _argument(given: str) -> Argument:
    path, sign, text = given.partition("=")
    if not sign or not path:
        raise InvalidInput(f"--arg {given!r}: write name=value, such as --arg amount=12 or --arg order.id=7")
    try:
        return Argument(path, text, msgspec.json.decode(text.encode(errors="surrogateescape")))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Argument(path, text, text)


def _found(value: Any, path: str) -> Iterator[Any]:
    """Yield what stands at a path: names of fields and numbers in lists, with dots; a name may have dots itself."""
    if not path:
        return
    here, _, deeper = path.partition(".")
    while True:
        for inner in _at(value, here):
            yield from _found(inner, deeper) if deeper else (inner,)
        if not deeper:
            return
        more, _, deeper = deeper.partition(".")
        here = f"{here}.{more}"


def _at(value: Any, name: str) -> Sequence[Any]:
    if isinstance(value, dict):
        return (value[name],) if name in value else ()
    if isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < len("1000000"):
        return value[int(name) : int(name) + 1]
    return ()


def _same(found: Any, value: Any) -> bool:
    """Say whether two JSON values are the same; as JSON, because Python takes 1 for True."""
    if isinstance(found, dict) and isinstance(value, dict):
        return found.keys() == value.keys() and all(_same(found[name], value[name]) for name in found)
    if isinstance(found, list) and isinstance(value, list):
        return len(found) == len(value) and all(map(_same, found, value))
    return isinstance(found, bool) == isinstance(value, bool) and bool(found == value)

"""What a model chose, then and now, and where the two choices differ.

A choice is which tools are called, in which order, with which arguments, and where that leads.  Words alone are none: a
model never says the same twice, and what they are worth only a person can say.
"""

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from ...projections import Call, called
from .points import Point

Difference: TypeAlias = Literal["tool", "arguments", "step", "code"]
"""In what two choices differ:

  - tool: other tools are called, or in another order, or none, or some where there was only a text.
  - arguments: the same tools are called with other arguments.
  - step: the journey moved then, and would not now, or it would move elsewhere, as far as that can be known.
  - code: the model is not asked any more: today's code raises, or ends the turn.
"""


class Chosen(Struct, frozen=True):
    """Is one call that a model chose; `refused` is why it could not run, such as `not offered`, empty if it could."""

    name: str
    arguments: dict[str, Any] = {}
    problem: str = ""
    refused: str = ""

    def __str__(self) -> str:
        call = called(Call(0, self.name or "(no name)", self.arguments))
        return f"{call} [{self.refused}]" if self.refused else call


class Choice(Struct, frozen=True):
    """Is an answer of a model: its words, and its calls in order."""

    text: str = ""
    calls: tuple[Chosen, ...] = ()

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools that are called."""
        return tuple(call.name for call in self.calls)

    def __str__(self) -> str:
        return ", ".join(map(str, self.calls)) if self.calls else f'"{self.text}"'


class Differs(Struct, frozen=True):
    """Is one difference between two choices; `subject` is the argument that it is about, or empty."""

    kind: Difference
    subject: str
    then: str
    now: str


def chosen_then(point: Point) -> Choice:
    """Return the choice that was recorded."""
    return Choice(point.text, tuple(Chosen(call.name, call.arguments, call.problem or "") for call in point.calls))


def differences(then: Choice, now: Choice) -> tuple[Differs, ...]:
    """Return where two choices differ in tools and arguments."""
    if then.tools != now.tools:
        return (Differs("tool", "", _names(then), _names(now)),)
    return tuple(_arguments(then, now))


def _arguments(then: Choice, now: Choice) -> Iterator[Differs]:
    for number, (one, other) in enumerate(zip(then.calls, now.calls, strict=True)):
        where = one.name if then.tools.count(one.name) == 1 else f"{one.name}[{number}]"
        if one.problem != other.problem:
            yield Differs("arguments", where, one.problem or called_with(one), other.problem or called_with(other))
            continue
        for path, before, after in unequal(where, one.arguments, other.arguments):
            yield Differs("arguments", path, as_json(before), as_json(after))


def unequal(path: str, then: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield where two values differ, as deep as both are objects: the path, and both; MISSING for what is not there."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted(then.keys() | now.keys()):
            yield from unequal(f"{path}.{key}", then.get(key, MISSING), now.get(key, MISSING))
    elif as_json(then) != as_json(now):
        yield path, then, now


MISSING = object()
"""Stands for a value that is not there."""


def as_json(value: Any) -> str:
    """Return a value as JSON."""
    return "not given" if value is MISSING else msgspec.json.encode(value, order="sorted").decode()


def called_with(call: Chosen) -> str:
    """Return the arguments of a call as JSON."""
    return as_json(call.arguments)


def _names(choice: Choice) -> str:
    return ", ".join(name or "(no name)" for name in choice.tools) or "none"

"""What became of values, in words: field by field, and within a field only what differs."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ....projections import Change, Move
from ..console.text import SHOWN, one_line, visible

MOST: Final = 20
"""So many lines are told of one field."""

NONE: Final = "(none)"
"""Stands for a step or a journey that has no name."""

DEEPEST: Final = 20
"""Levels that are looked into; what is nested deeper is told whole."""


_PLAIN: Final = re.compile(r"[\w-]+")


class _Missing:
    """Stands for what is not there."""


_MISSING: Final = _Missing()


def plain(value: bytes) -> Any:
    """Return what JSON bytes of the log hold, or their text if they hold nothing."""
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return value.decode(errors="replace")


def change_as_data(change: Change) -> dict[str, Any]:
    """Return a change as plain data; what was not there before, or is not there after it, has no such key."""
    values = {"before": change.before, "after": change.after}
    return {"field": change.field, **{name: plain(value) for name, value in values.items() if value is not None}}


def move_as_data(move: Move) -> dict[str, Any]:
    """Return a move as plain data."""
    return {
        "version": move.version,
        "changes": [change_as_data(change) for change in move.changes],
        "step": None if move.step is None else {"from": move.step[0], "to": move.step[1]},
        "journey": None
        if move.journey is None
        else {"from": move.journey[0], "to": move.journey[1], "resumed": move.resumed},
    }


def told_change(change: Change, *, whole: bool = False) -> Iterator[str]:
    """Yield what differs in a field, a line each; not all of what is long, unless it is wanted whole."""
    before = _MISSING if change.before is None else plain(change.before)
    after = _MISSING if change.after is None else plain(change.after)
    for number, (path, one, other) in enumerate(differing(one_line(change.field), before, after)):
        if number == MOST and not whole:
            yield f"{one_line(change.field)}: … and more; -o json has it whole"
            return
        told = visible(f"{path}: {_told(one, other)}")
        yield told if whole or len(told) <= SHOWN else f"{told[:SHOWN]}…"


def differing(path: str, before: Any, after: Any, depth: int = 0) -> Iterator[tuple[str, Any, Any]]:
    """Yield where two values differ: the path, and what stands there in each."""
    # as JSON, because Python takes 1 for True
    if type(before) is type(after) and not isinstance(before, dict | list) and before == after:
        return
    if depth < DEEPEST and isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            at = f"{path}.{key}" if _PLAIN.fullmatch(key) else f"{path}[{as_json(key)}]"
            yield from differing(at, before.get(key, _MISSING), after.get(key, _MISSING), depth + 1)
    elif depth < DEEPEST and isinstance(before, list) and isinstance(after, list):
        yield from _in_lists(path, before, after, depth)
    elif as_json(before) != as_json(after):
        yield path, before, after


def _in_lists(path: str, before: list[Any], after: list[Any], depth: int) -> Iterator[tuple[str, Any, Any]]:
    """Yield where lists differ; what is the same at the end stays the same when something is put in before it."""
    one, other = [as_json(value) for value in before], [as_json(value) for value in after]
    same = 0
    while same < min(len(one), len(other)) and one[-1 - same] == other[-1 - same]:
        same += 1
    ends = len(one) - same, len(other) - same
    for index in range(max(ends)):
        left = before[index] if index < ends[0] else _MISSING
        right = after[index] if index < ends[1] else _MISSING
        yield from differing(f"{path}[{index}]", left, right, depth + 1)


def _told(before: Any, after: Any) -> str:
    if before is _MISSING:
        return f"+ {as_json(after)}"
    if after is _MISSING:
        return f"- {as_json(before)}"
    return f"{as_json(before)} -> {as_json(after)}"


def as_json(value: Any) -> str:
    """Return a value as JSON, empty text for what is not there."""
    return "" if value is _MISSING else msgspec.json.encode(value).decode()

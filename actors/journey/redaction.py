"""Redaction: known secrets taken out of texts in which they are only told, such as a tool's result or an error.

A secret is found as it is, and as it is usually written elsewhere: escaped in JSON or in Python, in a URL, in base64.
One that is shorter than `SHORTEST` is looked for nowhere, because it would be found everywhere.

Whoever writes to a model may make up many secrets, and texts to look for them in, so looking takes a time that is bound
by the text alone for all forms of up to `WINDOW` characters: their first characters are looked up at each place, and
where these are found, what is there in each length that such a form has.  A longer form is looked for by itself, and
only in a text that has its first `WINDOW` characters.
"""

import json
from base64 import b64encode, urlsafe_b64encode
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from string import ascii_letters, digits
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from .secrets import TOKEN

REDACTED = "(secret)"
"""What stands in place of a secret that was only told."""

SHORTEST = 4
"""Secrets of fewer characters are not looked for in texts."""
SHORTEST_ENCODED = 6
"""Of a secret in base64 so many characters must be its own to be found in a longer text."""
WINDOW = 64
"""Of a form that is longer so many characters are looked up first."""

_BASE64 = frozenset(f"{ascii_letters}{digits}+/_-=")


class Redaction:
    """Takes some values out of whatever tells of them; those that `known` has are not written out again."""

    def __init__(self, values: Iterable[str], known: "Redaction | None" = None) -> None:
        given = frozenset(values)
        before: dict[str, _Ways] = {} if known is None else known._ways  # noqa: SLF001  of its own kind
        forms: _Forms | None = None
        if known is not None and known.values <= given:
            forms = vars(known).get("_forms")  # only where it was asked for already
        else:
            before = {value: before[value] for value in given & before.keys()}
        more = {value: _ways(value) for value in given - before.keys() if len(value) >= SHORTEST}
        self._ways: dict[str, _Ways] = before | more
        self.values: frozenset[str] = frozenset(self._ways)
        self._begun = forms, (more if forms is not None else self._ways).values()

    def __bool__(self) -> bool:
        return bool(self.values)

    @cached_property
    def _forms(self) -> "_Forms":
        begun, more = self._begun
        return _Forms(more, begun)

    def text(self, text: str) -> str:
        """Return a text without the values; of base64 that holds one nothing stays."""
        if not self.values or len(text) < SHORTEST:
            return text
        forms, parts, told = self._forms, list[str](), 0
        # a token may have anything in it, and stays what it is, unless it is itself what is to be taken out
        tokens = [found.span() for found in TOKEN.finditer(text) if found[0] not in self.values]
        for start, end in sorted(forms.found(text, tokens)):
            if end <= told:
                continue
            if text[start:end] in forms.encoded:
                start, end = _widened(text, start, end, told)  # noqa: PLW2901
            if start >= told:
                parts += [text[told:start], REDACTED]
            told = end
        return "".join([*parts, text[told:]])

    def plain(self, value: Any, *, but: Collection[str] = ()) -> Any:
        """Return plain data without the values; names stay, and what stands under one of those in `but`."""
        if not self.values:
            return value
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {name: item if name in but else self.plain(item, but=but) for name, item in value.items()}
            case list() | tuple():
                return [self.plain(item, but=but) for item in value]
            case int() | float() if str(value) in self.values:
                return REDACTED
            case _:
                return value

    def begun(self, text: str) -> int:
        """Return how many characters at the end of a text may be the beginning of a value."""
        if not self.values:
            return 0
        forms = self._forms
        for start in range(max(len(text) - forms.longest + 1, 0), len(text)):
            if len(text) - start >= SHORTEST and text[start : start + SHORTEST] not in forms.sizes:
                continue
            end = text[start:]
            at = bisect_left(forms.in_order, end)
            if at < len(forms.in_order) and forms.in_order[at].startswith(end):
                return len(end)
        return 0


class _Ways(NamedTuple):
    """Is how a value may be written."""

    written: frozenset[str]
    encoded: frozenset[str]


class _Forms:
    """Is what texts are searched for.

    Attributes:
        every, written: all forms, and those of the text itself.
        encoded: the forms that are base64, and nothing else.
        sizes: by their first characters, in which lengths there are forms of up to `WINDOW`, the longest first.
        long: the longer ones, by their first `WINDOW` characters.
        longest: how many characters the longest form has.

    """

    def __init__(self, ways: Collection[_Ways], begun: "_Forms | None" = None) -> None:
        """Take these ways, and all that is `begun` already."""
        self.every = self.written = self.encoded = frozenset[str]()
        self.longest = 0
        self.sizes: dict[str, tuple[int, ...]] = {}
        self.long: dict[str, tuple[str, ...]] = {}
        if begun is not None:
            self.every, self.written, self.encoded = begun.every, begun.written, begun.encoded
            self.longest, self.sizes, self.long = begun.longest, begun.sizes.copy(), begun.long.copy()
        written = frozenset[str]().union(*(each.written for each in ways))
        encoded = frozenset[str]().union(*(each.encoded for each in ways))
        self._add((written | encoded) - self.every)
        self.written |= written
        self.encoded = (self.encoded | encoded) - self.written
        self.every |= written | encoded
        self._leading = {first[:SHORTEST] for first in self.long}

    def _add(self, forms: Collection[str]) -> None:
        sizes: dict[str, set[int]] = {}
        for form in forms:
            lengths = sizes.setdefault(form[:SHORTEST], set())
            if len(form) > WINDOW:
                self.long[form[:WINDOW]] = (*self.long.get(form[:WINDOW], ()), form)
            else:
                lengths.add(len(form))
        for first, lengths in sizes.items():
            self.sizes[first] = tuple(sorted(lengths.union(self.sizes.get(first, ())), reverse=True))
        self.longest = max(self.longest, max(map(len, forms), default=0))

    @cached_property
    def in_order(self) -> list[str]:
        """All forms, sorted."""
        return sorted(self.every)

    def found(self, text: str, tokens: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Yield where forms begin and end in a text, but for those that begin in one of its `tokens`."""
        sizes, long = self.sizes, set[str]()
        inside = _Inside(tokens)
        for start in [at for at in range(len(text) - SHORTEST + 1) if text[at : at + SHORTEST] in sizes]:
            first = text[start : start + SHORTEST]
            if first in self._leading and (window := text[start : start + WINDOW]) in self.long:
                long.add(window)
            if inside.end(start) is not None:
                continue
            for size in sizes[first]:
                if text[start : start + size] in self.every:
                    yield start, min(start + size, len(text))
                    break
        for form in (form for window in long for form in self.long[window]):
            yield from _places(form, text, _Inside(tokens))


class _Inside:
    """Says in which of some spans places are, which are asked for in order."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._spans = iter(spans)
        self._span = next(self._spans, None)

    def end(self, place: int) -> int | None:
        """Return where the span ends that a place is in, None if it is in none."""
        while self._span is not None and self._span[1] <= place:
            self._span = next(self._spans, None)
        return self._span[1] if self._span is not None and self._span[0] <= place else None


class RedactedStream:
    """Takes values out of a text that comes in pieces; what may be the beginning of one is held back."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._held = ""

    def take(self, piece: str) -> str:
        """Return what of the text can be told after one more piece."""
        text = self._redaction.text(self._held + piece)
        size = self._redaction.begun(text)
        told, self._held = text[: len(text) - size], text[len(text) - size :]
        return told

    def rest(self) -> str:
        """Return what was held back, once nothing more comes."""
        rest, self._held = self._held, ""
        return rest


def _places(form: str, text: str, inside: _Inside) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        end = inside.end(start)
        if end is None:
            end = start + len(form)
            yield start, end
        start = text.find(form, end)


def _widened(text: str, start: int, end: int, told: int) -> tuple[int, int]:
    """Return where the base64 begins and ends that a span is in, after what was `told`."""
    while start > told and text[start - 1] in _BASE64:
        start -= 1
    while end < len(text) and text[end] in _BASE64:
        end += 1
    return start, end


def _ways(value: str) -> _Ways:
    return _Ways(frozenset(_written(value)), frozenset(_encoded(value)))


def _written(value: str) -> Iterator[str]:
    data = value.encode(errors="surrogatepass")
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield from (quote(data, safe=""), quote(data), quote_plus(data))


def _encoded(value: str) -> Iterator[str]:
    """Yield a value in base64, where it looks otherwise by what stands before it, such as a user's name."""
    data = value.encode(errors="surrogatepass")
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            form = encode(bytes(before) + data).decode()[first:last]
            if len(form) >= SHORTEST_ENCODED:
                yield form

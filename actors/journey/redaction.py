"""Redaction: known secrets taken out of texts in which they are only told, such as a tool's result or an error.

A secret is found as it is, and as it is usually written elsewhere: escaped in JSON or in Python, in a URL, in base64.
One that is shorter than `SHORTEST` is looked for nowhere, because it would be found everywhere.
"""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping
from string import ascii_letters, digits
from typing import Any
from urllib.parse import quote, quote_plus

from .secrets import TOKEN

REDACTED = "(secret)"
"""What stands in place of a secret that was only told."""

SHORTEST = 4
"""Secrets of fewer characters are not looked for in texts."""
SHORTEST_ENCODED = 6
"""Of a secret in base64 so many characters must be its own to be found in a longer text."""

_BASE64 = frozenset(f"{ascii_letters}{digits}+/_-=")


class Redaction:
    """Takes some values out of whatever tells of them."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = frozenset(value for value in values if len(value) >= SHORTEST)
        written = {form for value in self.values for form in _written(value)}
        encoded = {form for value in self.values for form in _encoded(value)} - written
        self._forms = written | encoded
        # a token may have anything in it, and stays what it is, unless it is itself what is to be taken out
        self._any = re.compile(f"({TOKEN.pattern})|({_one_of(written)})|({_one_of(encoded)})")

    def __bool__(self) -> bool:
        return bool(self._forms)

    def text(self, text: str) -> str:
        """Return a text without the values; of base64 that holds one nothing stays."""
        if not self._forms:
            return text
        parts, told = list[str](), 0
        for found in self._any.finditer(text):
            token, _, encoded = found.groups()
            if (token is not None and token not in self.values) or found.start() < told:
                continue
            start, end = found.span()
            if encoded is not None:
                while start > told and text[start - 1] in _BASE64:
                    start -= 1
                while end < len(text) and text[end] in _BASE64:
                    end += 1
            parts += [text[told:start], REDACTED]
            told = end
        return "".join([*parts, text[told:]])

    def plain(self, value: Any, *, but: Collection[str] = ()) -> Any:
        """Return plain data without the values; names stay, and what stands under one of those in `but`."""
        if not self._forms:
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
        longest = max(map(len, self._forms), default=0)
        for size in range(min(longest - 1, len(text)), 0, -1):
            end = text[-size:]
            if any(form.startswith(end) for form in self._forms):
                return size
        return 0


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


def _one_of(forms: Collection[str]) -> str:
    """Return a pattern for any of these, the longest first; for nothing where there is none."""
    return "|".join(map(re.escape, sorted(forms, key=lambda form: (-len(form), form)))) or "(?!)"


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

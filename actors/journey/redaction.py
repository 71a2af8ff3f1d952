"""Redaction: known secrets taken out of texts in which they are only told, such as a tool's result or an error.

A secret is found as it is, and as it is usually written elsewhere: escaped in JSON or in Python, in a URL, in base64.
One that is shorter than `SHORTEST` is looked for nowhere, because it would be found everywhere.
"""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from .secrets import TOKEN

REDACTED = "(secret)"
"""What stands in place of a secret that was only told."""

SHORTEST = 4
"""Secrets of fewer characters are not looked for in texts."""


class Redaction:
    """Takes some values out of whatever tells of them."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = frozenset(value for value in values if len(value) >= SHORTEST)
        forms = {form for value in self.values for form in _forms(value)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        # a token may have anything in it, and stays what it is, unless it is itself what is to be taken out
        self._any = re.compile(f"({TOKEN.pattern})|{'|'.join(map(re.escape, self._forms))}")

    def __bool__(self) -> bool:
        return bool(self._forms)

    def text(self, text: str) -> str:
        """Return a text without the values."""
        return self._any.sub(self._taken, text) if self._forms else text

    def _taken(self, found: re.Match[str]) -> str:
        token = found.group(1)
        return REDACTED if token is None or token in self.values else found.group()

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


def _forms(value: str) -> Iterable[str]:
    data = value.encode(errors="surrogatepass")
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield from (quote(data, safe=""), quote(data), quote_plus(data))
    yield from (form.decode().rstrip("=") for form in (b64encode(data), urlsafe_b64encode(data)))

"""Text from people, models and servers, made fit to be shown: nothing in it is interpreted by a terminal."""

import re
import shlex

from ....actors.journey import REDACTED, TOKEN

# control characters but newline and tab, what turns the direction of writing, separators of lines, lone surrogates
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_WHITE = re.compile(r"\s+")
_PASSWORD = re.compile(r"(\w://)[^\s/@]+@")

SHOWN = 2_000
"""So many characters of a text are looked at where only one line of it is shown."""


def visible(text: str) -> str:
    r"""Return the text with control characters written out, such as `\x1b`, and tokens short; newlines, tabs stay."""
    text = TOKEN.sub(REDACTED, text)
    return _UNSAFE.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode(), text)


def one_line(text: str, limit: int | None = None) -> str:
    """Return the text on one line: white space becomes single spaces, other control characters are written out."""
    text = TOKEN.sub(REDACTED, text)  # before one is cut
    cut = text if limit is None or len(text) <= limit else text[:limit] + "…"
    return visible(_WHITE.sub(" ", cut).strip())


def without_password(text: str) -> str:
    """Return the text with user and password taken out of the URLs in it."""
    return _PASSWORD.sub(r"\1", text)


def command(*words: str) -> str:
    """Return the words as they are typed in a shell."""
    return shlex.join(words)

"""Elements of a page: whatever is no markup of ours is text, and text is inert.

Text from people, models and tools is hostile until shown otherwise.  What is not written by `tag` is escaped; what
cannot be seen, turns the direction of writing or is no character is written out as its code point.
"""

import html
import re
import unicodedata
from typing import Final, TypeAlias

VOID: Final = frozenset({"meta", "rect", "line"})

PLAIN: Final = frozenset({"title", "desc"})
"""What holds text alone, in which nothing can be marked."""

_WHITE: Final = re.compile(r"\s+")
_JOINERS: Final = "\u200c\u200d"  # parts of many words, and of many emoji


class Markup(str):
    """Is text that is markup; only this module and constants make it."""

    __slots__ = ()


Child: TypeAlias = str | int | Markup | None


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """Return an element; attributes that are None are left out, `class_` is `class`, and `_` becomes `-`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{given} />")
    held = _attribute("".join(map(str, children))) if name in PLAIN else together(*children)
    return Markup(f"<{name}{given}>{held}</{name}>")


def together(*children: Child) -> Markup:
    """Return these one after another."""
    given = (child for child in children if child is not None)
    return Markup("".join(child if isinstance(child, Markup) else prose(str(child)) for child in given))


def prose(text: str) -> Markup:
    """Return a text as it is read: on one line, its words joined as they were."""
    return _shown(_WHITE.sub(" ", text), _JOINERS)


def exact(text: str) -> Markup:
    """Return a text as it is compared, such as a name: whatever is not plainly seen is written out."""
    return _shown(text, "")


def _shown(text: str, passed: str) -> Markup:
    if text.isprintable():
        return Markup(html.escape(text))
    return Markup("".join(_character(one, passed) for one in text))


def _character(one: str, passed: str) -> str:
    if one.isprintable() or one in passed or (passed and unicodedata.category(one) == "Zs"):
        return html.escape(one)
    return f'<span class="ctl">U+{ord(one):04X}</span>'


def _attribute(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    text = str(value)
    if not text.isprintable():
        text = "".join(one if one.isprintable() else f"U+{ord(one):04X}" for one in text)
    return html.escape(text)

"""Tables, and the cells that many of them have."""

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

from ..report import Words
from .elements import Child, Markup, exact, prose, tag, together
from .figures import number

NAME: Final = 120
"""So many characters of a name are shown."""

TEXT: Final = 280
"""So many characters of any other text are shown."""


def table(
    caption: str,
    columns: Sequence[tuple[str, str]],
    rows: Iterable[Markup],
    *,
    foot: Markup | None = None,
) -> Markup:
    """Return a table of these rows; a column is its heading and its look."""
    heads = [tag("th", name, scope="col", class_=look or None) for name, look in columns]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *heads)),
            tag("tbody", *rows),
            None if foot is None else tag("tfoot", foot),
        ),
        class_="scroll",
        role="region",
        tabindex=0,
        aria_label=caption,
    )


def row(columns: Sequence[tuple[str, str]], cells: Sequence[Child], *, id_: str | None = None) -> Markup:
    """Return a row, which is about what its first cell says."""
    looks = [look or None for _, look in columns]
    first = tag("th", cells[0], scope="row", class_=looks[0])
    rest = [tag("td", cell, class_=look) for cell, look in zip(cells[1:], looks[1:], strict=True)]
    return tag("tr", first, *rest, id=id_)


def named(name: str | None, others: str) -> Markup:
    """Return a name as it is, cut where it is long; None stands for all `others`."""
    if name is None:
        return tag("i", others)
    if not name:
        return tag("i", "no name")
    cut = tag("span", " … cut", class_="more") if len(name) > NAME else None
    return tag("code", exact(name[:NAME]), cut, class_="name")


def told(words: Words, limit: int = TEXT) -> Markup:
    """Return a text, cut where it is long, with how much more of it there is."""
    return together(prose(words.text[:limit]), more(words.length - min(limit, len(words.text))))


def more(characters: int) -> Markup | None:
    """Return the note that a text was cut; None if it was not."""
    return tag("span", f" … {number(characters)} more characters", class_="more") if characters > 0 else None


def kinds(amount: int, counts: dict[str, int]) -> Markup:
    """Return a number of things, and of which kinds they are."""
    told_ = ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in counts.items())
    return together(number(amount) if amount else "\N{EN DASH}", tag("small", told_) if told_ else None)


def anchor(conversation: str) -> str:
    """Return the id of a conversation's row."""
    return f"c-{quote(conversation, safe='', errors='replace')}"


def link(conversation: str, there: frozenset[str]) -> Markup:
    """Return a mention of a conversation, which leads to its row if there is one."""
    shown = tag("code", exact(conversation))
    return tag("a", shown, href=f"#{quote(anchor(conversation))}") if conversation in there else shown

"""What a docstring says of a function and of each of its parameters, in Google's style or in reST's."""

import inspect
import re

_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Attributes|Returns?|Yields?|Raises|Notes?|Examples?|Warnings?|See Also):\s*"
)
_PARAMETERS = ("Args", "Arguments", "Parameters")
_GOOGLE = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_REST = re.compile(r":(?:param|parameter|arg|argument)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)")
_FIELD = re.compile(r":\w[^:]*:")


def read_docstring(function: object) -> tuple[str, dict[str, str]]:
    """Return what stands before the first section, and the description of each parameter by its name.

    >>> def add(line, size):
    ...     '''Add a line.
    ...
    ...     Args:
    ...         line: What to add,
    ...             in a word.
    ...         size (str): The size.
    ...     '''
    >>> read_docstring(add)
    ('Add a line.', {'line': 'What to add, in a word.', 'size': 'The size.'})
    """
    lines = (inspect.getdoc(function) or "").splitlines()
    begin = next((at for at, line in enumerate(lines) if _begins_section(line)), len(lines))
    return "\n".join(lines[:begin]).strip(), _parameters(lines[begin:])


def _begins_section(line: str) -> bool:
    return bool(_SECTION.fullmatch(line) or _FIELD.match(line) or line.startswith(">>>"))


def _parameters(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    listing, column = False, 0
    for line in lines:
        text, indent = line.strip(), len(line) - len(line.lstrip())
        if not indent and text:  # a heading of Google's, or a field of reST's
            heading, entry = _SECTION.fullmatch(line), _REST.match(line)
            listing, column = heading is not None and heading[1] in _PARAMETERS, 0
            current = found.setdefault(entry[1], [entry[2]]) if entry else None
        elif listing and text and indent <= (column or indent):
            column, entry = indent, _GOOGLE.match(text)
            current = found.setdefault(entry[1], [entry[2]]) if entry else None
        elif current is not None:
            current.append(text)
    return {name: " ".join(part for part in parts if part) for name, parts in found.items()}

"""How many bytes things take in a frame, and what becomes of a text that takes too many."""

import msgspec

from ..events import TEXT_LIMIT

REASON_LIMIT = 4 * 1024
"""Bytes of a reason or an error that are recorded."""


def json_size(value: object) -> int:
    """Return how many bytes a value takes in a frame; what cannot be stored counts as too large for any."""
    try:
        return len(msgspec.json.encode(value))
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        return TEXT_LIMIT * 1024


def cut(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return the text if it takes at most `limit` bytes in a frame, else its beginning and a note that says so."""
    text = text.encode(errors="replace").decode()
    size = json_size(text)
    if size <= limit:
        return text
    note = f"\n[cut: the whole text has {size} bytes, at most {limit} are kept]"
    room = limit - json_size(note)
    kept = text[:limit]
    while (size := json_size(kept)) > room:
        kept = kept[: len(kept) * room // (size + 1)]
    return kept + note


def shown(error: BaseException) -> str:
    """Return an exception's own words as a text that can be recorded, whatever its `__str__` does."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  the exception's own code may raise anything
        text = "(it cannot be shown)"
    return cut(text, REASON_LIMIT)


def described(error: BaseException) -> str:
    """Return an exception's type and words as a text that can be recorded."""
    text = shown(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def size_of(fields: dict[str, bytes]) -> int:
    """Return how many bytes the fields of a state take."""
    return sum(len(name) + len(value) + 6 for name, value in fields.items())

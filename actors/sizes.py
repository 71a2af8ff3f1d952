"""How many bytes things take in a frame, and what becomes of a text that takes too many."""

import msgspec

from ..events import TEXT_LIMIT


def json_size(value: object) -> int:
    """Return how many bytes a value takes in a frame; a text that is not valid Unicode counts as too large for any."""
    try:
        return len(msgspec.json.encode(value))
    except (UnicodeEncodeError, TypeError, RecursionError):
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


def size_of(fields: dict[str, bytes]) -> int:
    """Return how many bytes the fields of a state take."""
    return sum(len(name) + len(value) + 6 for name, value in fields.items())

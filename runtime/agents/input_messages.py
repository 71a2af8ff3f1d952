"""The messages that a run is handed: what was said before, and the words that it is to answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...actors.journey import AgentMessage
from ...events import InvalidInput
from ...projections import text_of

SENT = frozenset({"role", "content", "name", "tool_calls", "tool_call_id"})
"""What of a message from before a model may be sent."""


def split(
    messages: Sequence[AgentMessage | Mapping[str, Any]], turns: int | None = None
) -> tuple[tuple[dict[str, Any], ...], str]:
    """Return what was said in so many turns before the last user message, None for all, and that message's words.

    A message that has more than words, such as a name or an image, comes last in what was said before, so that the
    model is given all of it; the words are empty then.
    """
    given = [plain(message) for message in messages]
    for at in range(len(given) - 1, -1, -1):
        if given[at].get("role") == "user" and (text := text_of(given[at])):
            before = _recent(given[:at], turns)
            return (before, text) if is_words(given[at]) else ((*before, given[at]), "")
    return _recent(given, turns), ""


def is_words(message: Mapping[str, Any]) -> bool:
    """Say whether a message is words of the user's and nothing beside them."""
    return set(message) == {"role", "content"} and message["role"] == "user" and isinstance(message["content"], str)


def _recent(history: list[dict[str, Any]], turns: int | None) -> tuple[dict[str, Any], ...]:
    """Return the last `turns` turns of a history, each from a user's message on; None gives all."""
    began = [at for at, message in enumerate(history) if message.get("role") == "user"]
    if turns is None or turns >= len(began):
        return tuple(history)
    return tuple(history[began[-turns] :]) if turns > 0 else ()


def plain(message: AgentMessage | Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a message from before a model may be sent.

    Raises:
        InvalidInput: it is no message, or not JSON.

    """
    fields: object = message.to_dict() if isinstance(message, AgentMessage) else message
    if not isinstance(fields, Mapping):
        raise InvalidInput(f"a message must be a dict with role and content, not a {type(fields).__name__}")
    sent = {key: value for key, value in fields.items() if key in SENT and value is not None}
    try:
        # as the log will give it back, so that a live turn and a folded one read the same
        made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(sent))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"a message of role {sent.get('role')!r} is not JSON: {error}") from error
    return made

"""The key of a call, which a tool hands to systems beyond the runtime: one for all its attempts, and for no other."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ...events import call_id
from ...projections import AssistantMessage, Call, Conversation, Entry, OwedToolCall, call_key

_encoder = msgspec.json.Encoder(order="sorted")


def durable_key(conversation: Conversation, owed: OwedToolCall) -> str:
    """Return the key of a call in a log that is kept: where it stands in it."""
    return call_key(conversation.id, call_id(owed.answer, owed.call.index))


def key_in_run(
    conversation: Conversation,
    owed: OwedToolCall,
    run_id: object,
    *,
    opened: Callable[[Call], dict[str, Any]],
    keyed: Callable[[str], str] | None = None,
) -> str:
    """Return the key of a call in a run that keeps no log: what it calls, and which of its kind in the run it is.

    `opened` says what the arguments are in clear.  Where the tool takes what is secret, `keyed` makes of these a text
    that nobody can compute who has no key, or whoever is handed the key of the call could try all short secrets.
    The next run begins a log of its own, so a place in it says nothing; and a run that is tried again asks the model
    anew, so the same call may stand elsewhere then.
    """
    entries = conversation.transcript.window(conversation.turns, conversation.turns)
    what = _what(owed.call, opened, keyed)
    nth = [_what(call, opened, keyed) for call in _up_to(entries, owed) if call.name == owed.call.name].count(what)
    # both ids may be any text, so they are told apart by what encodes them
    run = hashlib.sha256(_encoder.encode([conversation.agent, conversation.id, str(run_id)])).hexdigest()
    return f"{run[:32]}@{owed.call.name}-{what[:16]}-{nth}"


def _what(call: Call, opened: Callable[[Call], dict[str, Any]], keyed: Callable[[str], str] | None) -> str:
    text = _encoder.encode([call.name, opened(call)])
    return hashlib.sha256(text if keyed is None else keyed(text.decode()).encode()).hexdigest()


def _up_to(entries: Sequence[Entry], owed: OwedToolCall) -> list[Call]:
    """Return the calls of a turn, up to the one that is owed."""
    calls: list[Call] = []
    for entry in entries:
        if isinstance(entry, AssistantMessage):
            last = entry.version == owed.answer
            calls += entry.calls[: owed.call.index + 1] if last else entry.calls
            if last:
                break
    return calls

"""Upcasting: an event of an old form is read as today's, once and here, so that nothing else knows the old form.

What a field means never changes under its tag.  Where it has to, the event gets a new tag, and the old tag an upcaster:
a pure function of the fields as they are stored, which returns those of the next form, with its tag in `type`.  An
upcaster is never changed and never taken out, so each knows only the form that came next, and chains are followed.

One event becomes one event, because versions count events, and it keeps its `cause`.  The stored bytes stay what they
are, and so do the hashes over them.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

Upcaster: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Returns the fields of the next form, its tag in `type`, for those of an old one."""

UPCASTERS: Mapping[str, Upcaster] = MappingProxyType({})
"""The upcaster of each old form, by its tag; no form is old yet."""


def upcast(data: bytes, tag: str, upcasters: Mapping[str, Upcaster]) -> bytes | None:
    """Return an event of an old form as the newest one that its upcasters lead to; None if they lead nowhere.

    >>> from agent_runtime_framework.events.upcasting import upcast
    >>> asked = lambda fields: {**fields, "type": "user.spoke", "text": fields["words"]}
    >>> upcast(b'{"type":"user.asked","words":"hi"}', "user.asked", {"user.asked": asked})
    b'{"type":"user.spoke","words":"hi","text":"hi"}'
    """
    if tag not in upcasters:
        return None
    try:
        fields: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
        for _ in upcasters:  # so that forms which lead to each other end
            if tag not in upcasters:
                break
            fields = dict(upcasters[tag](fields))
            tag = fields["type"]
        return msgspec.json.encode(fields)
    except Exception:  # noqa: BLE001  whatever is wrong with an old event, it can still be kept and shown as it is
        return None

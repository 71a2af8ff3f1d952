"""A model's answer as it is recorded: with tokens for what is secret in its calls, and without what only tells of it.

What nobody can tell the place of is sealed as a whole: the arguments of a call of a tool that is not known, and those
that are no JSON.  None of these ever runs.  An answer with more than `MOST` secrets that
were not known is recorded without its arguments and its words: looking for all of them would take too long.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...actors.journey import REDACTED, SHORTEST, Redaction, sealed, sealed_rest, texts_of
from ...projections import Conversation, calls_of
from .journey_secrets import JourneySecrets

UNREADABLE = "(secret: these arguments were no JSON object)"
TOO_MANY = "(secret: these arguments came in an answer with too many secrets)"

MOST = 64
"""So many secrets may be new in one answer."""

_TEXT = re.compile(r'"((?:[^"\\]|\\.)*+)"?', re.DOTALL)
"""A text in JSON, whole or not; it matches at every quote and gives nothing back, so that looking once is enough."""


class _TooMany(Exception):
    pass


class SealedAnswer:
    """Seals one answer, and knows what was secret in it.

    Attributes:
        message: the answer as it is recorded.
        redaction: takes what is secret in it, and in its conversation, out of texts.

    """

    def __init__(
        self, message: Mapping[str, Any], conversation: Conversation, secrets: JourneySecrets, known: Redaction
    ) -> None:
        self._origin = conversation.root
        self._secrets = secrets
        self._known = known
        self._new: set[str] = set()
        calls = message.get("tool_calls")
        try:
            sealed_calls = [self._sealed(entry) for entry in calls] if isinstance(calls, list | tuple) else None
        except _TooMany:
            self.redaction, self.message = known, self._without_all(message)
            return
        self.redaction = self._with_new()  # only now is all known that is secret in the answer
        rest = {name: value for name, value in message.items() if name != "tool_calls"}
        self.message = self.redaction.plain(rest, but=("role",))
        if sealed_calls is not None:
            self.message["tool_calls"] = [self._redacted(entry) for entry in sealed_calls]

    def _with_new(self) -> Redaction:
        return Redaction(self._known.values | self._new, self._known) if self._new else self._known

    def _hear(self, texts: Iterable[str]) -> None:
        """Take texts for secrets; raises _TooMany."""
        for text in texts:
            if text not in self._known.values:
                self._new.add(text)
                if len(self._new) > MOST:
                    raise _TooMany

    # --- what is marked

    def _sealed(self, entry: Any) -> Any:
        if not isinstance(entry, Mapping):
            self._hear_of(entry)
            return UNREADABLE
        if "arguments" not in _spec(entry):
            return entry
        return _with(entry, {"arguments": self._arguments(entry, _spec(entry)["arguments"])})

    def _arguments(self, entry: Mapping[str, Any], given: Any) -> Any:
        (call,) = calls_of({"tool_calls": [entry]})
        marks = self._secrets.of_tool(call.name)
        if marks is None and self._secrets.knows([call.name]):
            return given
        if call.problem is not None:
            self._hear_of(given)
            return UNREADABLE
        if marks is not None:
            arguments = sealed(marks, call.arguments, self._seal, strict=True)
        else:
            arguments = sealed_rest(call.arguments, self._seal)
        return _as_given(arguments, given)

    def _seal(self, text: str) -> str:
        port = self._secrets.shared.port
        token = port.seal(self._origin, text)
        self._hear(texts_of(port.open(self._origin, token)))
        return token

    def _hear_of(self, given: Any) -> None:
        """Take the texts in what cannot be read for secrets, so that nothing beside it tells of them."""
        text = given if isinstance(given, str) else msgspec.json.encode(given).decode()
        names = self._secrets.names()
        texts = (found[1] for found in _TEXT.finditer(text) if len(found[1]) >= SHORTEST)
        self._hear(text for text in texts if text not in names)

    # --- what only tells of it

    def _without_all(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer of which nothing stays but what tools it calls."""
        rest = {name: value if name == "role" or not value else REDACTED for name, value in message.items()}
        return {**rest, "tool_calls": [self._call_without_all(entry) for entry in message["tool_calls"]]}

    def _call_without_all(self, entry: Any) -> Any:
        if not isinstance(entry, Mapping):
            return TOO_MANY
        name = _spec(entry).get("name")
        known = isinstance(name, str) and self._secrets.knows([name])
        function = {"name": name if known else REDACTED, "arguments": TOO_MANY}
        return {"type": "function", "function": function}

    def _redacted(self, entry: Any) -> Any:
        """Return a call without what tells of a secret: its tool, and the names of its arguments, always stay."""
        if not isinstance(entry, Mapping):
            return entry
        spec = _spec(entry)
        kept = {name: spec[name] for name in ("name", "arguments") if name in spec}
        if "arguments" in kept and kept["arguments"] != UNREADABLE:
            kept["arguments"] = self._redacted_arguments(kept["arguments"])
        return _with(self.redaction.plain(entry, but=("type",)), kept)

    def _redacted_arguments(self, given: Any) -> Any:
        if not isinstance(given, str):
            return self.redaction.plain(given)
        (call,) = calls_of({"tool_calls": [{"name": "any", "arguments": given}]})
        if call.problem is not None:
            return self.redaction.text(given)
        arguments = self.redaction.plain(call.arguments)
        return given if arguments == call.arguments else _as_given(arguments, given)


def _spec(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what names the tool and has its arguments, in OpenAI form or flat."""
    function = entry.get("function")
    return function if isinstance(function, Mapping) else entry


def _with(entry: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    function = entry.get("function")
    if isinstance(function, Mapping):
        return {**entry, "function": {**function, **changed}}
    return {**entry, **changed}


def _as_given(arguments: dict[str, Any], given: Any) -> Any:
    """Return arguments in the form that the model gave them in: as text, or as they are; nothing stays what it was."""
    if not arguments:
        return given
    return msgspec.json.encode(arguments).decode() if isinstance(given, str) else arguments

"""From transcript to the messages that a model is sent, and a request as canonical JSON.

The list is always valid for a provider: each assistant message with calls is followed by exactly one tool message for
each of its calls, in order, under ids that are unique in the list; no tool message stands alone.  That holds whatever
happened: what has no recorded result is said to have none.

The rendering is part of what a recorded request's hash stands for.  `RENDERER` is raised when the output for any input
changes.
"""

import copy
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..events import CallId, call_id
from .calls import Call, calls_of, text_of
from .transcript import AssistantMessage, EarlierMessage, Entry, ToolMessage, UserMessage

RENDERER = 1

NO_RESULT = "Error: this tool was not run"

_encoder = msgspec.json.Encoder(order="sorted")


def render(prompt: str, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return the messages for these transcript entries, in OpenAI form; an empty prompt gives no system message."""
    return _rendered(prompt, entries).messages


def call_ids(entries: Iterable[Entry]) -> dict[CallId, str]:
    """Return the id that each call has in the messages that `render` gives for these entries."""
    return _rendered("", entries).ids


def _rendered(prompt: str, entries: Iterable[Entry]) -> "Rendering":
    rendering = Rendering()
    if prompt:
        rendering.messages.append({"role": "system", "content": prompt})
    rendering.take(entries)
    rendering.settle()
    return rendering


def canonical(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None,
    parameters: Mapping[str, Any],
) -> bytes:
    """Return a model request as canonical JSON: sorted keys, UTF-8, no white space."""
    return _encoder.encode({"messages": messages, "tools": tools, **parameters})


class Rendering:
    """Builds the list; the calls of the last answer and their results are held until something else is said.

    It may go on where another one, which is settled, ended: `after` so many messages, in which ids were `used`.
    """

    def __init__(self, *, after: int = 0, used: Collection[str] = frozenset()) -> None:
        self.messages: list[dict[str, Any]] = []
        self.ids: dict[CallId, str] = {}
        self._after = after
        self._used_before = used
        self._used: set[str] = set()
        self._ids: dict[int, str] = {}
        self._by_provider_id: dict[str, int] = {}
        self._results: dict[int, str] = {}

    def following(self) -> "Rendering":
        """Return one that goes on where this one, which is settled, ended; while it does, this one may not."""
        return Rendering(after=self._after + len(self.messages), used=self._used)

    def taken(self) -> list[dict[str, Any]]:
        """Take out the messages so far."""
        taken, self.messages = self.messages, []
        self._after += len(taken)
        return taken

    def take(self, entries: Iterable[Entry]) -> None:
        """Render more of a transcript."""
        for entry in entries:
            match entry:
                case UserMessage(text=text):
                    if text:  # a turn may go on with what was said before, without a word of the user's
                        self.say({"role": "user", "content": text})
                case AssistantMessage(version=version, text=text, calls=calls):
                    self.answer(text, calls, f"call_{version}", version)
                case ToolMessage(index=index, text=text):
                    self.result(index, text)
                case EarlierMessage(message=message):
                    self.earlier(message)

    def say(self, message: dict[str, Any]) -> None:
        """Add a message that is no answer with calls."""
        self.settle()
        self.messages.append(message)

    def answer(self, text: str, calls: Sequence[Call], prefix: str, version: int | None = None) -> None:
        """Add an answer; its calls get their ids."""
        self.settle()
        if not calls:
            self.messages.append({"role": "assistant", "content": text})
            return
        for call in calls:
            self._ids[call.index] = self._unique(call.provider_id, f"{prefix}_{call.index}")
            self._by_provider_id.setdefault(call.provider_id, call.index)
            if version is not None:
                self.ids[call_id(version, call.index)] = self._ids[call.index]
        listed = [_rendered_call(call, self._ids[call.index]) for call in calls]
        self.messages.append({"role": "assistant", "content": text or None, "tool_calls": listed})

    def result(self, index: int, text: str) -> None:
        """Give the call at `index` of the last answer its result; the first one counts."""
        self._results.setdefault(index, text)

    def earlier(self, message: Mapping[str, Any]) -> None:
        """Take a message from outside: as it is, but for calls and results that do not belong together."""
        role, content = message.get("role"), message.get("content")
        text = text_of(message)
        if role == "tool":
            index = self._by_provider_id.get(str(message.get("tool_call_id", "")))
            if index is not None:
                self.result(index, text)
        elif role == "assistant":
            self.answer(text, calls_of(message), f"call_0_{self._after + len(self.messages)}")
        elif role in ("user", "system", "developer"):
            # parts of a user's message, such as images, go to the model as they are
            words = copy.deepcopy(content) if isinstance(content, list | tuple) else text
            name = message.get("name")
            self.say({"role": role, "content": words} | ({"name": name} if isinstance(name, str) else {}))

    def settle(self) -> None:
        """Follow the last answer's calls with a result each; a call that has none is said to have none."""
        for index, id_ in self._ids.items():
            result = self._results.get(index, NO_RESULT)
            self.messages.append({"role": "tool", "tool_call_id": id_, "content": result})
        self._ids.clear()
        self._by_provider_id.clear()
        self._results.clear()

    def _unique(self, wanted: str, otherwise: str) -> str:
        id_ = wanted if wanted and not self._is_used(wanted) else otherwise
        while self._is_used(id_):
            id_ += "_"
        self._used.add(id_)
        return id_

    def _is_used(self, id_: str) -> bool:
        return id_ in self._used or id_ in self._used_before


def _rendered_call(call: Call, id_: str) -> dict[str, Any]:
    return {
        "id": id_,
        "type": "function",
        "function": {"name": call.name or "unnamed", "arguments": _encoder.encode(call.arguments).decode()},
    }

"""The tool calls of an answer, read from whatever the model wrote.

Models answer nonsense: calls without a name, arguments that are no JSON, ids that are missing or repeated.  Reading
is total: each entry becomes a `Call`, and what is wrong with it becomes its `problem`, which is told to the model
instead of running the tool.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

DEEPEST = 64
"""Levels that arguments may be nested."""

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)  # it matches at every quote: looking once is enough
_BRACKET = re.compile(r"[\[\]{}]")


class Call(Struct, frozen=True, omit_defaults=True, gc=False):
    """Is one tool call of an answer.

    Attributes:
        index: its place in the answer, from 0.
        name: the tool; empty if the model named none.
        arguments: what to call it with.
        problem: why it cannot be called, or None.
        provider_id: the id that the provider gave, only ever echoed; empty if it gave none.

    """

    index: int
    name: str
    arguments: dict[str, Any] = {}
    problem: str | None = None
    provider_id: str = ""


class _Function(Struct, frozen=True, gc=False):
    name: str = ""


class _Tool(Struct, frozen=True, gc=False):
    function: _Function = _Function()


_OBJECT = (dict, Mapping)  # a dict, as what is read from JSON is, is told at once

_encoder = msgspec.json.Encoder()
_any = msgspec.json.Decoder()
_tools = msgspec.json.Decoder(tuple[_Tool, ...])


def calls_of(message: Mapping[str, Any]) -> tuple[Call, ...]:
    """Return the calls of an assistant message, in OpenAI form or flat, in order; it never raises."""
    listed = message.get("tool_calls")
    if not listed or not isinstance(listed, (list, tuple)):
        return ()
    return tuple([_call(index, entry) for index, entry in enumerate(listed)])


def text_of(message: Mapping[str, Any]) -> str:
    """Return the words of a message: its content, or the text parts of a list; empty if there are none."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, (list, tuple)):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""


def called(call: Call) -> str:
    """Return a call as it is written in Python, such as `save(name="Ada")`."""
    given = (f"{name}={_encoder.encode(value).decode()}" for name, value in call.arguments.items())
    return f"{call.name}({', '.join(given)})"


def call_key(conversation: str, id_: str) -> str:
    """Return the key of a call in a log that is kept: where it stands, the same for all its attempts.

    `conversation` is the one whose log has it; a tool may hand the key to systems beyond the runtime.
    """
    return f"{conversation}@{id_}"


def copied(value: Any) -> Any:
    """Return a copy of a JSON value, which shares nothing with it that could be changed."""
    if type(value) is dict:
        return {name: item if type(item) is str else copied(item) for name, item in value.items()}
    return [copied(item) for item in value] if type(value) is list else value


def tools_text(tools: Sequence[Mapping[str, Any]]) -> str:
    """Return a list of tools as JSON, empty text for none; parameters stay in the order that their author gave them."""
    return _encoder.encode(tools).decode() if tools else ""


def names_in(tools: str) -> tuple[str, ...]:
    """Return the names in a JSON list of tools in OpenAI form, in order; it never raises."""
    try:
        return tuple(tool.function.name for tool in _tools.decode(tools)) if tools else ()
    except (msgspec.DecodeError, RecursionError):
        return ()


@lru_cache(maxsize=64)
def offered_in(tools: str) -> frozenset[str]:
    """Return the names in a JSON list of tools, as `names_in` does, without their order; the same list comes often."""
    return frozenset(names_in(tools))


def _call(index: int, entry: object) -> Call:
    if not isinstance(entry, _OBJECT):
        return Call(index, "", problem="Error: a tool call must be an object with a name and arguments")
    provider_id = entry.get("id")
    function = entry.get("function")
    spec = function if isinstance(function, _OBJECT) else entry
    name = spec.get("name")
    if not isinstance(name, str) or not name:
        return Call(index, "", problem="Error: a tool call must name a tool", provider_id=_text(provider_id))
    arguments, problem = _arguments(name, spec.get("arguments"))
    return Call(index, name, arguments, problem, _text(provider_id))


def _arguments(name: str, given: object) -> tuple[dict[str, Any], str | None]:
    if given is None or given == "":
        return {}, None
    written = isinstance(given, str)
    if isinstance(given, str):
        if too_deep(given):
            return {}, f"Error: the arguments of '{name}' are nested more than {DEEPEST} levels deep"
        try:
            given = _any.decode(given.encode())
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return {}, f"Error: the arguments of '{name}' are not valid JSON: {error}"
    if not isinstance(given, dict) or not (written or all(isinstance(key, str) for key in given)):
        return {}, f"Error: the arguments of '{name}' must be a JSON object, not {_kind(given)}"
    return given, None


def too_deep(text: str) -> bool:
    """Say whether a JSON text is nested deeper than arguments may be."""
    brackets = text.count("{") + text.count("[")  # those within strings count too: to have few of them is enough
    return brackets > DEEPEST and depth(text) > DEEPEST


def depth(text: str) -> int:
    """Return how deep a JSON text is nested; counted, because how deep it can be decoded depends on the stack."""
    level = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        level += 1 if bracket in "[{" else -1
        deepest = max(deepest, level)
    return deepest


def _kind(value: object) -> str:
    kinds: dict[type, str] = {list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else kinds.get(type(value), "something else")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

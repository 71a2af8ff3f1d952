"""What a model client is, and how any client's answer is read.

A client is whatever has `generate`; authors bring their own.  So nothing of what it answers is believed: `reply_of`
makes of it a `ModelReply` that can be stored and sent again, or a `ModelError`.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import msgspec
from msgspec import Struct

from ...events import TEXT_LIMIT, ModelError

DEPTH_LIMIT = 64
"""An answer nested deeper is nonsense, and could not be decoded again everywhere."""

NAME_LIMIT = 200
"""So many characters of a provider's names and ids are kept."""

TEXT_PARTS = ("text", "output_text")

MOST_COUNTS, COUNT_NAME_LIMIT = 32, 64
"""Kinds of tokens that are counted, and characters of the name of one."""

MOST_CALLS = 128
"""Tool calls that one answer may have; they run one after another."""


class Answer(Protocol):
    """Is what a client gives back: the assistant message, and the tokens that it cost."""

    @property
    def message(self) -> dict[str, Any]:
        """The message: `role`, `content`, `tool_calls`, and whatever else the provider says."""

    @property
    def usage(self) -> Mapping[str, Any]:
        """Counts of tokens; values that are no integers are ignored."""


class LLMClient(Protocol):
    """Asks a model; nothing else is required of a client.

    >>> class Parrot:
    ...     async def generate(self, messages, tools=None, **kwargs):
    ...         return ModelReply({"content": messages[-1]["content"]}, {})
    >>> import asyncio
    >>> asyncio.run(Parrot().generate([{"role": "user", "content": "Hello"}])).message
    {'content': 'Hello'}
    """

    async def generate(
        self, messages: list[dict[str, Any]], *, tools: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> Answer:
        """Return the model's answer to these messages, with these tools (OpenAI form) offered by keyword."""


@runtime_checkable
class StreamingClient(Protocol):
    """Asks a model, and hears its words as they come."""

    @property
    def streams(self) -> bool:
        """Whether `stream` is to be used; only a client that says True is ever asked to stream."""

    async def stream(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        *,
        on_delta: Callable[[str], None],
        **kwargs: Any,
    ) -> Answer:
        """Return what `generate` would, and call `on_delta` with each piece of text, in order, as it comes."""


class ModelReply(Struct, frozen=True):
    """Is an answer that can be stored: its message is plain JSON.

    Attributes:
        message: the assistant message, as the provider gave it.
        usage: counts of tokens, by the provider's names.
        finish_reason: why the model stopped, in the provider's word.
        response_id: the provider's id of this answer.
        model: the model that answered, as the provider names it.

    >>> from agent_runtime_framework import ModelReply
    >>> reply = ModelReply({"role": "assistant", "content": "Hello!"}, {"prompt_tokens": 9, "completion_tokens": 2})
    >>> reply.message["content"], sum(reply.usage.values())
    ('Hello!', 11)

    """

    message: dict[str, Any]
    usage: dict[str, int]
    finish_reason: str | None = None
    response_id: str | None = None
    model: str = ""


def streaming(client: object) -> StreamingClient | None:
    """Return the client if it says that it streams, else None; a `stream` of its own kind, or a mock, says nothing."""
    if getattr(client, "streams", None) is not True:  # asked first, because a protocol is slow to ask for
        return None
    return client if isinstance(client, StreamingClient) else None


def reply_of(answer: object) -> ModelReply:
    """Return what a client answered, checked and in plain JSON.

    The role is always `assistant`; content in parts becomes text; lone surrogates become U+FFFD; an absent or null
    `tool_calls` is left out, else the list stays as it came.

    Raises:
        ModelError: `invalid_answer` (transient) for what is no assistant message, `too_large` (not transient) for one
            of more than `TEXT_LIMIT` bytes of JSON.

    """
    given = getattr(answer, "message", None)
    if not isinstance(given, dict):
        raise invalid_answer(f"its message is {_kind(given)}, not a dict")
    message = {"role": "", **_plain_dict(given, "message", 0)}
    message["role"] = "assistant"
    if "content" in message:
        message["content"] = text_of_content(message["content"])
    calls = message.get("tool_calls")
    if calls is None:
        message.pop("tool_calls", None)
    elif not isinstance(calls, list):
        raise invalid_answer(f"its tool_calls are {_kind(calls)}, not a list")
    elif len(calls) > MOST_CALLS:
        raise invalid_answer(f"it has {len(calls)} tool calls, at most {MOST_CALLS} are taken")
    size = len(msgspec.json.encode(message))
    if size > TEXT_LIMIT:
        raise too_large(size)
    return ModelReply(
        message=message,
        usage=_counts(getattr(answer, "usage", None)),
        finish_reason=_name(getattr(answer, "finish_reason", None)),
        response_id=_name(getattr(answer, "response_id", None)),
        model=_name(getattr(answer, "model", None)) or "",
    )


def text_of_content(content: object) -> str | None:
    """Return a message's content as text, joining it where it comes in parts.

    Raises:
        ModelError: there is something in it that is no text.

    """
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(_text_of_part, content))
    raise invalid_answer(f"its content is {_kind(content)}, neither text nor a list of text parts")


def _text_of_part(part: object) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.get("type") in TEXT_PARTS and isinstance(part.get("text"), str):
        text: str = part["text"]
        return text
    kind = part.get("type") if isinstance(part, dict) else None
    raise invalid_answer(f"its content has a part that is no text ({kind if isinstance(kind, str) else _kind(part)})")


def clean(text: str) -> str:
    """Return valid Unicode: surrogate pairs joined, lone surrogates replaced by U+FFFD."""
    if type(text) is str and text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def invalid_answer(what: str) -> ModelError:
    """Return the error for an answer that makes no sense; asking again may help."""
    return ModelError(f"the model gave no valid answer: {what}", kind="invalid_answer", transient=True)


def too_large(size: int) -> ModelError:
    """Return the error for an answer of `size` bytes; asking again would not help."""
    return ModelError(
        f"the model's answer has {size} bytes, at most {TEXT_LIMIT} are taken: ask it for less",
        kind="too_large",
        transient=False,
    )


def _plain(value: object, where: str, depth: int) -> Any:
    if depth > DEPTH_LIMIT:
        raise invalid_answer(f"its {where.partition('.')[0]} is nested deeper than {DEPTH_LIMIT} levels")
    match value:
        case None | bool():
            return value
        case str():
            return clean(value)
        case int() if -(2**63) <= value < 2**64:
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case list() | tuple():
            return [_plain(item, where, depth + 1) for item in value]
        case dict():
            return _plain_dict(value, where, depth)
        case _:
            number = " out of range" if isinstance(value, int | float) else ""
            raise invalid_answer(f"its {where} is {_kind(value)}{number}, which is not JSON")


def _plain_dict(value: dict[Any, Any], where: str, depth: int) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise invalid_answer(f"its {where} has a key that is {_kind(key)}, not a text")
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name = clean(key)
        # nearly all of an answer are texts, and where they stand is told only of what is none
        plain[name] = clean(item) if type(item) is str else _plain(item, f"{where}.{name}"[:NAME_LIMIT], depth + 1)
    return plain


def _counts(usage: object) -> dict[str, int]:
    if not isinstance(usage, Mapping):
        return {}
    counts = {
        clean(name)[:COUNT_NAME_LIMIT]: int(count)
        for name, count in usage.items()
        if isinstance(name, str) and isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**53
    }
    return dict(itertools.islice(counts.items(), MOST_COUNTS))


def _name(value: object) -> str | None:
    return clean(value)[:NAME_LIMIT] if isinstance(value, str) else None


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"

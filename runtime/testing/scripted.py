"""A model that answers from a script, so that a test says what the model does and nothing else does.

Usage counts words: those of all message contents are prompt tokens; those of the answer's text, and one for each tool
call, are completion tokens.  So the numbers in a test can be counted by hand.
"""

import asyncio
import copy
import inspect
import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias

from msgspec import Struct

from ..models import ModelReply


class UnexpectedRequest(AssertionError):
    """Raised to whoever asks a scripted model more often than the script has answers."""


class Request(Struct, frozen=True):
    """Is one request as it was when it came; `messages`, `tools` and `kwargs` are copies."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    kwargs: dict[str, Any]


class Calls(Struct, frozen=True):
    """Is an answer that calls tools; made by `calls`."""

    listed: tuple[tuple[str, Mapping[str, Any] | str], ...]
    text: str | None = None


def calls(*listed: tuple[str, Mapping[str, Any] | str], text: str | None = None) -> Calls:
    """Return an answer that calls these tools, each a name and its arguments, perhaps with a text beside them.

    Arguments that are a string are sent as they are, valid JSON or not.

    >>> with ScriptedLLM(calls(("look", {}), ("add", "{")), "Sorry.") as llm:
    ...     asked = [asyncio.run(llm.generate([])) for _ in range(2)]
    >>> [call["function"]["arguments"] for call in asked[0].message["tool_calls"]]
    ['{}', '{']
    """
    return Calls(listed, text)


Rule: TypeAlias = Callable[[list[dict[str, Any]], list[dict[str, Any]] | None], Any]
"""Takes messages and tools of a request and returns what to answer, at once or when awaited."""

Scripted: TypeAlias = str | Calls | dict[str, Any] | ModelReply | BaseException | type[BaseException] | Rule


class ScriptedLLM:
    """Is a model client that gives these answers, one a request, in order.

    An answer is a text, `calls(...)`, a dict (the raw assistant message, however wrong), a `ModelReply`, an exception
    (raised), or a function `(messages, tools) -> answer`, plain or async.  Leaving the context checks that all were
    asked for, and no more.

    >>> with ScriptedLLM(calls(("save_name", {"name": "Ada"})), "Hello, Ada!") as llm:
    ...     first = asyncio.run(llm.generate([{"role": "user", "content": "I am Ada"}]))
    ...     second = asyncio.run(llm.generate([{"role": "user", "content": "And?"}]))
    >>> first.message["tool_calls"][0]["function"]
    {'name': 'save_name', 'arguments': '{"name": "Ada"}'}
    >>> second.message, second.usage["completion_tokens"]
    ({'role': 'assistant', 'content': 'Hello, Ada!'}, 2)

    Attributes:
        requests: what was asked so far.
        model: the name that it answers under.
        streams: whether the runtime is to stream; if so, text comes word by word.

    """

    def __init__(self, *answers: Scripted, model: str = "scripted", streams: bool = True) -> None:
        for answer in answers:
            if not isinstance(answer, str | Calls | dict | ModelReply | BaseException) and not callable(answer):
                raise TypeError(f"{answer!r} is no answer: give a text, calls(...), a dict, an exception or a function")
        self.requests: list[Request] = []
        self.model = model
        self.streams = streams
        self._given = len(answers)
        self._answers = deque(answers)

    async def generate(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> ModelReply:
        """Return the next answer.

        Raises:
            UnexpectedRequest: there is none left.

        """
        self.requests.append(copy.deepcopy(Request(messages, tools, kwargs)))
        if not self._answers:
            raise UnexpectedRequest(self._surplus())
        number, answer = len(self.requests), self._answers.popleft()
        while callable(answer) and not isinstance(answer, type):
            answer = answer(copy.deepcopy(messages), copy.deepcopy(tools))
            answer = await answer if inspect.isawaitable(answer) else answer
        if isinstance(answer, BaseException | type):
            raise answer
        return self._reply(answer, messages, number)

    async def stream(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        *,
        on_delta: Callable[[str], None],
        **kwargs: Any,
    ) -> ModelReply:
        """Return the next answer; call `on_delta` with each word of its text first, letting others run in between."""
        reply = await self.generate(messages, tools, **kwargs)
        content = reply.message.get("content")
        for word in re.findall(r"\S+\s*|\s+", content if isinstance(content, str) else ""):
            on_delta(word)
            await asyncio.sleep(0)
        return reply

    def assert_done(self) -> None:
        """Check that every answer was asked for, and nothing more."""
        if len(self.requests) > self._given:
            raise UnexpectedRequest(self._surplus())
        if self._answers:
            raise AssertionError(
                f"the model was asked {len(self.requests)} times; {len(self._answers)} of the script's {self._given} "
                f"answers were never asked for, the first is {self._answers[0]!r}"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # a test that failed already says more than an answer that is left over
        if error is None:
            self.assert_done()

    def _reply(self, answer: object, messages: list[dict[str, Any]], number: int) -> ModelReply:
        match answer:
            case ModelReply():
                return answer
            case str():
                message: dict[str, Any] = {"role": "assistant", "content": answer}
            case Calls():
                message = {"role": "assistant", "content": answer.text, "tool_calls": _tool_calls(answer, number)}
            case dict():
                message = copy.deepcopy(answer)
            case _:
                raise TypeError(f"the script's answer to request {number} is {answer!r}, which is no answer")
        finish_reason = "tool_calls" if message.get("tool_calls") else "stop"
        return ModelReply(message, usage_of(messages, message), finish_reason, f"scripted-{number}", self.model)

    def _surplus(self) -> str:
        surplus = self.requests[self._given]
        last = surplus.messages[-1] if surplus.messages else None
        return (
            f"the model was asked {len(self.requests)} times, the script has {self._given} answers; "
            f"request {self._given + 1} ended with {last!r}"
        )


def usage_of(messages: list[dict[str, Any]], message: Mapping[str, Any]) -> dict[str, int]:
    """Return the usage that a scripted answer reports: one token a word, and one a tool call."""
    prompt = sum(_words(sent.get("content")) for sent in messages)
    listed = message.get("tool_calls")
    completion = _words(message.get("content")) + (len(listed) if isinstance(listed, list) else 0)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _words(content: object) -> int:
    return len(content.split()) if isinstance(content, str) else 0


def _tool_calls(answer: Calls, number: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{number}_{index}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for index, (name, given) in enumerate(answer.listed)
    ]

"""A model without a network: it follows a prompt by rules, so that the demo runs anywhere and always says the same.

What it does with a request:

1. It calls the first offered tool whose required parameters all stand in the user's last message, in words that no
   call of this turn has used.  A tool that requires none is called when the prompt says so without a condition ("Call
   `begin` now"), or when the message has a telling word of its name ("a quote, please" calls `start_quote`).  The same
   call is never made twice in one turn.
2. Else it gives back, by `reroute_conversation`, what no tool of the journey waits for.
3. Else it speaks: the results of this turn's calls, then what the prompt has it say (`speech`), then what it is to ask.

It is no language model.  It answers no questions, remembers nothing that was said in an earlier message, and says so.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any

import msgspec
from msgspec import Struct

from ...actors.journey import REROUTE
from ...projections import Call, calls_of, text_of
from ..models import ModelReply
from . import speech
from .words import find, leaves, names, plain, without

READ = 4000
"""So many characters of a message are read; the search for words holds up the loop."""

NOT_UNDERSTOOD = "Sorry, I did not understand that."
NOTHING_TO_SAY = "I am only the offline demo model, and my prompt has nothing more for me to say."


class OfflineModel:
    """Is a model client that follows prompts by rules; usage counts words.

    >>> from agent_runtime_framework import ToolSchemaBuilder, schemas_to_openai_format
    >>> save = ToolSchemaBuilder("save_name").param("name", "string", "The user's name", required=True).build()
    >>> messages = [{"role": "system", "content": "Ask for the user's name."}, {"role": "user", "content": "hi"}]
    >>> def answer(messages):
    ...     return asyncio.run(OfflineModel().generate(messages, tools=schemas_to_openai_format([save]))).message
    >>> answer(messages)
    {'role': 'assistant', 'content': 'May I have your name?'}
    >>> answer([*messages, {"role": "user", "content": "I am Ada"}])["tool_calls"][0]["function"]
    {'name': 'save_name', 'arguments': '{"name":"Ada"}'}
    """

    model = "offline-demo"
    streams = True

    async def generate(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None, **_: Any
    ) -> ModelReply:
        """Return a tool call, or words."""
        request, offered = _read(messages), [_Tool.of(tool) for tool in tools or ()]
        call = _call(request, offered)
        message: dict[str, Any] = {"role": "assistant", "content": None if call else _words(request, offered)}
        if call:
            id_ = f"call_{sum(len(calls_of(earlier)) for earlier in messages) + 1}"
            message["tool_calls"] = [{"id": id_, "type": "function", "function": call}]
        prompt, completion = sum(map(_length, messages)), _length(message) + bool(call)
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        return ModelReply(message, usage, "tool_calls" if call else "stop", model=self.model)

    async def stream(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        *,
        on_delta: Callable[[str], None],
        **_: Any,
    ) -> ModelReply:
        """Return what `generate` would, and tell its text word by word, letting others run in between."""
        reply = await self.generate(messages, tools)
        for word in re.findall(r"\S+\s*", text_of(reply.message)):
            on_delta(word)
            await asyncio.sleep(0)
        return reply


class _Request(Struct, frozen=True):
    """Is what a request says.

    Attributes:
        prompt: the system prompt.
        text: the user's last message, less what this turn's calls have used.
        calls: this turn's calls.
        results: what they returned.
        said: what the model said in earlier turns, the last of it last.

    """

    prompt: str
    text: str
    calls: list[Call]
    results: list[str]
    said: list[str]


class _Tool(Struct, frozen=True):
    """Is an offered tool."""

    name: str
    parameters: Mapping[str, Mapping[str, Any]]
    required: Sequence[str]

    @classmethod
    def of(cls, tool: Mapping[str, Any]) -> "_Tool":
        """Read a tool in OpenAI form."""
        function = tool["function"]
        schema = function.get("parameters") or {}
        return cls(function["name"], schema.get("properties") or {}, schema.get("required") or ())


def _read(messages: Sequence[Mapping[str, Any]]) -> _Request:
    turn = list(takewhile(lambda message: message["role"] != "user", reversed(messages)))[::-1]
    earlier = messages[: len(messages) - len(turn)]
    text = plain(text_of(earlier[-1])[:READ]) if earlier else ""
    calls = [call for message in turn for call in calls_of(message)]
    for call in calls:
        if call.name == REROUTE:
            continue  # what was given back is yet to be taken up
        for value in leaves(call.arguments):
            text = without(text, value)
    return _Request(
        prompt="\n".join(text_of(message) for message in messages if message["role"] == "system"),
        text=text,
        calls=calls,
        results=[text_of(message) for message in turn if message["role"] == "tool"],
        said=[text_of(message) for message in earlier if message["role"] == "assistant" and text_of(message)],
    )


def _call(request: _Request, offered: Sequence[_Tool]) -> dict[str, str] | None:
    """Return the call to make now, None if there is none."""
    made = [(call.name, call.arguments) for call in request.calls]
    for tool in offered:
        arguments = _arguments(tool, request.text)
        ready = all(name in arguments for name in tool.required)
        wanted = bool(tool.required) or speech.commands(request.prompt, tool.name) or names(tool.name, request.text)
        if ready and wanted and (tool.name, arguments) not in made:
            return {"name": tool.name, "arguments": msgspec.json.encode(arguments).decode()}
    if request.calls or not request.text.strip() or any(tool.required for tool in offered):
        return None
    given_back = any(tool.name == REROUTE for tool in offered)
    return (
        {"name": REROUTE, "arguments": msgspec.json.encode({"reason": request.text}).decode()} if given_back else None
    )


def _arguments(tool: _Tool, text: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, schema in tool.parameters.items():
        value = find(name, schema, text)
        if value is not None:
            arguments[name] = value
            text = without(text, value)
    return arguments


def _words(request: _Request, offered: Sequence[_Tool]) -> str:
    """Return what to say: results, what the prompt says that was not said before, and the question that is open."""
    results = list(dict.fromkeys(speech.result(text) for text in request.results if text.strip()))
    statements, questions = speech.of_prompt(request.prompt)
    news = [words for words in statements if not any(words in said for said in request.said)]
    if results and results[-1].endswith("?"):
        questions = []  # the tool has asked already
    elif not questions:
        questions = _missing(offered)
    again = request.said and any(question in request.said[-1] for question in questions)
    if again and not results and not news:
        return " ".join([NOT_UNDERSTOOD, *questions])
    return " ".join([*results, *news, *questions]) or NOTHING_TO_SAY


def _missing(offered: Sequence[_Tool]) -> list[str]:
    """Return the question for the first parameter that a tool waits for."""
    for tool in offered:
        for name in tool.required:
            schema = tool.parameters.get(name, {})
            return [speech.question(schema.get("description") or name.replace("_", " "), schema.get("enum") or ())]
    return []


def _length(message: Mapping[str, Any]) -> int:
    return len(text_of(message).split())

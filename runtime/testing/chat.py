"""What a provider takes as a chat, written down independently of what renders one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

NOT_RUN = "Error: this tool was not run"
"""What the model is told of a call of which nothing is recorded."""

ROLES = ("system", "developer", "user", "assistant", "tool")

Line = tuple[Any, ...]
"""Who says it and what; an assistant's also with the number of its calls."""


def problem_of(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """Return why an OpenAI-like provider would refuse these messages, or None if it would not.

    >>> problem_of([{"role": "user", "content": "hi"}])
    >>> problem_of([{"role": "tool", "tool_call_id": "call_1", "content": "4"}])
    "message 0 is a tool's result, but 'call_1' is not due"
    """
    due: list[str] = []
    known: set[str] = set()
    for at, message in enumerate(messages):
        role = message.get("role")
        if role not in ROLES:
            return f"message {at} has the role {role!r}"
        if role == "tool":
            id_ = message.get("tool_call_id")
            if not due or id_ != due[0]:
                return f"message {at} is a tool's result, but {id_!r} is not due"
            due.pop(0)
            if not isinstance(message.get("content"), str):
                return f"message {at} has no text"
            continue
        if due:
            return f"message {at} comes before the result of {due[0]!r}"
        if role == "assistant":
            problem, due = _answer(at, message, known)
        else:
            problem = None if message.get("content") else f"message {at} of {role} is empty"
        if problem is not None:
            return problem
    return f"the chat ends without a result of {due[0]!r}" if due else None


def _answer(at: int, message: Mapping[str, Any], known: set[str]) -> tuple[str | None, list[str]]:
    listed = message.get("tool_calls")
    if not listed:
        return (None if isinstance(message.get("content"), str) else f"answer {at} has neither text nor calls"), []
    ids: list[str] = []
    for call in listed:
        id_, function = call.get("id"), call.get("function") or {}
        if call.get("type") != "function" or not function.get("name") or not id_:
            return f"answer {at} has a call that lacks something: {call!r}", []
        if id_ in known:
            return f"answer {at} has a call under the id {id_!r}, which an earlier one has", []
        if not isinstance(_decoded(function.get("arguments")), dict):
            return f"answer {at} has a call whose arguments are no JSON object", []
        known.add(id_)
        ids.append(id_)
    return None, ids


def _decoded(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


def lines_of(messages: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Return messages as `told` gives them."""
    lines: list[Line] = []
    for message in messages:
        role, content = str(message.get("role")), message.get("content") or ""
        calls = (len(message.get("tool_calls") or ()),) if role == "assistant" else ()
        lines.append((role, content, *calls))
    return lines


def told(prompt: str, entries: Sequence[tuple[Any, ...]]) -> list[Line] | None:
    """Return what a model is to be told of a `Reference`'s entries; None where some of it was said before it."""
    lines: list[Line] = [("system", prompt)] if prompt else []
    results: dict[int, str] | None = None
    for at, entry in enumerate(entries):
        match entry:
            case ("user", _, text):
                lines += [("user", text)] if text else []
            case ("assistant", version, text, calls):
                lines.append(("assistant", text, len(calls)))
                results = {}
                for later in entries[at + 1 :]:
                    if later[0] == "tool" and later[2] == version:
                        results.setdefault(later[3], later[4])
                lines += [("tool", results.get(index, NOT_RUN)) for index in range(len(calls))]
            case ("earlier", _):
                return None
            case _:  # a tool's result stands behind its call
                continue
    return lines

"""Answers that a model, or whoever speaks through it, made to be slow to seal: the loop is not held up by them."""

from typing import Any

import pytest

from agent_runtime_framework import AgentContext, AgentResult
from agent_runtime_framework.projections import calls_of
from agent_runtime_framework.testing import ScriptedLLM
from support.vault_bot import VaultAgent, found_in

SIZE = 64 * 1024
ESCAPED = '"' + '\\"' * (SIZE // 2) + "\\"


def answer(arguments: str, content: str = "Here.", name: str = "log_in") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"content": content, "tool_calls": [{"id": "c", "type": "function", "function": function}]}


def arguments_of(result: AgentResult) -> Any:
    (call,) = result.messages[0].tool_calls
    return call["function"]["arguments"]


async def ran(message: dict[str, Any]) -> AgentResult:
    with ScriptedLLM(message, "Done.") as llm:
        return await VaultAgent(llm).run(AgentContext("r-1", "c-1", [{"role": "user", "content": "go"}]))


@pytest.mark.parametrize("lone", [ESCAPED, '"' * SIZE + "\\", '{"user": ' + ESCAPED])
async def test_quotes_that_never_end_are_read_once(lone: str) -> None:
    result = await ran(answer(lone))

    assert arguments_of(result) == "{}"


async def test_a_text_that_was_cut_after_a_backslash_is_known_to_be_secret() -> None:
    result = await ran(answer('{"password": "hunter2\\', content="It is hunter2."))

    assert found_in(repr(result).encode(), ["hunter2"]) == []


def test_reading_calls_looks_once_at_quotes_that_never_end() -> None:
    (call,) = calls_of({"tool_calls": [{"name": "any", "arguments": ESCAPED}]})

    assert call.problem is not None

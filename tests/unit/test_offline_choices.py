"""The offline model's further rules: choices without words of their own, lists, patterns, giving back."""

import asyncio
import json
from typing import Any

import pytest

from agent_runtime_framework import ToolParameter, ToolSchema, create_reroute_tool, schemas_to_openai_format
from agent_runtime_framework.runtime.demo import OfflineModel

LINE = {
    "type": "object",
    "properties": {"product": {"enum": ["tea", "jam"]}, "amount": {"type": "integer"}},
    "required": ["product"],
}
ADD = ToolSchema("add_items", "", [ToolParameter("items", "array", required=True, items=LINE)])
CARD = ToolSchema("charge", "", [ToolParameter("card", "string", required=True, schema={"pattern": r"^\d{12}$"})])
AGREE = ToolSchema("decide", "", [ToolParameter("accept", "boolean", required=True)])
QUOTE, CLAIM = ToolSchema("start_quote", ""), ToolSchema("file_claim", "")
OUT, BACK = ToolSchema("check_out", ""), create_reroute_tool()


def call(text: str, *tools: ToolSchema, before: tuple[dict[str, Any], ...] = ()) -> tuple[str, dict[str, Any]] | None:
    """Return what the model calls after these words, and after what followed them already."""
    messages = [{"role": "user", "content": text}, *before]
    reply = asyncio.run(OfflineModel().generate(messages, tools=schemas_to_openai_format(tools)))
    for made in reply.message.get("tool_calls", ()):
        return made["function"]["name"], json.loads(made["function"]["arguments"])
    return None


@pytest.mark.parametrize(
    ("text", "tools", "called"),
    [
        ("3 tea", (ADD,), ("add_items", {"items": [{"product": "tea", "amount": 3}]})),
        ("some jam", (ADD,), ("add_items", {"items": [{"product": "jam"}]})),
        ("3", (ADD,), None),
        ("it is 123456789012, thanks", (CARD,), ("charge", {"card": "123456789012"})),
        ("it is 1234", (CARD,), None),
        ("yes", (AGREE,), ("decide", {"accept": True})),
        ("no", (AGREE,), ("decide", {"accept": False})),
        ("perhaps", (AGREE,), None),
        ("yes and no", (AGREE,), None),
        ("a quote, please", (QUOTE, CLAIM), ("start_quote", {})),
        ("two Claims", (QUOTE, CLAIM), ("file_claim", {})),
        ("no quote", (QUOTE, CLAIM), None),
        ("what is a quote?", (QUOTE, CLAIM), None),
        ("start a file", (QUOTE, CLAIM), None),
        ("checkout", (OUT,), ("check_out", {})),
        ("a claim", (BACK,), ("reroute_conversation", {"reason": "a claim"})),
        ("a claim", (BACK, CARD), None),
        (" ", (BACK,), None),
    ],
)
def test_it_calls(text: str, tools: tuple[ToolSchema, ...], called: Any) -> None:
    assert call(text, *tools) == called


def made(name: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return (
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    )


def test_what_a_call_used_is_used_up_however_deep_it_stands_there() -> None:
    remove = ToolSchema("remove", "", [ToolParameter("product", "string", required=True, enum=["tea", "jam"])])
    before = made("add_items", {"items": [{"product": "tea", "amount": 3}]})

    assert call("3 tea", ADD, remove, before=before) is None
    assert call("3 tea, jam", remove, before=before) == ("remove", {"product": "jam"})


def test_what_was_given_back_is_taken_up_where_it_went() -> None:
    assert call("a claim", QUOTE, CLAIM, before=made("reroute_conversation", {"reason": "a claim"})) == (
        "file_claim",
        {},
    )

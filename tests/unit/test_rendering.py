"""Rendering: what a model is sent is valid, whatever happened."""

from typing import Any

from hypothesis import given as for_all
from hypothesis import strategies as st

from agent_runtime_framework.projections import (
    AssistantMessage,
    EarlierMessage,
    ModelInput,
    ToolMessage,
    UserMessage,
    calls_of,
    render,
    text_of,
)
from support.strategies import json_object, message, text

entries = st.lists(
    st.one_of(
        st.builds(UserMessage, st.integers(1, 9), text),
        st.builds(lambda said, at: AssistantMessage(at, text_of(said), calls_of(said)), message, st.integers(1, 9)),
        st.builds(ToolMessage, st.integers(1, 9), st.integers(1, 9), st.integers(0, 3), text),
        st.builds(EarlierMessage, message | json_object),
        st.builds(EarlierMessage, st.builds(dict, role=st.just("tool"), tool_call_id=text, content=text)),
    ),
    max_size=12,
)


def check_valid(messages: list[dict[str, Any]]) -> None:
    """Fail unless each answer's calls are followed by exactly their results, under ids that occur once."""
    waiting: list[str] = []
    seen: set[str] = set()
    for said in messages:
        if said["role"] == "tool":
            assert said["tool_call_id"] == waiting.pop(0)
            continue
        assert waiting == []
        for call in said.get("tool_calls", []):
            assert call["type"] == "function"
            assert call["function"]["name"]
            assert isinstance(calls_of({"tool_calls": [call]})[0].arguments, dict)
            assert call["id"] not in seen
            seen.add(call["id"])
            waiting.append(call["id"])
    assert waiting == []


@for_all(text, entries)
def test_every_transcript_renders_to_valid_messages(prompt: str, listed: list[Any]) -> None:
    check_valid(render(prompt, listed))


def test_a_turn_with_a_tool_renders_in_openai_form() -> None:
    call = calls_of({"tool_calls": [{"id": "x1", "function": {"name": "add", "arguments": '{"b": 2, "a": 1}'}}]})

    messages = render(
        "Be kind.", [UserMessage(1, "tea"), AssistantMessage(3, "", call), ToolMessage(4, 3, 0, "Added.")]
    )

    assert messages == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "tea"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "x1", "type": "function", "function": {"name": "add", "arguments": '{"a":1,"b":2}'}}],
        },
        {"role": "tool", "tool_call_id": "x1", "content": "Added."},
    ]


def test_a_call_without_a_result_is_said_to_have_none() -> None:
    calls = calls_of({"tool_calls": [{"name": "a"}, {"name": "b"}]})

    messages = render("", [AssistantMessage(3, "", calls), ToolMessage(5, 3, 1, "B."), UserMessage(6, "so?")])

    assert [(said["role"], said["content"]) for said in messages[1:]] == [
        ("tool", "Error: this tool was not run"),
        ("tool", "B."),
        ("user", "so?"),
    ]


def test_missing_and_repeated_ids_are_replaced_by_unique_ones() -> None:
    repeated = calls_of({"tool_calls": [{"id": "x", "name": "a"}, {"id": "x", "name": "b"}, {"name": "c"}]})

    messages = render("", [AssistantMessage(3, "", repeated), AssistantMessage(7, "", repeated[:1])])

    ids = [call["id"] for said in messages for call in said.get("tool_calls", [])]
    assert ids == ["x", "call_3_1", "call_3_2", "call_7_0"]


def test_results_from_before_find_their_calls_in_any_order() -> None:
    earlier: list[dict[str, Any]] = [
        {"role": "assistant", "tool_calls": [{"id": "a", "name": "one"}, {"id": "b", "name": "two"}]},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "tool", "tool_call_id": "lost", "content": "?"},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]

    messages = render("", [EarlierMessage(said) for said in earlier])

    assert [said.get("content") for said in messages] == [None, "1", "2"]


def test_the_hash_of_a_request_does_not_depend_on_the_order_of_keys() -> None:
    one = ModelInput([{"role": "user", "content": "ä"}], None, "m", {"temperature": 1, "seed": 2}).hash
    other = ModelInput([{"content": "ä", "role": "user"}], None, "m", {"seed": 2, "temperature": 1}).hash

    assert one == other
    assert one != ModelInput([{"content": "a", "role": "user"}], None, "m", {"temperature": 1, "seed": 2}).hash

"""Messages, the context of a run, and its result."""

from typing import Any
from uuid import UUID

import pytest

from agent_runtime_framework.actors.journey import AgentContext, AgentMessage, AgentResult
from agent_runtime_framework.events import InvalidInput

CALL = {"id": "call-1", "type": "function", "function": {"name": "save", "arguments": "{}"}}


def context(*messages: AgentMessage | dict[str, Any]) -> AgentContext:
    return AgentContext("run-1", "c-1", messages)


def test_a_message_has_its_fields_in_the_order_of_the_contract() -> None:
    message = AgentMessage("tool", "saved", [CALL], "call-1", "save", {"seen": True})
    assert (message.role, message.content, message.tool_calls) == ("tool", "saved", [CALL])
    assert (message.tool_call_id, message.name, message.metadata) == ("call-1", "save", {"seen": True})


def test_a_message_s_dict_leaves_out_what_is_empty_and_the_metadata() -> None:
    assert AgentMessage("assistant").to_dict() == {"role": "assistant"}
    assert AgentMessage("assistant", "", [], "", "", {"seen": True}).to_dict() == {"role": "assistant"}
    assert AgentMessage("assistant", None, [CALL]).to_dict() == {"role": "assistant", "tool_calls": [CALL]}
    assert AgentMessage("tool", "saved", tool_call_id="call-1", name="save").to_dict() == {
        "role": "tool",
        "content": "saved",
        "tool_call_id": "call-1",
        "name": "save",
    }


def test_a_message_s_dict_has_a_list_of_calls_of_its_own() -> None:
    message = AgentMessage("assistant", tool_calls=[CALL])
    message.to_dict()["tool_calls"].clear()
    assert message.tool_calls == [CALL]


def test_a_message_is_made_from_its_dict() -> None:
    message = AgentMessage("assistant", "Hi", [CALL], "call-1", "save")
    assert AgentMessage.from_dict(message.to_dict()) == message
    assert AgentMessage.from_dict({"role": "user", "metadata": {"seen": True}}) == AgentMessage(
        "user", metadata={"seen": True}
    )


def test_a_message_ignores_unknown_keys_and_nulls_of_its_dict() -> None:
    data = {"role": "assistant", "content": None, "tool_calls": None, "refusal": None, "audio": 1, "metadata": None}
    assert AgentMessage.from_dict(data) == AgentMessage("assistant")


def test_a_message_without_a_role_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"needs a role; this one has \['content'\]"):
        AgentMessage.from_dict({"content": "Hi"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", 3),
        ("role", ["user"]),
        ("tool_calls", "call-1"),
        ("tool_calls", CALL),
        ("tool_calls", 1),
        ("metadata", "seen"),
        ("metadata", [("seen", True)]),
        ("metadata", 3),
    ],
)
def test_a_field_of_another_type_is_refused_and_not_made_into_something_else(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^the {field} of a message must be a .*; this one has a "):
        AgentMessage.from_dict({"role": "user", field: value})


def test_messages_share_no_defaults() -> None:
    AgentMessage("user").metadata["seen"] = True
    AgentMessage("user").tool_calls.append(CALL)
    assert AgentMessage("user") == AgentMessage("user", None, [], None, None, {})


def test_a_message_can_be_changed() -> None:
    message = AgentMessage("user", "Hello")
    message.content = "Bye"
    assert message.to_dict()["content"] == "Bye"


def test_the_user_message_is_the_text_of_the_last_one_of_the_user() -> None:
    ctx = context(AgentMessage("user", "first"), AgentMessage("user", "second"), AgentMessage("assistant", "answer"))
    assert ctx.get_user_message() == "second"


def test_the_user_message_may_be_a_dict() -> None:
    assert context({"role": "user", "content": "Hello"}, {"role": "system"}).get_user_message() == "Hello"


@pytest.mark.parametrize("content", [None, "", "  \n", [], [{"type": "image_url"}], 3])
def test_a_user_message_without_text_is_passed_over(content: Any) -> None:
    assert context({"role": "user", "content": "Hello"}, {"role": "user", "content": content}).get_user_message() == (
        "Hello"
    )


def test_the_text_parts_of_a_user_message_are_its_text() -> None:
    parts = [{"type": "text", "text": "Look:"}, {"type": "image_url"}, {"type": "text", "text": "what is it?"}]
    assert context({"role": "user", "content": parts}).get_user_message() == "Look:\nwhat is it?"


def test_without_a_user_message_there_is_none() -> None:
    assert context().get_user_message() is None
    assert context(AgentMessage("assistant", "Hello")).get_user_message() is None


def test_a_context_takes_ids_as_texts_and_as_uuids() -> None:
    run, conversation = UUID(int=1), UUID(int=2)
    ctx = AgentContext(run_id=run, conversation_id=conversation, input_messages=[])
    assert (ctx.run_id, ctx.conversation_id, ctx.input_messages, ctx.metadata) == (run, conversation, [], {})


def test_a_result_has_defaults_for_all_but_the_response() -> None:
    assert AgentResult("Hi") == AgentResult("Hi", [], None, None, {})
    AgentResult("Hi").messages.append(AgentMessage("assistant", "Hi"))
    assert AgentResult("Hi").messages == []

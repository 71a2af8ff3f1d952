"""Model clients of every kind, and what they answer, in the loop: nothing is believed, nothing gets stuck."""

from types import SimpleNamespace
from typing import Any

import pytest

from agent_runtime_framework import LLMExecutor, LLMExecutorConfig
from agent_runtime_framework.events import NoReply, ToolReturned, ToolStarted
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import OrderTools, order_agent, recorded, types, working
from support.paths import Take, both_paths


def answer(content: Any = None, usage: Any = None, **message: Any) -> Any:
    """Return an object that has a message and a usage, and nothing else."""
    return SimpleNamespace(message={"content": content, **message}, usage=usage)


class KeywordOnly:
    """Takes its tools by keyword only, and nothing beside them."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def generate(self, messages: list[Any], *, tools: Any) -> Any:
        self.asked.append((messages, tools))
        return answer("Hello.")


class Bare:
    """Takes no further keywords."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def generate(self, messages: list[Any], tools: Any = None) -> Any:
        self.asked.append((messages, tools))
        return answer("Hello.")


class Noting:
    """Notes each keyword."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def generate(self, *args: Any, **keywords: Any) -> Any:
        self.asked.append((args, keywords))
        return answer("Hello.")


@both_paths
@pytest.mark.parametrize("client", [KeywordOnly, Bare])
async def test_a_client_needs_messages_and_tools_and_no_other_keyword(client: Any, take: Take) -> None:
    llm = client()
    assert (await take(order_agent(llm), "hi")).text == "Hello."

    ((messages, tools),) = llm.asked
    assert messages[-1] == {"role": "user", "content": "hi"}
    assert [tool["function"]["name"] for tool in tools] == ["save_name"]


async def test_the_executor_asks_it_the_same_way() -> None:
    llm, noting = KeywordOnly(), Noting()
    for client in (llm, noting):
        await LLMExecutor(client).run([{"role": "user", "content": "hi"}])  # type: ignore[arg-type]

    assert llm.asked == [([{"role": "user", "content": "hi"}], None)]
    assert noting.asked == [(([{"role": "user", "content": "hi"}],), {"tools": None})]


@both_paths
async def test_configured_keywords_are_given_and_no_others(take: Take) -> None:
    llm = Noting()
    await take(order_agent(llm, model_parameters={"temperature": 0, "seed": 7}), "hi")

    ((args, keywords),) = llm.asked
    assert len(args) == 1
    assert {name: value for name, value in keywords.items() if name != "tools"} == {"temperature": 0, "seed": 7}


@both_paths
async def test_a_client_that_changes_what_it_is_given_changes_nothing_else(take: Take) -> None:
    class Greedy:
        asked = 0

        async def generate(self, messages: list[Any], tools: list[Any], **parameters: Any) -> Any:
            Greedy.asked += 1
            if Greedy.asked == 1:
                messages.clear()
                tools[0]["function"]["name"] = "other"
                parameters["stop"].append("?")
                return answer(tool_calls=[{"name": "save_name", "arguments": {"name": "Ada"}}])
            return answer(f"{[message['role'] for message in messages]} {parameters}")

    Greedy.asked = 0
    taken = await take(order_agent(Greedy(), model_parameters={"stop": ["!"]}), "hi")

    assert taken.text == "['system', 'user', 'assistant', 'tool'] {'stop': ['!']}"
    assert taken.state["name"] == "Ada"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (None, "its message is None, not a dict"),
        ("Hello.", "its message is a str, not a dict"),
        ({"content": 5}, "its content is a int"),
        ({"content": object()}, "which is not JSON"),
        ({"tool_calls": "x"}, "its tool_calls are a str, not a list"),
        ({"tool_calls": {}}, "its tool_calls are a dict, not a list"),
        ({1: "a"}, "has a key that is a int, not a text"),
    ],
)
async def test_an_answer_that_is_none_is_asked_for_again_and_then_fails_the_turn(message: Any, said: str) -> None:
    class Nonsense:
        asked = 0

        async def generate(self, messages: Any, tools: Any = None) -> Any:
            Nonsense.asked += 1
            return SimpleNamespace(message=message, usage={})

    Nonsense.asked = 0
    async with working(order_agent(Nonsense())) as rt:
        with pytest.raises(NoReply, match=f"model_invalid_answer.*{said}"):
            await rt.send("order", "c-1", "hi", timeout=10)
        every = await types(rt, "c-1")

    assert (Nonsense.asked, every.count("model.failed"), every[-1]) == (3, 3, "turn.failed")


@pytest.mark.parametrize("given", ["Hello.", None, 7, [1]])
async def test_what_has_no_message_is_no_answer(given: Any) -> None:
    class Other:
        async def generate(self, messages: Any, tools: Any = None) -> Any:
            return given

    async with working(order_agent(Other())) as rt:
        with pytest.raises(NoReply, match="its message is None"):
            await rt.send("order", "c-1", "hi", timeout=10)


async def test_a_client_that_is_not_async_is_said_to_be_none() -> None:
    class Plain:
        def generate(self, messages: Any, tools: Any = None) -> Any:
            return answer("Hello.")

    async with working(order_agent(Plain())) as rt:
        with pytest.raises(NoReply, match="await"):
            await rt.send("order", "c-1", "hi", timeout=10)


@both_paths
@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({}, ""),
        ({"content": None}, ""),
        ({"content": "a", "tool_calls": []}, "a"),
        ({"content": "a", "tool_calls": None}, "a"),
        ({"content": ["a", {"type": "text", "text": "b"}]}, "ab"),
        ({"role": "user", "content": "a"}, "a"),
    ],
)
async def test_an_answer_may_leave_out_what_it_has_not(message: dict[str, Any], text: str, take: Take) -> None:
    with ScriptedLLM(message) as llm:
        assert (await take(order_agent(llm), "hi")).text == text


@pytest.mark.parametrize(
    "usage", [None, {}, "many", {"total_tokens": "7", "prompt_tokens": None, "completion_tokens": 1.5, "x": True}]
)
async def test_usage_that_is_no_number_is_ignored(usage: Any) -> None:
    class Client:
        async def generate(self, messages: Any, tools: Any = None) -> Any:
            return answer("Hello.", usage)

    client: Any = Client()
    result = await LLMExecutor(client).run([{"role": "user", "content": "hi"}])

    assert result.usage == {}


async def test_usage_is_summed_under_every_name_that_the_client_gives() -> None:
    class Client:
        async def generate(self, messages: Any, tools: Any = None) -> Any:
            return answer("Hello.", {"input_tokens": 3, "cached": len(messages)})

    client: Any = Client()
    executor = LLMExecutor(client, config=LLMExecutorConfig(max_iterations=2, stop_on_text=False))
    result = await executor.run([{"role": "user", "content": "hi"}])

    assert result.usage == {"input_tokens": 6, "cached": 3}


# --- tool calls ---------------------------------------------------------------------------------------------------


def call(form: str, name: Any = "save_name", **given: Any) -> dict[str, Any]:
    """Return a tool call, flat or in OpenAI form."""
    made = {"name": name, **({"arguments": given["arguments"]} if "arguments" in given else {})}
    return made if form == "flat" else {"type": "function", "function": made}


both_forms = pytest.mark.parametrize("form", ["flat", "openai"])


class Optional(OrderTools):
    """Needs no argument."""

    async def save_name(self, name: str = "nobody") -> str:
        return await super().save_name(name)


@both_forms
@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"arguments": {"name": "Ada"}}, "Ada"),
        ({"arguments": '{"name": "Ada"}'}, "Ada"),
        ({"arguments": {}}, "nobody"),
        ({"arguments": "{}"}, "nobody"),
        ({"arguments": ""}, "nobody"),
        ({"arguments": None}, "nobody"),
        ({}, "nobody"),
    ],
)
async def test_arguments_come_as_a_dict_or_as_json_and_none_are_empty(form: str, given: Any, name: str) -> None:
    with ScriptedLLM({"tool_calls": [call(form, **given)]}, "Hello.") as llm:
        async with working(order_agent(llm, tools=Optional)) as rt:
            reply = await rt.send("order", "c-1", "hi", timeout=10)

    assert reply.state["name"] == name


@both_paths
@both_forms
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("Ada", "are not valid JSON"),
        ('{"name":', "are not valid JSON"),
        ("[1]", "must be a JSON object, not a list"),
        ("null", "must be a JSON object, not null"),
        ([1], "must be a JSON object, not a list"),
        (5, "must be a JSON object, not a number"),
        (False, "must be a JSON object, not a boolean"),
        ("[" * 5_000, "are nested more than 64 levels deep"),
    ],
)
async def test_other_arguments_are_told_to_the_model_and_the_tool_is_not_run(
    form: str, arguments: Any, told: str, take: Take
) -> None:
    with ScriptedLLM({"tool_calls": [call(form, arguments=arguments)]}, "Sorry.") as llm:
        taken = await take(order_agent(llm, tools=Optional), "hi")

    ((kind, content),) = taken.failures
    assert kind == "invalid"
    assert content.startswith("Error: the arguments of 'save_name' ")
    assert told in content
    assert llm.requests[1].messages[-1]["content"] == content
    assert not [event for event in taken.events if isinstance(event, ToolStarted)]


@both_paths
@pytest.mark.parametrize("nonsense", [None, "save_name", 5, {}, {"name": ""}, {"name": 5}, {"function": {}}])
async def test_a_call_that_names_no_tool_is_told_to_the_model(nonsense: Any, take: Take) -> None:
    with ScriptedLLM({"tool_calls": [nonsense]}, "Sorry.") as llm:
        taken = await take(order_agent(llm), "hi")

    ((kind, content),) = taken.failures
    assert (kind, taken.text) == ("invalid", "Sorry.")
    assert content.startswith("Error: a tool call must ")
    assert [message["role"] for message in llm.requests[1].messages[2:]] == ["assistant", "tool"]


@both_paths
@pytest.mark.parametrize("ids", [(None, None, None), ("x", "x", "x"), ("", 5, "x"), ("x", "call_1_0", "x")])
async def test_missing_and_repeated_ids_are_replaced_by_unique_ones(ids: tuple[Any, ...], take: Take) -> None:
    once, *twice = ({**call("flat", arguments={"name": f"{at}"}), "id": id_} for at, id_ in enumerate(ids))
    extra = [{**made, "name": "add", "arguments": {"line": "tea"}} for made in twice]
    with ScriptedLLM({"tool_calls": [once]}, {"tool_calls": extra}, "Done.") as llm:
        taken = await take(order_agent(llm), "hi")

    sent = llm.requests[-1].messages
    given = [made["id"] for message in sent for made in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in sent if message["role"] == "tool"]
    assert len(set(given)) == 3
    assert all(given)
    assert answered == given
    assert taken.state["lines"] == ["tea", "tea"]


@both_paths
@pytest.mark.parametrize(
    ("result", "text"),
    [(None, "None"), (5, "5"), ({"a": 1}, "{'a': 1}"), ([1], "[1]"), (b"x", "b'x'"), (True, "True"), ("", "")],
)
async def test_a_result_that_is_no_text_is_told_as_its_text(result: Any, text: str, take: Take) -> None:
    class Odd(OrderTools):
        async def save_name(self, name: str) -> Any:
            return result

    with ScriptedLLM(calls(("save_name", {"name": "Ada"})), "Done.") as llm:
        taken = await take(order_agent(llm, tools=Odd), "hi")

    assert [event.content for event in taken.events if isinstance(event, ToolReturned)] == [text]
    assert llm.requests[1].messages[-1]["content"] == text


@pytest.mark.parametrize("bound", [None, "a text", 5])
async def test_a_tool_that_binds_what_is_no_state_fails_and_changes_nothing(bound: Any) -> None:
    class Binding(OrderTools):
        async def save_name(self, name: str) -> str:
            self.state = bound
            return "Saved."

    with ScriptedLLM(calls(("save_name", {"name": "Ada"})), "Sorry.") as llm:
        async with working(order_agent(llm, tools=Binding)) as rt:
            reply = await rt.send("order", "c-1", "Ada", timeout=10)
            every = [one.type for one in await recorded(rt, "c-1")]

    assert reply.state["step"] == "name"
    assert "tool.failed" in every
    assert "is no state" in llm.requests[1].messages[-1]["content"]

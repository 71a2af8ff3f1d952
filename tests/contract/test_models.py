"""What every model client of ours does, scripted or over HTTP, and how any client's answer is read."""

import copy
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any, Protocol
from unittest.mock import AsyncMock

import msgspec
import pytest

from agent_runtime_framework import LLMClient, LLMExecutor
from agent_runtime_framework.events import TEXT_LIMIT, ModelError
from agent_runtime_framework.runtime.models import ModelReply, OpenAIClient, reply_of, streaming
from agent_runtime_framework.runtime.testing.scripted import Scripted, ScriptedLLM, calls
from support.openai_server import OpenAIServer

ASK = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "I am Ada, grüße 😀"}]
TOOLS = [{"type": "function", "function": {"name": "save_name", "parameters": {"type": "object", "properties": {}}}}]


class Client(Protocol):
    """Is a client that can be asked both ways."""

    async def generate(self, messages: Any, tools: Any = None, **kwargs: Any) -> ModelReply: ...

    async def stream(self, messages: Any, tools: Any = None, *, on_delta: Any, **kwargs: Any) -> ModelReply: ...


class Backend(Protocol):
    """Makes a client that gets these answers, and knows what was sent to the model."""

    def client(self, *answers: Scripted) -> Client: ...

    def sent(self) -> list[dict[str, Any]]: ...


class ScriptedBackend:
    def client(self, *answers: Scripted) -> Client:
        self._llm = ScriptedLLM(*answers)
        return self._llm

    def sent(self) -> list[dict[str, Any]]:
        requests = self._llm.requests
        return [{"messages": r.messages, **({"tools": r.tools} if r.tools else {}), **r.kwargs} for r in requests]


class ServerBackend:
    def __init__(self, server: OpenAIServer) -> None:
        self._server = server
        self.opened: list[OpenAIClient] = []

    def client(self, *answers: Scripted) -> Client:
        self._server.script.add(*map(self._entry, answers))
        self.opened.append(OpenAIClient("m", base_url=self._server.url))
        return self.opened[-1]

    def sent(self) -> list[dict[str, Any]]:
        return [request["body"] for request in self._server.requests]

    def _entry(self, answer: Scripted) -> Any:
        match answer:
            case str():
                return answer
            case ModelError():
                return {
                    "status": 429,
                    "headers": {"Retry-After": str(answer.retry_after)},
                    "error": {"message": "slow"},
                }
            case _:
                given: Any = answer
                return {"text": given.text, "calls": given.listed}


@pytest.fixture(params=["scripted", "openai"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    if request.param == "scripted":
        yield ScriptedBackend()
        return
    async with OpenAIServer() as server:
        served = ServerBackend(server)
        yield served
        for client in served.opened:
            await client.aclose()


class TestModelClient:
    async def test_a_text_comes_as_an_assistant_message(self, backend: Backend) -> None:
        reply = await backend.client("Grüße 😀").generate(ASK)
        assert (reply.message["role"], reply.message["content"]) == ("assistant", "Grüße 😀")
        assert reply.finish_reason == "stop"
        assert not reply.message.get("tool_calls")

    async def test_calls_come_in_openai_form_with_their_arguments_as_json(self, backend: Backend) -> None:
        reply = await backend.client(calls(("save_name", {"name": "Ada"}), ("stop", {}))).generate(ASK, tools=TOOLS)
        functions = [call["function"] for call in reply.message["tool_calls"]]
        assert [function["name"] for function in functions] == ["save_name", "stop"]
        assert [msgspec.json.decode(function["arguments"]) for function in functions] == [{"name": "Ada"}, {}]
        assert len({call["id"] for call in reply.message["tool_calls"]}) == 2
        assert reply.finish_reason == "tool_calls"

    async def test_arguments_that_are_no_json_come_as_they_are(self, backend: Backend) -> None:
        reply = await backend.client(calls(("save_name", '{"name": "A'))).generate(ASK)
        assert reply.message["tool_calls"][0]["function"]["arguments"] == '{"name": "A'

    @pytest.mark.parametrize("text", ["Hello there, Ada!\n\nGrüße  😀 ", "one", ""])
    async def test_what_is_heard_while_it_streams_is_the_text(self, backend: Backend, text: str) -> None:
        heard: list[str] = []
        reply = await backend.client(text).stream(ASK, on_delta=heard.append)
        assert "".join(heard) == text == reply.message["content"]
        assert len(heard) == len(text.split())
        assert all(heard)

    async def test_a_streamed_answer_is_the_one_that_comes_at_once(self, backend: Backend) -> None:
        answer = calls(("save_name", {"name": "Ada, grüße 😀"}), ("stop", {}), text="One moment")
        client, heard = backend.client(answer, answer), list[str]()
        streamed, whole = await client.stream(ASK, TOOLS, on_delta=heard.append), await client.generate(ASK, TOOLS)
        assert heard == ["One ", "moment"]
        assert streamed.message["content"] == whole.message["content"]
        assert _functions(streamed) == _functions(whole)
        assert streamed.finish_reason == whole.finish_reason
        assert streamed.usage == whole.usage

    async def test_usage_is_counts_that_add_up(self, backend: Backend) -> None:
        usage = (await backend.client("Hello, Ada!").stream(ASK, on_delta=lambda _: None)).usage
        assert usage["prompt_tokens"] > 0
        assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]
        assert {type(count) for count in usage.values()} == {int}

    async def test_answers_come_in_order_under_ids_of_their_own(self, backend: Backend) -> None:
        client = backend.client("one", "two")
        replies = [await client.generate(ASK), await client.stream(ASK, on_delta=lambda _: None)]
        assert [reply.message["content"] for reply in replies] == ["one", "two"]
        assert len({reply.response_id for reply in replies}) == 2

    async def test_the_model_is_sent_what_the_caller_gave_and_nothing_of_it_is_changed(self, backend: Backend) -> None:
        messages, tools, client = copy.deepcopy(ASK), copy.deepcopy(TOOLS), backend.client("one", "two", "three")
        await client.generate(messages, tools=tools, temperature=0.5)
        await client.stream(messages, tools, on_delta=lambda _: None)
        await client.generate(messages)
        assert (messages, tools) == (ASK, TOOLS)
        first, second, third = backend.sent()
        assert first["messages"] == second["messages"] == third["messages"] == ASK
        assert first["tools"] == second["tools"] == TOOLS
        assert "tools" not in third
        assert first["temperature"] == 0.5
        assert "temperature" not in second

    async def test_an_error_is_a_model_error_that_says_whether_to_ask_again(self, backend: Backend) -> None:
        error = ModelError("slow down", kind="rate_limited", transient=True, retry_after=7.0)
        client = backend.client(error, error)
        for answer in (client.generate(ASK), client.stream(ASK, on_delta=lambda _: None)):
            with pytest.raises(ModelError) as raised:
                await answer
            assert (raised.value.kind, raised.value.transient, raised.value.retry_after) == ("rate_limited", True, 7.0)

    async def test_an_error_of_the_listener_is_the_callers_own(self, backend: Backend) -> None:
        def listen(text: str) -> None:
            raise ValueError(text)

        with pytest.raises(ValueError, match="Hello"):
            await backend.client("Hello there").stream(ASK, on_delta=listen)

    async def test_a_reply_is_read_as_it_is(self, backend: Backend) -> None:
        reply = await backend.client(calls(("save_name", {"name": "Ada"}), text="Hello")).generate(ASK)
        assert reply_of(reply) == reply

    async def test_it_says_that_it_streams(self, backend: Backend) -> None:
        client: object = backend.client()
        assert streaming(client) is client


def _functions(reply: ModelReply) -> list[Any]:
    return [call["function"] for call in reply.message["tool_calls"]]


# --- any client's answer


def _read(message: object, usage: object = None, **more: object) -> ModelReply:
    return reply_of(SimpleNamespace(message=message, usage=usage, **more))


def _refused(message: object) -> ModelError:
    with pytest.raises(ModelError) as raised:
        _read(message)
    assert "\n" not in str(raised.value)
    return raised.value


class _Loud(str):
    """Is a text that prints as another, as members of a str enumeration do."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class TestReplyOf:
    @pytest.mark.parametrize("role", ["assistant", "user", None, 3])
    def test_the_role_is_always_assistant(self, role: object) -> None:
        assert _read({"role": role, "content": "Hi"}).message == {"role": "assistant", "content": "Hi"}
        assert _read({"content": "Hi"}).message == {"role": "assistant", "content": "Hi"}

    @pytest.mark.parametrize("answer", [None, "Hi", {"message": {}}, SimpleNamespace(message=None), AsyncMock(), 3])
    def test_what_has_no_message_is_an_invalid_answer_worth_asking_again(self, answer: object) -> None:
        with pytest.raises(ModelError, match="not a dict") as raised:
            reply_of(answer)
        assert (raised.value.kind, raised.value.transient) == ("invalid_answer", True)

    def test_an_answer_with_nothing_but_a_message_is_enough(self) -> None:
        assert reply_of(SimpleNamespace(message={"content": "Hi"})) == ModelReply(
            {"role": "assistant", "content": "Hi"}, {}
        )

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            (None, None),
            ("", ""),
            ([], ""),
            ([{"type": "text", "text": "He"}, "l", {"type": "output_text", "text": "lo"}], "Hello"),
            (_Loud("red"), "red"),
        ],
    )
    def test_content_becomes_text(self, content: object, text: str | None) -> None:
        message = _read({"content": content}).message
        assert message["content"] == text
        assert type(message["content"]) in (str, type(None))

    @pytest.mark.parametrize(
        "content", [3, {"text": "a"}, [3], [{"type": "image_url", "text": "a"}], [{"type": "text"}]]
    )
    def test_content_that_is_no_text_is_an_invalid_answer(self, content: object) -> None:
        assert _refused({"content": content}).kind == "invalid_answer"

    def test_calls_and_whatever_else_it_says_stay_as_they_came(self) -> None:
        listed = [{"name": "a", "arguments": {"x": [1, 2.5, None, True]}}, {"id": 7}, "nonsense"]
        message = {"role": "assistant", "content": None, "tool_calls": listed, "reasoning": {"steps": 2}}
        assert _read(message).message == message

    def test_calls_that_are_null_are_left_out_and_other_things_refused(self) -> None:
        assert "tool_calls" not in _read({"content": "Hi", "tool_calls": None}).message
        assert "tool_calls" in str(_refused({"tool_calls": {"name": "a"}}))

    @pytest.mark.parametrize(
        "value", [object(), b"a", {1: 2}, float("nan"), float("inf"), {1, 2}, 2**64, -(2**63) - 1, SimpleNamespace()]
    )
    def test_what_is_not_json_is_an_invalid_answer_that_says_where(self, value: object) -> None:
        error = _refused({"tool_calls": [{"arguments": {"a": value}}]})
        assert (error.kind, error.transient) == ("invalid_answer", True)
        assert "message.tool_calls.arguments.a" in str(error)

    def test_an_answer_without_end_is_an_invalid_answer(self) -> None:
        message: dict[str, Any] = {}
        message["again"] = [message]
        assert _refused(message).kind == "invalid_answer"

    def test_lone_surrogates_are_replaced_everywhere_and_pairs_joined(self) -> None:
        lone, pair = "a\ud83d", "\ud83d\ude00"
        reply = _read({"content": pair + lone, lone: [{lone: lone}]}, {lone: 1}, finish_reason=lone, model=lone)
        assert reply.message == {"role": "assistant", "content": "😀a\ufffd", "a\ufffd": [{"a\ufffd": "a\ufffd"}]}
        assert (reply.usage, reply.finish_reason, reply.model) == ({"a\ufffd": 1}, "a\ufffd", "a\ufffd")
        assert msgspec.json.decode(msgspec.json.encode(reply)) == msgspec.to_builtins(reply)

    def test_an_answer_at_the_limit_is_taken_and_one_byte_more_is_too_large(self) -> None:
        room = TEXT_LIMIT - len(msgspec.json.encode({"role": "assistant", "content": ""}))
        assert _read({"content": "x" * room}).message["content"] == "x" * room
        error = _refused({"content": "x" * (room + 1)})
        assert (error.kind, error.transient) == ("too_large", False)
        assert str(TEXT_LIMIT + 1) in str(error)

    def test_only_counts_are_read_of_the_usage(self) -> None:
        usage = {"total_tokens": 3, "cost": 0.1, "details": {"cached": 1}, "cached": True, "lost": -1, "a": None, 5: 5}
        assert _read({}, usage).usage == {"total_tokens": 3}
        assert _read({}, {"huge": 2**70}).usage == {}

    @pytest.mark.parametrize("usage", [None, 3, "many", [("total_tokens", 3)], SimpleNamespace(total_tokens=3)])
    def test_usage_that_is_no_mapping_counts_nothing(self, usage: object) -> None:
        assert _read({}, usage).usage == {}

    def test_names_that_are_no_text_are_ignored_and_long_ones_cut(self) -> None:
        reply = _read({}, finish_reason=3, response_id="x" * 10_000, model=None)
        assert (reply.finish_reason, reply.model) == (None, "")
        assert reply.response_id is not None
        assert len(reply.response_id) == 200

    def test_the_clients_own_object_is_not_changed(self) -> None:
        message: Mapping[str, Any] = {"role": "user", "content": [{"type": "text", "text": "a"}], "tool_calls": None}
        kept = copy.deepcopy(message)
        _read(message)
        assert message == kept


class ByKeyword:
    """Takes the tools by keyword alone, as the clients of other packages do."""

    async def generate(
        self, messages: list[dict[str, Any]], *, tools: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> Any:
        return SimpleNamespace(message={"content": f"{len(messages)} messages, {len(tools or ())} tools"}, usage=None)


class ByPosition:
    """Takes nothing but messages and tools."""

    async def generate(self, messages: Any, tools: Any = None, **_: Any) -> Any:
        return await ByKeyword().generate(messages, tools=tools)


CLIENTS: list[LLMClient] = [ByKeyword(), ByPosition()]


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_needs_no_more_than_generate_with_tools_by_keyword(client: LLMClient) -> None:
    assert reply_of(await client.generate(ASK, tools=TOOLS)).message["content"] == "2 messages, 1 tools"
    assert (await LLMExecutor(client).run(ASK, TOOLS)).response == "2 messages, 1 tools"


def test_only_a_client_that_says_so_streams() -> None:
    class Silent:
        async def generate(self, messages: Any, tools: Any = None, **kwargs: Any) -> None: ...

        async def stream(self, messages: Any) -> None: ...

    assert streaming(Silent()) is None
    assert streaming(AsyncMock()) is None
    assert streaming(ScriptedLLM(streams=False)) is None
    assert streaming(OpenAIClient("m", api_key="k", stream=False)) is None

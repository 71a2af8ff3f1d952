"""The OpenAI client through the real SDK against a real server: what servers send, and how they fail."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent_runtime_framework.events import TEXT_LIMIT, ModelError
from agent_runtime_framework.runtime.models import ModelReply, OpenAIClient
from support.openai_server import OpenAIServer, server_process

ASK = [{"role": "user", "content": "I am Ada"}]
KEY = "live-0123456789abcdef"


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as served:
        yield served


@pytest.fixture
async def client(server: OpenAIServer) -> AsyncIterator[OpenAIClient]:
    async with contextlib.aclosing(OpenAIClient("m", base_url=server.url, api_key=KEY)) as made:
        yield made


def _keyless(url: str, **options: Any) -> OpenAIClient:
    return OpenAIClient("m", base_url=url, **options)


async def _streamed(client: OpenAIClient) -> tuple[ModelReply, list[str]]:
    heard: list[str] = []
    return await client.stream(ASK, on_delta=heard.append), heard


async def _failure(client: OpenAIClient, *, stream: bool = False) -> ModelError:
    with pytest.raises(ModelError) as raised:
        await (_streamed(client) if stream else client.generate(ASK))
    assert "\n" not in str(raised.value)
    return raised.value


def _deltas(*deltas: dict[str, Any], finish_reason: str | None = "stop") -> dict[str, Any]:
    chunks: list[Any] = [{"choices": [{"delta": delta}]} for delta in deltas]
    return {"chunks": [*chunks, {"choices": [{"delta": {}, "finish_reason": finish_reason}]}]}


def _piece(index: int | None, id_: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    piece = {"id": id_, "function": {"name": name, "arguments": arguments}}
    return piece if index is None else {"index": index, **piece}


def _calls(reply: ModelReply) -> list[tuple[str, str]]:
    return [(call["function"]["name"], call["function"]["arguments"]) for call in reply.message["tool_calls"]]


# --- what servers send


PIECES: dict[str, list[tuple[Any, ...]]] = {
    "as OpenAI does": [(0, "x", "a", ""), (0, None, None, "{}"), (1, "y", "b", '{"c":'), (1, None, "", "1}")],
    "no index": [(None, "x", "a", "{"), (None, None, None, "}"), (None, "y", "b", '{"c":1'), (None, None, None, "}")],
    "no index but ids": [(None, "x", "a", ""), (None, "y", "b", '{"c":'), (None, "x", "", "{}"), (None, "y", "", "1}")],
    "neither index nor id": [(None, None, "a", "{}"), (None, None, "b", '{"c":1}')],
    "every index 0": [(0, "x", "a", "{}"), (0, "y", "b", '{"c":'), (0, None, None, "1}")],
    "an id for each piece": [(0, "1", "a", "{"), (0, "2", None, "}"), (1, "3", "b", '{"c":1}')],
    "names repeated": [(0, "x", "a", "{"), (0, "x", "a", "}"), (1, "y", "b", '{"c":1}')],
    "arguments as an object": [(0, "x", "a", {}), (1, "y", "b", {"c": 1})],
}


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
async def test_calls_are_put_together_however_they_come(
    server: OpenAIServer, client: OpenAIClient, pieces: list[tuple[Any, ...]], *, together: bool
) -> None:
    listed = [_piece(*piece) for piece in pieces]
    deltas = [{"tool_calls": listed}] if together else [{"tool_calls": [piece]} for piece in listed]
    server.script.add(_deltas(*deltas, finish_reason="tool_calls"))
    reply, heard = await _streamed(client)
    assert _calls(reply) == [("a", "{}"), ("b", '{"c":1}')]
    assert reply.message["content"] is None
    assert heard == []


async def test_an_id_that_never_comes_is_left_out(server: OpenAIServer, client: OpenAIClient) -> None:
    server.script.add(_deltas({"tool_calls": [_piece(0, None, "a", "{}"), _piece(1, "x", "b", "{}")]}))
    reply, _ = await _streamed(client)
    assert [call.get("id") for call in reply.message["tool_calls"]] == [None, "x"]


async def test_content_in_parts_and_pieces_that_are_nonsense_are_read_for_their_text(
    server: OpenAIServer, client: OpenAIClient
) -> None:
    parts = {"content": [{"type": "text", "text": "He"}]}
    server.script.add(
        _deltas(parts, {"content": None, "tool_calls": "nonsense"}, {"content": "llo", "tool_calls": [3]})
    )
    reply, heard = await _streamed(client)
    assert (reply.message, heard) == ({"role": "assistant", "content": "Hello"}, ["He", "llo"])


async def test_a_character_that_is_cut_in_two_is_heard_whole(server: OpenAIServer, client: OpenAIClient) -> None:
    # json.dumps writes a lone surrogate as an escape, which is how servers send them
    pieces = [{"choices": [{"delta": {"content": text}}]} for text in ("a\ud83d", "\ude00b", "c\ud83d")]
    end = {"choices": [{"finish_reason": "stop"}]}
    server.script.add({"chunks": [f"data: {json.dumps(chunk)}\n\n" for chunk in (*pieces, end)]})
    reply, heard = await _streamed(client)
    assert heard == ["a", "😀b", "c", "\ufffd"]
    assert reply.message["content"] == "a😀bc\ufffd"


async def test_other_choices_comments_and_empty_chunks_are_passed_over(
    server: OpenAIServer, client: OpenAIClient
) -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "stop"}]}
    server.script.add({"chunks": [": wait\n\n", {}, other, {"choices": None}, *_deltas({"content": "yes"})["chunks"]]})
    reply, heard = await _streamed(client)
    assert (reply.message["content"], heard, reply.usage) == ("yes", ["yes"], {})


async def test_a_refusal_is_the_answer(server: OpenAIServer, client: OpenAIClient) -> None:
    whole = {"choices": [{"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}]}
    server.script.add(_deltas({"refusal": "I "}, {"refusal": "cannot."}), {"body": json.dumps(whole)})
    reply, heard = await _streamed(client)
    assert heard == ["I ", "cannot."]
    assert reply.message == (await client.generate(ASK)).message
    assert reply.message == {"role": "assistant", "content": "I cannot.", "refusal": "I cannot."}


async def test_a_whole_message_in_a_stream_is_taken(server: OpenAIServer, client: OpenAIClient) -> None:
    server.script.add({"chunks": [{"choices": [{"message": {"content": "Hello"}}]}], "done": False})
    reply, heard = await _streamed(client)
    assert (reply.message["content"], heard) == ("Hello", ["Hello"])


async def test_usage_may_come_at_any_time_or_never(server: OpenAIServer, client: OpenAIClient) -> None:
    early = [{"usage": {"total_tokens": 2}, "choices": [{"delta": {}, "finish_reason": "stop"}]}, {"choices": []}]
    server.script.add({"text": "Hi", "usage": None}, {"text": "Hi", "usage": None}, "Hi", {"chunks": early})
    assert (await _streamed(client))[0].usage == {}
    assert (await client.generate(ASK)).usage == {}
    assert (await _streamed(client))[0].usage == {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    assert (await _streamed(client))[0].usage == {"total_tokens": 2}


async def test_json_that_calls_itself_text_is_read(server: OpenAIServer, client: OpenAIClient) -> None:
    body = json.dumps({"choices": [{"message": {"content": "Hi"}}]})
    server.script.add({"body": body, "content_type": "text/plain"})
    assert (await client.generate(ASK)).message["content"] == "Hi"


async def test_words_are_heard_before_the_answer_ends(server: OpenAIServer, client: OpenAIClient) -> None:
    first = asyncio.Event()
    server.script.add({"text": "Hello there", "hold": "rest", "hold_after": 2})
    asking = asyncio.create_task(client.stream(ASK, on_delta=lambda _: first.set()))
    await asyncio.gather(first.wait(), server.holding("rest"))
    assert not asking.done()
    server.release("rest")
    assert (await asking).message["content"] == "Hello there"


# --- how they fail


def _body(body: str, content_type: str = "application/json") -> dict[str, Any]:
    return {"body": body, "content_type": content_type}


@pytest.mark.parametrize(
    ("stream", "entry", "said"),
    [
        (True, {"text": "Hi", "finish_reason": None}, "without a finish reason"),
        (True, _body("", "text/event-stream"), "no choices"),
        (True, {"chunks": ["data: {nonsense\n\n"]}, "not JSON"),
        (True, {"chunks": ["data: [3]\n\n"]}, "not an object"),
        (True, {"chunks": ["data: " + "[" * 100_000 + "\n\n"], "split": 9999}, "not JSON"),
        (True, {"chunks": [{"choices": []}]}, "no choices"),
        (True, _deltas({"content": 3}), "content is a int"),
        (True, _body("<html>Welcome</html>", "text/html"), "no choices"),
        (True, {"chunks": [{"error": {"message": "out of\norder"}}]}, "out of order"),
        (False, _body("<html>Welcome</html>", "text/html"), "not JSON"),
        (False, _body(""), "not JSON"),
        (False, _body("{nonsense"), "not JSON"),
        (False, _body("[" * 100_000), "not JSON"),
        (False, _body("[3]"), "not an object"),
        (False, _body("{}"), "no choices"),
        (False, _body('{"choices": []}'), "no choices"),
        (False, _body('{"choices": [{"message": null, "finish_reason": "stop"}]}'), "not a dict"),
        (False, _body('{"error": "out of order"}'), "out of order"),
    ],
)
async def test_a_200_that_makes_no_sense_is_worth_another_try(
    server: OpenAIServer, client: OpenAIClient, entry: dict[str, Any], said: str, *, stream: bool
) -> None:
    server.script.add(entry)
    error = await _failure(client, stream=stream)
    assert (error.kind, error.transient) == ("invalid_answer", True)
    assert said in str(error)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (400, "refused", False),
        (401, "refused", False),
        (403, "refused", False),
        (404, "refused", False),
        (408, "timeout", True),
        (409, "refused", True),
        (422, "refused", False),
        (429, "rate_limited", True),
        (500, "unreachable", True),
        (503, "unreachable", True),
    ],
)
async def test_a_status_says_whether_to_ask_again(
    server: OpenAIServer, client: OpenAIClient, status: int, kind: str, *, transient: bool, stream: bool
) -> None:
    server.script.add({"status": status, "error": {"message": "because"}})
    error = await _failure(client, stream=stream)
    assert (error.kind, error.transient, error.retry_after) == (kind, transient, None)
    assert f"'m' at 127.0.0.1:{server.port} answered {status}: because" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize("field", ["code", "type"])
async def test_a_quota_that_is_used_up_is_not_asked_again(
    server: OpenAIServer, client: OpenAIClient, field: str
) -> None:
    server.script.add({"status": 429, "headers": {"Retry-After": "3"}, "error": {field: "insufficient_quota"}})
    error = await _failure(client)
    assert (error.kind, error.transient, error.retry_after) == ("rate_limited", False, None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "7", "Retry-After-Ms": "250"}, 0.25),
        ({"Retry-After": "-7"}, 0.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 01 Jan 2020 00:00:30 GMT", "Date": "Wed, 01 Jan 2020 00:00:00 GMT"}, 30.0),
        ({"Retry-After": "Wed, 01 Jan 2020 00:00:30 GMT"}, 0.0),
        ({}, None),
    ],
)
async def test_the_server_says_how_long_to_wait(
    server: OpenAIServer, client: OpenAIClient, headers: dict[str, str], seconds: float | None
) -> None:
    server.script.add({"status": 429, "headers": headers})
    assert (await _failure(client)).retry_after == seconds


@pytest.mark.parametrize(
    ("error", "kind", "transient"),
    [
        ({"message": "x", "code": 502}, "unreachable", True),
        ({"message": "x", "code": "rate_limit_exceeded"}, "rate_limited", True),
        ({"message": "x", "type": "insufficient_quota"}, "rate_limited", False),
        ({"message": "x", "type": "invalid_request_error", "code": None}, "refused", False),
        ({"message": "x", "code": "odd"}, "invalid_answer", True),
    ],
)
async def test_an_error_under_a_200_counts_as_its_status(
    server: OpenAIServer, client: OpenAIClient, error: dict[str, Any], kind: str, *, transient: bool
) -> None:
    server.script.add({"body": json.dumps({"error": error})}, {"chunks": [{"error": error}]})
    for stream in (False, True):
        failure = await _failure(client, stream=stream)
        assert (failure.kind, failure.transient) == (kind, transient)


@pytest.mark.parametrize(("stream", "cut"), [(False, 0), (True, 0), (True, 2)])
async def test_a_connection_that_breaks_is_worth_another_try(
    server: OpenAIServer, client: OpenAIClient, cut: int, *, stream: bool
) -> None:
    server.script.add({"text": "Hello there, Ada", "cut": cut})
    error = await _failure(client, stream=stream)
    assert (error.kind, error.transient) == ("unreachable", True)


async def test_a_server_that_is_not_there_is_named(unused_tcp_port: int) -> None:
    async with contextlib.aclosing(_keyless(f"http://u:pw@127.0.0.1:{unused_tcp_port}")) as nobody:
        error = await _failure(nobody, stream=True)
    assert (error.kind, error.transient) == ("unreachable", True)
    assert f"127.0.0.1:{unused_tcp_port} cannot be reached: " in str(error)
    assert "pw" not in str(error)


@pytest.mark.parametrize("entry", [{"hold": "ever"}, {"text": "a b", "hold": "ever", "hold_after": 2}])
async def test_a_silence_is_a_timeout(server: OpenAIServer, entry: dict[str, Any]) -> None:
    server.script.add(entry)
    async with contextlib.aclosing(_keyless(server.url, timeout=0.1)) as hasty:
        error = await _failure(hasty, stream=True)
    assert (error.kind, error.transient) == ("timeout", True)


async def test_an_answer_that_grows_too_large_is_left_at_once(server: OpenAIServer, client: OpenAIClient) -> None:
    text = "x" * (TEXT_LIMIT // 2)
    endless = {"content": text}, {"tool_calls": [_piece(0, "x", "a", text)]}, {"content": "x"}
    server.script.add({**_deltas(*endless), "hold": "ever", "hold_after": 3, "split": 9999})
    error = await _failure(client, stream=True)
    assert (error.kind, error.transient) == ("too_large", False)
    await server.until(lambda served: served.hangups == 1)


async def test_an_answer_that_nobody_waits_for_any_more_is_left(server: OpenAIServer, client: OpenAIClient) -> None:
    server.script.add({"text": "a b", "hold": "ever", "hold_after": 2}, "Hi")
    asking = asyncio.create_task(_streamed(client))
    await server.holding("ever")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await server.until(lambda served: served.hangups == 1)
    assert (await client.generate(ASK)).message["content"] == "Hi"


async def test_a_server_that_does_not_stream_is_said_to_be_one(server: OpenAIServer, client: OpenAIClient) -> None:
    server.script.add({"body": "{}"})
    error = await _failure(client, stream=True)
    assert (error.kind, error.transient) == ("invalid_answer", False)
    assert "use OpenAIClient(stream=False)" in str(error)


@pytest.mark.parametrize("quoted", [f"Incorrect key: {KEY}", "Incorrect key: sk-li***cdef", f"Got Bearer {KEY[::-1]}"])
async def test_no_error_tells_a_key(server: OpenAIServer, client: OpenAIClient, quoted: str) -> None:
    server.script.add({"status": 401, "error": {"message": quoted}}, {"chunks": [{"error": {"message": quoted}}]})
    for stream in (False, True):
        error = await _failure(client, stream=stream)
        assert "[key]" in str(error)
        assert quoted[-4:] not in str(error)
        assert error.__cause__ is None
        assert error.__suppress_context__


# --- what they are sent


async def test_a_request_carries_the_parameters_and_those_of_the_call_win(server: OpenAIServer) -> None:
    server.script.add("one", "two")
    async with contextlib.aclosing(_keyless(server.url, temperature=0, top_k=5)) as tuned:
        await tuned.generate(ASK, model="other", temperature=1)
        await _streamed(tuned)
    first, second = (request["body"] for request in server.requests)
    assert first == {"model": "other", "messages": ASK, "temperature": 1, "top_k": 5}
    assert second["stream"] is True
    assert second["stream_options"] == {"include_usage": True}
    assert (second["model"], second["temperature"], second["top_k"]) == ("m", 0, 5)


async def test_the_key_is_sent_and_without_one_nothing(
    server: OpenAIServer, client: OpenAIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script.add("one", "two", "three")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with contextlib.aclosing(OpenAIClient("m")) as keyless:
        await keyless.generate(ASK)
        await _streamed(keyless)
    await client.generate(ASK)
    sent = [request["headers"].get("authorization") for request in server.requests]
    assert sent == [None, None, f"Bearer {KEY}"]


async def test_one_client_serves_one_loop_after_another(server: OpenAIServer) -> None:
    client = OpenAIClient("m", base_url=server.url, api_key=f"{KEY}\n")
    server.script.add("one", "two", "three")

    async def ask() -> str:
        async with contextlib.aclosing(client):
            return str((await client.generate(ASK)).message["content"])

    said = [await asyncio.to_thread(asyncio.run, ask()) for _ in range(2)]
    assert [*said, await ask()] == ["one", "two", "three"]


async def test_the_server_is_also_a_process_that_others_can_steer(tmp_path: Path) -> None:
    script: list[Any] = [
        {"when": {"messages": 2}, "text": "again"},
        {"when": {"last": "user"}, "times": 1, "hold": "a", "text": "Hi"},
    ]
    async with server_process(tmp_path, script) as server, contextlib.aclosing(_keyless(server.url)) as client:
        asking = asyncio.create_task(client.generate(ASK))
        await server.holding("a")
        assert [request["body"]["messages"] for request in await server.requests(wait=1)] == [ASK]
        assert (await client.generate([*ASK, *ASK])).message["content"] == "again"
        assert not asking.done()
        await server.release("a")
        assert (await asking).message["content"] == "Hi"
        assert "no answer for request 3" in str(await _failure(client))
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)

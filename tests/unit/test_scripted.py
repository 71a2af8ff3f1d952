"""The scripted model: it answers from its script, remembers what it was asked, and fails the test otherwise."""

import asyncio
import re
from typing import Any

import pytest

from agent_runtime_framework.events import ModelError
from agent_runtime_framework.runtime.models import ModelReply
from agent_runtime_framework.runtime.testing.scripted import ScriptedLLM, UnexpectedRequest, calls

ASK = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "I am Ada"}]


async def test_a_dict_is_the_raw_message_however_wrong() -> None:
    raw = {"role": "nobody", "tool_calls": [{"function": None}]}
    reply = await ScriptedLLM(raw).generate(ASK)
    assert reply.message == raw
    assert reply.message is not raw


async def test_a_reply_is_given_as_it_is() -> None:
    reply = ModelReply({"content": "Hi"}, {"total_tokens": 5}, "length", "id-1", "other")
    assert await ScriptedLLM(reply).generate(ASK) is reply


async def test_an_exception_is_raised() -> None:
    error = ModelError("slow", kind="rate_limited", transient=True)
    llm = ScriptedLLM(error, TimeoutError)
    with pytest.raises(ModelError) as raised:
        await llm.generate(ASK)
    assert raised.value is error
    with pytest.raises(TimeoutError):
        await llm.generate(ASK)


async def test_a_function_answers_what_it_makes_of_the_request() -> None:
    async def later(messages: list[dict[str, Any]], tools: Any) -> Any:
        return calls((tools[0], {"said": messages[-1]["content"]}))

    llm = ScriptedLLM(lambda messages, tools: messages[-1]["content"].upper(), later, lambda *_: KeyError("gone"))
    assert (await llm.generate(ASK)).message["content"] == "I AM ADA"
    reply = await llm.generate(ASK, tools=["echo"])  # type: ignore[list-item]
    assert reply.message["tool_calls"][0]["function"] == {"name": "echo", "arguments": '{"said": "I am Ada"}'}
    with pytest.raises(KeyError, match="gone"):
        await llm.generate(ASK)


async def test_a_function_that_returns_nonsense_is_named_with_its_request() -> None:
    with pytest.raises(TypeError, match="answer to request 1 is 3"):
        await ScriptedLLM(lambda *_: 3).generate(ASK)


def test_an_answer_that_is_none_is_refused_when_the_script_is_written() -> None:
    with pytest.raises(TypeError, match="3 is no answer"):
        ScriptedLLM("Hi", 3)  # type: ignore[arg-type]


async def test_requests_are_kept_as_they_were() -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "one"}]
    tools = [{"name": "a"}]
    llm = ScriptedLLM("Hi", "Ho")
    await llm.generate(messages, tools=tools, temperature=0)
    messages.append({"role": "user", "content": "two"})
    tools.clear()
    await llm.stream(messages, on_delta=lambda _: None)
    first, second = llm.requests
    assert (first.messages, first.tools, first.kwargs) == (messages[:1], [{"name": "a"}], {"temperature": 0})
    assert (second.messages, second.tools, second.kwargs) == (messages, None, {})


async def test_usage_counts_words_and_calls() -> None:
    llm = ScriptedLLM("Hello there, Ada!", calls(("a", {}), ("b", {}), text="One moment"))
    assert (await llm.generate(ASK)).usage == {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    assert (await llm.generate(ASK)).usage == {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}


async def test_others_run_between_the_words_of_a_stream() -> None:
    heard: list[str] = []

    async def note() -> None:
        heard.append("|")

    def listen(text: str) -> None:
        heard.append(text)
        tasks.append(asyncio.ensure_future(note()))

    tasks: list[asyncio.Future[None]] = []
    await ScriptedLLM("a b c").stream(ASK, on_delta=listen)
    await asyncio.gather(*tasks)
    assert heard == ["a ", "|", "b ", "|", "c", "|"]


async def test_a_surplus_request_fails_where_it_is_made_and_again_at_the_end() -> None:
    llm = ScriptedLLM("Hi")
    await llm.generate(ASK)
    said = re.escape("asked 2 times, the script has 1 answers; request 2 ended with {'role': 'user'")
    with pytest.raises(UnexpectedRequest, match=said) as raised:
        await llm.generate(ASK)
    assert isinstance(raised.value, AssertionError)
    with pytest.raises(UnexpectedRequest, match=said):
        llm.assert_done()


async def test_answers_that_nobody_asked_for_fail_at_the_end() -> None:
    said = r"asked 1 times; 2 of the script's 3 answers .* the first is 'two'"
    with pytest.raises(AssertionError, match=said), ScriptedLLM("one", "two", "three") as llm:
        await llm.generate(ASK)


async def test_a_script_that_was_used_up_is_done() -> None:
    with ScriptedLLM("one") as llm:
        await llm.generate(ASK)
    llm.assert_done()


def test_a_test_that_failed_keeps_its_own_error() -> None:
    with pytest.raises(KeyError, match="its own"), ScriptedLLM("one"):
        raise KeyError("its own")


async def test_requests_at_the_same_time_each_get_one_answer() -> None:
    with ScriptedLLM(*map(str, range(20))) as llm:
        replies = await asyncio.gather(*(llm.stream(ASK, on_delta=lambda _: None) for _ in range(20)))
    assert sorted(int(reply.message["content"]) for reply in replies) == list(range(20))

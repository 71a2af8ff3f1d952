"""LLMExecutor: the loop on its own, by each sentence of its contract."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from agent_runtime_framework import (
    AgentMessage,
    CallableToolExecutor,
    CompositeHooks,
    ExecutionResult,
    ExecutorHooks,
    LLMExecutor,
    LLMExecutorConfig,
    ModelReply,
    ToolSchemaBuilder,
)
from agent_runtime_framework.events import ModelError, NoReply
from agent_runtime_framework.runtime.config import FrameworkConfig, get_config, set_config
from agent_runtime_framework.testing import ScriptedLLM, calls

ADD = ToolSchemaBuilder("add").param("a", "integer").param("b", "integer").build()
SUM = calls(("add", {"a": 1, "b": 2}))
TOOLS = CallableToolExecutor({"add": lambda a, b: a + b, "fail": lambda: 1 / 0})
ASKED = [{"role": "user", "content": "1 + 2?"}]


@pytest.fixture
def _debug() -> Iterator[None]:
    before = get_config()
    set_config(FrameworkConfig(debug=True, swallow_tool_exceptions=False))
    yield
    set_config(before)


async def test_tools_run_until_the_model_answers_in_words() -> None:
    given = [{"role": "assistant", "content": "Ask me."}, *ASKED]
    with ScriptedLLM(SUM, "It is 3.") as llm:
        result = await LLMExecutor(llm, TOOLS).run(given, [ADD], "Be exact.")

    assert (result.response, result.stopped_reason, result.tool_calls_made) == ("It is 3.", "text_response", 1)
    assert [message["role"] for message in result.messages] == ["assistant", "user", "assistant", "tool", "assistant"]
    assert [message["role"] for message in llm.requests[0].messages] == ["system", "assistant", "user"]
    assert llm.requests[1].messages[-1]["content"] == "3"
    assert llm.requests[0].tools == [ADD.to_openai_format()]
    assert result.usage["total_tokens"] > 0
    assert given == [{"role": "assistant", "content": "Ask me."}, {"role": "user", "content": "1 + 2?"}]


async def test_messages_that_do_not_end_with_words_of_the_user_are_sent_as_they_are() -> None:
    call = {"id": "x", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    given: list[dict[str, Any]] = [
        {"role": "user", "name": "ada", "content": "1 + 2?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "x", "content": "3"},
    ]
    with ScriptedLLM("It is 3.") as llm:
        await LLMExecutor(llm).run(given)

    assert llm.requests[0].messages == given


async def test_a_terminal_tool_ends_the_run_with_its_text_if_it_succeeds() -> None:
    config = LLMExecutorConfig(terminal_tools={"add", "fail"})
    with ScriptedLLM(SUM) as llm:
        done = await LLMExecutor(llm, TOOLS, config).run(ASKED, [ADD])
    with ScriptedLLM(calls(("fail", {})), "Sorry.") as llm:
        failed = await LLMExecutor(llm, TOOLS, config).run(ASKED, [ADD])

    assert (done.response, done.stopped_reason) == ("3", "terminal_tool:add")
    assert (failed.response, failed.stopped_reason) == ("Sorry.", "text_response")


async def test_the_last_iteration_ends_the_run() -> None:
    with ScriptedLLM(SUM, SUM) as llm:
        result = await LLMExecutor(llm, TOOLS, LLMExecutorConfig(max_iterations=2)).run(ASKED, [ADD])

    assert (result.response, result.stopped_reason, result.tool_calls_made) == ("3", "max_iterations", 2)


async def test_words_join_the_history_and_the_loop_goes_on_where_wanted() -> None:
    with ScriptedLLM("Let me think.", SUM) as llm:
        config = LLMExecutorConfig(stop_on_text=False, terminal_tools={"add"})
        result = await LLMExecutor(llm, TOOLS, config).run(ASKED, [ADD])

    assert result.response == "3"
    assert llm.requests[1].messages[-1] == {"role": "assistant", "content": "Let me think."}


async def test_a_tool_call_is_required_where_there_are_tools() -> None:
    config = LLMExecutorConfig(require_tool_call=True)
    with ScriptedLLM("Well.", "Well.") as llm:
        await LLMExecutor(llm, TOOLS, config).run(ASKED, [ADD])
        await LLMExecutor(llm, TOOLS, config).run(ASKED)

    assert [request.kwargs for request in llm.requests] == [{"tool_choice": "required"}, {}]


async def test_any_tool_that_the_executor_knows_runs_and_another_is_said_to_be_unknown() -> None:
    with ScriptedLLM(calls(("add", {"a": 1, "b": 1}), ("drop", {})), "Hm.") as llm:
        result = await LLMExecutor(llm, TOOLS).run(ASKED)

    assert [message["content"] for message in result.messages if message["role"] == "tool"] == [
        "2",
        "Error: Unknown tool 'drop'",
    ]


async def test_without_a_tool_executor_the_model_is_told_so() -> None:
    with ScriptedLLM(SUM, "Hm.") as llm:
        result = await LLMExecutor(llm).run(ASKED, [ADD])

    assert result.messages[2]["content"] == "Error: No tool executor configured for 'add'"


async def test_in_production_a_tools_error_is_told_to_the_model() -> None:
    with ScriptedLLM(calls(("fail", {})), "Sorry.") as llm:
        result = await LLMExecutor(llm, TOOLS).run(ASKED)

    assert result.messages[2]["content"] == "Error executing fail: division by zero"


@pytest.mark.usefixtures("_debug")
async def test_in_debug_a_tools_own_error_reaches_the_caller() -> None:
    with ScriptedLLM(calls(("fail", {}))) as llm, pytest.raises(ZeroDivisionError) as raised:
        await LLMExecutor(llm, TOOLS).run(ASKED)

    assert "1 / 0" in str(raised.traceback[-1].statement)


async def test_a_model_that_fails_for_good_is_no_reply_with_its_cause() -> None:
    wrong = ModelError("the key is wrong", kind="refused", transient=False)
    with pytest.raises(NoReply, match="the key is wrong") as raised:
        await LLMExecutor(ScriptedLLM(wrong)).run(ASKED)

    assert raised.value.__cause__ is wrong


class Watching(ExecutorHooks):
    """Notes what it sees, and may raise at one point."""

    def __init__(self, raising: str = "") -> None:
        self.seen: list[Any] = []
        self.raising = raising

    def _note(self, what: str, *details: Any) -> None:
        self.seen.append((what, *details))
        if what == self.raising:
            raise RuntimeError(what)

    async def on_iteration_start(self, iteration: int) -> None:
        self._note("iteration", iteration)

    async def on_llm_call(self, messages: Any, tools: Any) -> None:
        self._note("llm", len(messages))

    async def on_tool_calls(self, tool_calls: Any) -> None:
        self._note("calls", len(tool_calls))

    async def on_tool_start(self, name: str, arguments: Any) -> None:
        self._note("start", name, arguments)

    async def on_tool_end(self, name: str, result: str) -> None:
        self._note("end", name, result)

    async def on_complete(self, response: str, stopped_reason: str) -> None:
        self._note("complete", response, stopped_reason)


SEEN = [
    ("iteration", 1),
    ("llm", 1),
    ("calls", 1),
    ("start", "add", {"a": 1, "b": 2}),
    ("end", "add", "3"),
    ("iteration", 2),
    ("llm", 3),
    ("complete", "It is 3.", "text_response"),
]


async def test_hooks_see_each_point_in_order() -> None:
    hooks = Watching()
    with ScriptedLLM(SUM, "It is 3.") as llm:
        await LLMExecutor(llm, TOOLS, hooks=hooks).run(ASKED, [ADD])

    assert hooks.seen == SEEN


@pytest.mark.parametrize("point", ["iteration", "llm", "calls", "start", "end", "complete"])
async def test_a_hook_that_raises_breaks_nothing_in_production(point: str) -> None:
    raising, other = Watching(point), Watching()
    with ScriptedLLM(SUM, "It is 3.") as llm:
        result = await LLMExecutor(llm, TOOLS, hooks=CompositeHooks([raising]).add(other)).run(ASKED, [ADD])

    assert result.response == "It is 3."
    assert other.seen == raising.seen == SEEN


# --- what it is given and gives -----------------------------------------------------------------------------------


def test_configuration_and_result_have_their_fields_in_the_order_of_the_contract() -> None:
    config = LLMExecutorConfig(3, {"add"}, True, False)
    assert config == LLMExecutorConfig(
        max_iterations=3, terminal_tools={"add"}, require_tool_call=True, stop_on_text=False
    )
    assert LLMExecutorConfig() == LLMExecutorConfig(10, set(), False, True)
    assert ExecutionResult("Hi.") == ExecutionResult("Hi.", [], 0, "text_response", {})
    LLMExecutorConfig().terminal_tools.add("add")
    assert LLMExecutorConfig().terminal_tools == set()


def test_it_keeps_what_it_is_given_under_the_names_of_its_parameters() -> None:
    llm, hooks, config = ScriptedLLM(), ExecutorHooks(), LLMExecutorConfig()
    executor = LLMExecutor(llm, TOOLS, config, hooks)

    assert (executor.llm_client, executor.tool_executor, executor.config, executor.hooks) == (llm, TOOLS, config, hooks)
    assert LLMExecutor(llm).config == LLMExecutorConfig()


async def test_messages_may_be_agent_messages_and_tools_may_be_in_openai_form() -> None:
    with ScriptedLLM("Hi.") as llm:
        result = await LLMExecutor(llm).run(
            [AgentMessage("user", "1 + 2?", metadata={"a": 1})], [ADD.to_openai_format()]
        )

    assert llm.requests[0].messages == ASKED
    assert llm.requests[0].tools == [ADD.to_openai_format()]
    assert result.messages == [*ASKED, {"role": "assistant", "content": "Hi."}]


async def test_nothing_is_a_conversation_too() -> None:
    with ScriptedLLM("Welcome.") as llm:
        result = await LLMExecutor(llm).run([], system_prompt="Greet.")

    assert llm.requests[0].messages == [{"role": "system", "content": "Greet."}]
    assert result.messages == [{"role": "assistant", "content": "Welcome."}]


async def test_parts_of_a_message_reach_the_model_as_they_are() -> None:
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "data:image/png,"}}]
    with ScriptedLLM("A cat.") as llm:
        await LLMExecutor(llm).run([{"role": "user", "content": parts}])

    assert llm.requests[0].messages == [{"role": "user", "content": parts}]


async def test_the_last_words_are_the_response_where_words_do_not_end_the_run() -> None:
    with ScriptedLLM("One.", "Two.") as llm:
        config = LLMExecutorConfig(max_iterations=2, stop_on_text=False)
        result = await LLMExecutor(llm, TOOLS, config).run(ASKED)

    assert (result.response, result.stopped_reason, result.tool_calls_made) == ("Two.", "max_iterations", 0)


async def test_usage_is_the_sum_and_calls_are_counted_over_all_answers() -> None:
    with ScriptedLLM(SUM, calls(("add", {"a": 1, "b": 1}), ("add", {"a": 2, "b": 2})), "Done.") as llm:
        result = await LLMExecutor(llm, TOOLS).run(ASKED)

    # a word of the request and one for each result before it; a word of the answer and one for each of its calls
    assert result.usage == {"prompt_tokens": 3 + 4 + 6, "completion_tokens": 1 + 2 + 1, "total_tokens": 17}
    assert result.tool_calls_made == 3


async def test_one_executor_serves_many_runs_at_once() -> None:
    executor = LLMExecutor(ScriptedLLM(*[lambda messages, tools: str(messages[-1]["content"])] * 20))
    results = await asyncio.gather(*(executor.run([{"role": "user", "content": f"{n}"}]) for n in range(20)))

    assert [result.response for result in results] == [str(n) for n in range(20)]


@pytest.mark.usefixtures("_debug")
async def test_in_debug_the_tools_after_one_that_raised_do_not_run() -> None:
    ran: list[str] = []
    tools = CallableToolExecutor({"fail": lambda: 1 / 0, "note": lambda: ran.append("note")})
    with ScriptedLLM(calls(("fail", {}), ("note", {}))) as llm, pytest.raises(ZeroDivisionError):
        await LLMExecutor(llm, tools).run(ASKED)

    assert ran == []


async def test_the_name_of_who_spoke_last_reaches_the_model() -> None:
    said = [{"role": "user", "name": "ada", "content": "1 + 2?"}]
    with ScriptedLLM("3.") as llm:
        await LLMExecutor(llm).run(said)

    assert llm.requests[0].messages == said


async def test_a_client_that_changes_what_is_in_a_message_does_not_change_the_callers() -> None:
    class Greedy:
        async def generate(self, messages: Any, tools: Any = None) -> Any:
            messages[0]["content"][0]["text"] = "changed"
            messages[1]["tool_calls"].clear()
            return ModelReply({"content": "Hi."}, {})

    call = {"id": "x", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    given: list[Any] = [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "x", "content": "3"},
    ]
    client: Any = Greedy()
    await LLMExecutor(client).run(given)

    assert given[0]["content"] == [{"type": "text", "text": "hi"}]
    assert given[1]["tool_calls"] == [call]

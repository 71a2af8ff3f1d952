"""The one loop: whatever runs a conversation asks a model, answers its calls and counts alike."""

from typing import Any, ClassVar

from agent_runtime_framework import (
    AgentContext,
    DjangoRuntimeAdapter,
    JourneyAgent,
    LLMExecutor,
    MethodToolExecutor,
    ToolSchema,
    ToolSchemaBuilder,
)
from agent_runtime_framework.testing import ScriptedLLM
from support.django_runs import Run
from support.journeys import Order, OrderTools, Step, working

CTX = AgentContext("r-1", "c-1", [{"role": "user", "content": "I am Ada"}])
SCHEMA = ToolSchemaBuilder("save_name").param("name", "string", "The name", required=True).build()
SCRIPT: tuple[Any, ...] = (
    {"tool_calls": [{"name": "save_name", "arguments": "{nonsense"}, {"name": "save_name", "arguments": {}}]},
    {"tool_calls": [{"id": "x", "name": "save_name", "arguments": {"name": "Ada"}}, {"id": "x", "name": None}]},
    "Hello Ada.",
)
PROMPT = "Ask for the name."


class OneStepTools(OrderTools):
    async def save_name(self, name: str) -> str:
        self.state.name = name
        return f"Saved {name}."


class OneStep(JourneyAgent[Order, OneStepTools, Step]):
    key = "one"
    prompts: ClassVar = dict.fromkeys(Step, PROMPT)

    def get_tool_schemas(self, state: Order) -> list[ToolSchema]:
        return [SCHEMA]


class OneStepAdapter(DjangoRuntimeAdapter[Order, OneStepTools, Step]):
    key = "one"
    prompts: ClassVar = dict.fromkeys(Step, PROMPT)

    def get_tool_schemas(self, state: Order) -> list[ToolSchema]:
        return [SCHEMA]


async def by_agent(llm: ScriptedLLM) -> tuple[str, list[dict[str, Any]], Any]:
    result = await OneStep(llm).run(CTX)
    return result.response, [message.to_dict() for message in result.messages], result.usage


async def by_executor(llm: ScriptedLLM) -> tuple[str, list[dict[str, Any]], Any]:
    executor = LLMExecutor(llm, MethodToolExecutor(OneStepTools(Order())))
    result = await executor.run(CTX.input_messages, [SCHEMA], PROMPT)
    return result.response, result.messages[1:], result.usage


async def by_adapter(llm: ScriptedLLM) -> tuple[str, list[dict[str, Any]], Any]:
    result = await OneStepAdapter(llm).run(Run("I am Ada", conversation=None))
    return result.final_output["response"], result.final_messages, result.usage


async def by_worker(llm: ScriptedLLM) -> tuple[str, list[dict[str, Any]], Any]:
    async with working(OneStep(llm)) as rt:
        reply = await rt.send("one", "c-1", "I am Ada", timeout=10)
        ended = (await rt.conversation("c-1")).ended
    assert ended is not None
    return reply.text, [*llm.requests[-1].messages[2:], {"role": "assistant", "content": reply.text}], dict(ended.usage)


async def test_all_ways_to_run_take_one_loop_that_asks_answers_and_counts_alike() -> None:
    seen = []
    for way in (by_agent, by_executor, by_adapter, by_worker):
        with ScriptedLLM(*SCRIPT) as llm:
            text, messages, usage = await way(llm)
        made = [{key: value for key, value in message.items() if value is not None} for message in messages]
        seen.append((way.__name__, text, made, usage, [(one.messages, one.tools, one.kwargs) for one in llm.requests]))

    first = seen[0][1:]
    assert [name for name, *rest in seen if tuple(rest) != first] == []
    told = [message["content"] for message in seen[0][2] if message["role"] == "tool"]
    assert len(told) == 4
    assert told[2] == "Saved Ada."

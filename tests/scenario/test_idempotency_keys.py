"""The key that a tool is given: the same for each attempt of one call, and of no other call."""

from typing import Any

import pytest

from agent_runtime_framework import AgentContext, NoReply
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.django_runs import BookingAgent, BookingTools, Run
from support.journeys import OrderTools, order_agent, working

NAMED = calls(("save_name", {"name": "Ada"}))


class Telling(OrderTools):
    keys: list[str | None]

    async def add(self, line: str) -> str:
        self.keys.append(self.idempotency_key)
        return "Added."


def telling() -> tuple[type[Telling], list[str | None]]:
    keys: list[str | None] = []
    return type("Told", (Telling,), {"keys": keys}), keys


async def keys_of(*texts: tuple[str, Any], conversation: str = "c-1") -> list[str | None]:
    """Return the keys of the calls that runs without a server make, each a run id and what the model calls."""
    tools, keys = telling()
    for run_id, added in texts:
        with ScriptedLLM(NAMED, added, "Done.") as llm:
            await order_agent(llm, tools=tools).run(
                AgentContext(run_id, conversation, [{"role": "user", "content": "hi"}])
            )
    return keys


TEA, JAM = calls(("add", {"line": "tea"})), calls(("add", {"line": "jam"}))


async def test_the_same_call_of_two_messages_has_two_keys_without_a_server_too() -> None:
    first, second = await keys_of(("r-1", TEA), ("r-2", TEA))

    assert first != second


async def test_a_run_that_is_tried_again_has_the_key_of_each_call_again_wherever_it_stands() -> None:
    both, again = calls(("add", {"line": "tea"}), ("add", {"line": "jam"})), JAM
    tea, jam, retried = await keys_of(("r-1", both), ("r-1", again))

    assert retried == jam != tea


async def test_a_call_that_is_made_twice_in_one_run_has_two_keys() -> None:
    first, second = await keys_of(("r-1", calls(("add", {"line": "tea"}), ("add", {"line": "tea"}))))

    assert first != second


async def test_two_conversations_share_no_key() -> None:
    assert await keys_of(("r-1", TEA)) != await keys_of(("r-1", TEA), conversation="c-2")


async def test_in_a_worker_the_key_is_where_the_call_stands_in_the_log() -> None:
    tools, keys = telling()
    with ScriptedLLM(NAMED, TEA, "Done.", TEA, "Done.") as llm:
        async with working(order_agent(llm, tools=tools)) as rt:
            await rt.send("order", "c-1", "tea")
            await rt.send("order", "c-1", "tea again")

    assert keys == ["c-1@11.0", "c-1@21.0"]


async def test_a_run_inside_another_runtime_that_is_tried_again_has_its_keys_again() -> None:
    keys: list[str | None] = []

    class Told(BookingAgent):
        async def execute_tool(self, tools: BookingTools, name: str, args: dict[str, Any]) -> str:
            keys.append(tools.idempotency_key)
            return await super().execute_tool(tools, name, args)

    failing = Told(ScriptedLLM(NAMED, ValueError("no model")))
    with pytest.raises(NoReply):
        await failing.run(Run("Ada", run="r-1"))
    await Told(ScriptedLLM(NAMED, "Hello.")).run(Run("Ada", run="r-1"))
    await Told(ScriptedLLM(NAMED, "Hello.")).run(Run("Ada", run="r-2"))

    assert keys[0] == keys[1] != keys[2]


async def test_ids_that_read_alike_when_they_stand_together_share_no_key() -> None:
    assert await keys_of(("b/c", TEA), conversation="a") != await keys_of(("c", TEA), conversation="a/b")

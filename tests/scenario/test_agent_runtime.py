"""The fixture `agent_runtime`: agents at work in a test, on a real server or in memory; what ends them is heard."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from agent_runtime_framework import InvalidInput, NotFound, Runtime
from agent_runtime_framework.runtime.agents import JourneyAgent
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.leases import Lease, MemoryLeases
from agent_runtime_framework.runtime.substrate import in_memory
from agent_runtime_framework.runtime.testing.working import at_work
from agent_runtime_framework.testing import AgentsAtWork, ScriptedLLM, calls
from support.journeys import order_agent

NAMED = calls(("save_name", {"name": "Ada"}))


class Lapsing(MemoryLeases):
    """Leases that cannot be renewed once `gone` is set."""

    def __init__(self) -> None:
        super().__init__(SystemClock(), ttl=0.1)
        self.gone = False

    async def renew(self, lease: Lease) -> bool:
        if self.gone:
            raise ZeroDivisionError("the leases are gone")
        return await super().renew(lease)


def over(leases: MemoryLeases, agent: JourneyAgent[Any, Any, Any]) -> Runtime:
    """Return a runtime over these leases."""
    there = in_memory(SystemClock())
    return Runtime([agent], substrate=replace(there, leases=leases))


@pytest.mark.parametrize("memory", [False, True])
async def test_one_runtime_goes_on_where_another_left(agent_runtime: AgentsAtWork, *, memory: bool) -> None:
    with ScriptedLLM("Who are you?", NAMED, "Hello, Ada!") as llm:
        async with agent_runtime(order_agent(llm), memory=memory) as rt:
            asked = await rt.send("order", "c-1", "hi")
        async with agent_runtime(order_agent(llm), memory=memory) as rt:
            answered = await rt.send("order", "c-1", "Ada")

    assert (asked.text, answered.text, answered.turn, answered.state["name"]) == (
        "Who are you?",
        "Hello, Ada!",
        2,
        "Ada",
    )


@pytest.mark.parametrize("time", ["first", "second"])
async def test_each_test_begins_with_nothing(agent_runtime: AgentsAtWork, time: str) -> None:
    with ScriptedLLM("Hello.") as llm:
        async with agent_runtime(order_agent(llm)) as rt:
            with pytest.raises(NotFound):
                await rt.state("c-1")
            assert (await rt.send("order", "c-1", "hi")).turn == 1


async def test_options_are_those_of_a_runtime(agent_runtime: AgentsAtWork, nats_url: str) -> None:
    substrate = in_memory(SystemClock())
    with ScriptedLLM("Hello.", "Hello again.") as llm:
        async with agent_runtime(order_agent(llm), substrate=substrate, grace=1.0) as rt:
            await rt.send("order", "c-1", "hi")
            assert rt.substrate is substrate
        async with agent_runtime(order_agent(llm), nats=nats_url, namespace="of-my-own") as rt:
            await rt.send("order", "c-1", "hi")
        async with agent_runtime(order_agent(llm), namespace="of-my-own") as rt:
            assert (await rt.conversation("c-1")).agent == "order"


async def test_an_agent_that_cannot_work_is_an_error_at_the_start(agent_runtime: AgentsAtWork) -> None:
    with pytest.raises(InvalidInput, match="at least one agent"):
        async with agent_runtime(memory=True):
            pytest.fail("nobody is there to work")


async def test_what_ends_the_worker_ends_the_block() -> None:
    leases = Lapsing()
    with pytest.raises(ZeroDivisionError, match="the leases are gone"):
        async with at_work(over(leases, order_agent(ScriptedLLM()))):
            leases.gone = True
            await asyncio.Event().wait()

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_ends_the_worker_is_raised_even_where_the_block_takes_no_cancelling() -> None:
    leases = Lapsing()
    with pytest.raises(ZeroDivisionError, match="the leases are gone"):
        async with at_work(over(leases, order_agent(ScriptedLLM()))):
            leases.gone = True
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise AssertionError("no reply") from None


async def test_who_cancels_the_block_cancels_it() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), at_work(over(Lapsing(), order_agent(ScriptedLLM()))):
            await asyncio.Event().wait()


async def test_what_the_block_raises_is_raised() -> None:
    with pytest.raises(KeyError):
        async with at_work(over(Lapsing(), order_agent(ScriptedLLM()))):
            raise KeyError("of the test")

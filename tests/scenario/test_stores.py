"""Stores of a runtime: what is kept in them is there for whoever opens the same place again."""

import pytest

from agent_runtime_framework import AgentContext, ConversationStore, InvalidInput, MemoryManager, Runtime, StateStore
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import Order, OrderAgent, working


async def test_what_one_runtime_keeps_another_finds(substrate: Substrate) -> None:
    async with Runtime(substrate=substrate) as rt:
        manager = MemoryManager(StateStore(rt.store()), ConversationStore(rt.store("talks")))
        await manager.save_state("c-1", "order", {"step": "name"})
        await manager.save_messages("c-1", [{"role": "user", "content": "hi"}])
    async with Runtime(substrate=substrate) as rt:
        manager = MemoryManager(StateStore(rt.store()), ConversationStore(rt.store("talks")))
        context = await manager.load_context("c-1", "order")

    assert (context.state, context.get_message_dicts()) == ({"step": "name"}, [{"role": "user", "content": "hi"}])


async def test_stores_of_other_names_share_nothing(substrate: Substrate) -> None:
    async with Runtime(substrate=substrate) as rt:
        for name in ("", "one", "two"):
            await rt.store(name).set("key", name)

        assert [await rt.store(name).get("key") for name in ("", "one", "two")] == ["", "one", "two"]


async def test_a_name_that_is_no_token_is_refused(substrate: Substrate) -> None:
    async with Runtime(substrate=substrate) as rt:
        with pytest.raises(InvalidInput, match=r"store 'a\.b' is not valid"):
            rt.store("a.b")


async def test_an_agent_keeps_its_state_elsewhere_too_and_begins_other_conversations_with_it(
    substrate: Substrate,
) -> None:
    class Keeping(OrderAgent):
        states: StateStore

        async def load_state(self, ctx: AgentContext) -> Order | None:
            kept = await self.states.load_state(ctx.metadata["user"], self.key)
            return None if kept is None else Order.from_dict(kept)

        async def save_state(self, ctx: AgentContext, state: Order) -> None:
            await self.states.save_state(ctx.metadata["user"], self.key, state)

    with ScriptedLLM(calls(("save_name", {"name": "Ada"})), "Hello Ada.", "Welcome back, Ada.") as llm:
        agent = Keeping(llm)
        async with working(agent, substrate=substrate) as rt:
            agent.states = StateStore(rt.store())
            await rt.send("order", "c-1", "I am Ada", {"user": "u-7"})
        async with working(agent, substrate=substrate) as rt:
            agent.states = StateStore(rt.store())
            reply = await rt.send("order", "c-2", "hi", {"user": "u-7"})

    assert (reply.text, reply.state["name"], reply.state["step"]) == ("Welcome back, Ada.", "Ada", "order")

"""Whoever says something knows the conversation from before, and hears what he would find by reading all of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent_runtime_framework import Client, NoReply, Refused, Reply, Runtime
from agent_runtime_framework.actors import SayToAgent
from agent_runtime_framework.events import START, ConversationId, Head, MemoryLog, Stored
from agent_runtime_framework.runtime import saying as saying_module
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.follower import Follower
from agent_runtime_framework.runtime.saying import Saying
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import order_agent, working

NAMED = calls(("save_name", {"name": "Ada"}))


class Counted(MemoryLog):
    """Counts how often it is read from a head."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[Head] = []
        self.lasts_asked = 0

    def read(self, conversation: ConversationId, after: Head = START) -> AsyncIterator[Stored]:
        self.reads.append(after)
        return super().read(conversation, after)

    async def last(self, conversation: ConversationId) -> Stored | None:
        self.lasts_asked += 1
        return await super().last(conversation)


async def test_the_second_message_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Counted()
    substrate = replace(in_memory(SystemClock()), log=log)
    with ScriptedLLM("Hello!", NAMED, "Hello, Ada!") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi")
            log.reads.clear()
            log.lasts_asked = 0
            reply = await rt.send("order", "c-1", "I am Ada")

    assert (reply.text, reply.state["name"]) == ("Hello, Ada!", "Ada")
    assert (log.reads, log.lasts_asked) == ([], 0)


Does = st.sampled_from(["known", "other", "again", "fails", "elsewhere"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(Does, min_size=1, max_size=8))
def test_what_is_heard_is_what_reading_all_finds(does: list[str]) -> None:
    asyncio.run(heard_is_read(does))


async def heard_is_read(does: list[str]) -> None:
    substrate, outcomes = in_memory(SystemClock()), dict[str, Any]()
    answers = [RuntimeError("no") if each == "fails" else f"answer {number}" for number, each in enumerate(does)]
    told = [each for each, doing in zip(answers, does, strict=True) if doing != "again"]
    with ScriptedLLM(*told) as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            for number, doing in enumerate(does):
                said = list(outcomes)
                id_ = said[number % len(said)] if doing == "again" and said else f"m-{number}"
                if doing == "again" and not said:
                    continue
                client: Client = Client(substrate) if doing == "other" else rt
                outcome = await outcome_of(client, id_)
                assert outcomes.setdefault(id_, outcome) == outcome
                await check_known(rt)
            for id_, outcome in outcomes.items():
                assert await outcome_of(Client(substrate), id_) == outcome


async def outcome_of(client: Client, id_: str) -> Reply | str:
    try:
        return await client.send("order", "c-1", f"this is {id_}", message_id=id_)
    except (NoReply, Refused) as error:
        return str(error)


async def check_known(rt: Runtime) -> None:
    for conversation, known in rt._saying._known.items():
        assert known.conversation == await rt.conversation(conversation, known.head.version)


async def test_a_conversation_that_was_erased_meanwhile_refuses() -> None:
    substrate = in_memory(SystemClock())
    with ScriptedLLM("Hello!") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi")
            await Client(substrate).erase("c-1", "asked to")

            with pytest.raises(Refused, match="was erased"):
                await rt.send("order", "c-1", "hi again")


async def test_a_place_that_was_made_anew_is_read_from_its_start() -> None:
    before = in_memory(SystemClock())
    with ScriptedLLM("Hello!", NAMED, "Hello, Ada!") as llm:
        async with working(order_agent(llm), substrate=before) as rt:
            await rt.send("order", "c-1", "hi")
            await rt.send("order", "c-1", "I am Ada")
            known = rt._saying._known[ConversationId("c-1")]
    now = in_memory(SystemClock())
    saying = Saying(now, Follower(now.log, now.live, silence=0.1))
    saying._remember(known)
    with ScriptedLLM("Welcome!") as llm:
        async with working(order_agent(llm), substrate=now):
            say = SayToAgent(id="m-9", agent="order", text="hi")
            async with asyncio.timeout(10):
                reply = await saying.reply(await saying.known(known.conversation.id, say), say, lambda _: None)

    assert (reply.text, reply.turn) == ("Welcome!", 1)


async def test_only_so_many_conversations_and_bytes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saying_module, "REMEMBERED", 2)
    substrate = in_memory(SystemClock())
    with ScriptedLLM(*["Hello!"] * 5) as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            for chat in ("c-1", "c-2", "c-3", "c-1"):
                await rt.send("order", chat, "hi")
            assert list(rt._saying._known) == ["c-3", "c-1"]

            monkeypatch.setattr(saying_module, "REMEMBERED_BYTES", 1)
            await rt.send("order", "c-3", "hi")
            assert list(rt._saying._known) == ["c-3"]
            assert rt._saying._bytes == rt._saying._known[ConversationId("c-3")].size


async def test_who_says_nothing_new_leaves_no_one_waiting_when_the_conversation_is_anothers() -> None:
    substrate: Substrate = in_memory(SystemClock())
    with ScriptedLLM("Hello!") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi")
            with pytest.raises(Refused, match="belongs to agent 'order'"):
                await rt.send("other", "c-1", "hi")

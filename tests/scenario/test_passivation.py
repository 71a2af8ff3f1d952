"""A conversation that nobody speaks to leaves the memory, with all that it took there, and comes back from the log."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import CoroutineType, FunctionType, ModuleType
from typing import Any

import pytest
from msgspec import Raw, structs

from agent_runtime_framework import JourneyAgent, Runtime
from agent_runtime_framework.actors import CancelTurn, ConversationActor, Delivered, Directory, Life, SayToAgent
from agent_runtime_framework.actors.directory import DROPPED
from agent_runtime_framework.events import (
    START,
    CommandRefused,
    ConversationId,
    ConversationStarted,
    Frame,
    Head,
    MemoryLog,
    Stored,
    TurnStarted,
    UserSpoke,
    WriterId,
)
from agent_runtime_framework.projections import Conversation, before
from agent_runtime_framework.runtime.agents import Journeys, agent_effects
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.retry import RetryPolicy
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.runtime.worker import Worker
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import order_agent

CHAT = "c-that-is-left"


@asynccontextmanager
async def at_work(agent: JourneyAgent[Any, Any, Any], substrate: Substrate) -> AsyncIterator[tuple[Runtime, Worker]]:
    async with Runtime([agent], substrate=substrate, idle=0.0) as rt:
        worker = rt.worker()
        working = asyncio.ensure_future(worker.run())
        try:
            await worker.owned(working)
            yield rt, worker
        finally:
            worker.stop()
            await working


async def dropped(chat: str) -> None:
    """Wait until nobody refers to the chat's actor, which needs no collector."""
    freed = asyncio.Event()
    actor = next(one for one in gc.get_objects() if isinstance(one, ConversationActor) and one.id == chat)
    weakref.finalize(actor, freed.set)
    del actor
    await freed.wait()


def names_in(worker: Worker, but: Substrate) -> list[str]:
    """Return the texts in what a worker holds, without the ports that it stands on, in which the chat is named."""
    seen = {id(one): one for one in (but, *structs.astuple(but), asyncio.get_running_loop())}
    todo: list[Any] = [worker]
    found: list[str] = []
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | CoroutineType):  # what runs holds the last message
            continue
        seen[id(one)] = one
        if isinstance(one, str) and CHAT in one:
            found.append(one)
        todo.extend((one.__closure__ or ()) if isinstance(one, FunctionType) else gc.get_referents(one))
    return found


async def test_what_a_conversation_took_is_given_back(substrate: Substrate) -> None:
    named = calls(("save_name", {"name": "Ada"}))
    with ScriptedLLM(named, "What would you like?", "Now it is tea.") as llm:
        async with asyncio.timeout(20), at_work(order_agent(llm), substrate) as (rt, worker):
            await rt.send("order", CHAT, "I am Ada")
            await dropped(CHAT)
            kept = [one for one in gc.get_objects() if isinstance(one, Conversation) and one.id == CHAT]
            names = names_in(worker, substrate)
            reply = await rt.send("order", CHAT, "tea, please")

    assert (kept, names) == ([], [])
    assert (reply.text, reply.turn, reply.state["name"]) == ("Now it is tea.", 2, "Ada")


async def test_nothing_is_kept_for_the_requests_of_a_conversation_that_left(
    substrate: Substrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = before._Kept()
    monkeypatch.setattr(before, "_kept", kept)
    with ScriptedLLM("Hello.", "What?", "Hello again.") as llm:
        async with asyncio.timeout(20), at_work(order_agent(llm), substrate) as (rt, _):
            await rt.send("order", CHAT, "hi")
            await rt.send("order", CHAT, "so?")
            await dropped(CHAT)
            size = kept.size
            reply = await rt.send("order", CHAT, "are you there?")

    assert (size, reply.text, reply.turn) == (0, "Hello again.", 3)


async def test_of_many_a_part_is_dropped_at_a_time_those_first_that_were_spoken_to_first() -> None:
    log, journey, hour = MemoryLog(), Journeys(order_agent(ScriptedLLM())), 0
    effects = agent_effects(journey, clock=SystemClock(), retry=RetryPolicy())
    meanwhile: list[int] = []

    def create(agent: str, conversation: ConversationId, life: Life) -> ConversationActor:
        return ConversationActor(agent, conversation, journey=journey, log=log, effects=effects, life=life)

    def speak_to(number: int) -> None:
        cancel = CancelTurn(id=f"m-{number}-{hour}", agent="order", reason="")
        directory.deliver("order", ConversationId(f"c-{number}"), Delivered(cancel, lambda: None, print))

    async def sleep(_seconds: float) -> None:
        meanwhile.append(len(directory))
        speak_to(DROPPED + 1)  # it would have been the next

    directory = Directory(WriterId("w-1"), now=lambda: hour, sleep=sleep, create=create)
    for number in range(DROPPED + 3):
        speak_to(number)
    assert await directory.passivate(0) == 0  # what they were told is not done
    await directory.quiet()
    hour = 1
    speak_to(0)
    await directory.quiet()

    assert await directory.passivate(1) == DROPPED + 1
    assert meanwhile == [3]
    await directory.quiet()
    assert await directory.passivate(0) == 2
    assert len(directory) == 0


async def test_who_goes_on_with_the_turn_of_another_life_is_not_dropped_though_nobody_waits_for_it_yet() -> None:
    reached, may_store = asyncio.Event(), asyncio.Event()

    class Slow(MemoryLog):
        async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
            if frame.writer == "w-1":
                reached.set()
                await may_store.wait()
            return await super().append(conversation, frame, expected)

    log, journey = Slow(), Journeys(order_agent(ScriptedLLM("Hello!")))
    effects = agent_effects(journey, clock=SystemClock(), retry=RetryPolicy())
    state, _ = journey.front.first(None, ConversationId(CHAT))
    begins = ConversationStarted(
        agent="order",
        journey_hash=journey.front.hash,
        state={name: Raw(value) for name, value in state.items()},
        step="name",
    )
    says = (UserSpoke(message_id="m-1", text="hi"), TurnStarted(number=1))
    events = (begins, CommandRefused(command_id="m-0", reason="no"), *says)
    left = Frame(first=1, time=0, writer="w-0", agent="order", turn=1, step="name", status="running", events=events)
    await log.append(ConversationId(CHAT), left, START)

    def create(agent: str, conversation: ConversationId, life: Life) -> ConversationActor:
        return ConversationActor(agent, conversation, journey=journey, log=log, effects=effects, life=life)

    directory = Directory(WriterId("w-1"), now=lambda: 0, sleep=asyncio.sleep, create=create)
    done = asyncio.Event()
    again = SayToAgent(id="m-0", agent="order", text="hi")
    directory.deliver("order", ConversationId(CHAT), Delivered(again, done.set, print))
    async with asyncio.timeout(10):
        await reached.wait()
        assert done.is_set()
        assert await directory.passivate(0) == 0
        may_store.set()
        await directory.quiet()

    assert [stored.frame.status async for stored in log.read(ConversationId(CHAT))][-1] == "idle"
    assert await directory.passivate(0) == 1

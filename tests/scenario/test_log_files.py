"""Conversations that workers really had: into a file, and out of it elsewhere, where they go on."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent_runtime_framework import Client, Conflict, Recording, read_logs, replay, write_logs
from agent_runtime_framework.events import START, ConversationId, ModelRequested, TurnResumed
from agent_runtime_framework.projections import Conversation, fold, initial
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.runtime.testing.simulation import random_journeys
from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM, calls, random_script, simulate
from support.chains import CHAT, frame_after, read
from support.journeys import frames, order_agent, working

EACH = 10


def simulated(seed: int) -> list[Recording]:
    """Return the conversations of a random run, with whatever went wrong in it."""
    agents = random_journeys(seed)
    run = simulate(agents, random_script(seed, [agent.key for agent in agents]), seed)
    return [Recording(chat, tuple(log)) for chat, log in sorted(run.logs.items()) if log]


async def elsewhere(recordings: list[Recording]) -> list[Recording]:
    """Restore conversations to a new place, and return what is recorded there."""
    client = Client(in_memory(SystemClock()))
    for recording in recordings:
        assert await client.restore(recording) == len(recording.frames)
    return [await client.recording(recording.conversation) for recording in recordings]


def bytes_of(recording: Recording) -> list[bytes]:
    return [stored.data for stored in recording.frames]


def folded(recording: Recording) -> Conversation:
    return fold(initial(recording.conversation), [stored.frame for stored in recording.frames])


@pytest.mark.parametrize("first", range(0, 60, EACH))
def test_whatever_happened_comes_out_of_a_file_as_it_went_in(tmp_path: Path, first: int) -> None:
    turns = 0
    for seed in range(first, first + EACH):
        recorded = simulated(seed)
        write_logs(tmp_path / "one.jsonl", recorded)
        again = asyncio.run(elsewhere(read_logs(tmp_path / "one.jsonl")))
        write_logs(tmp_path / "other.jsonl", again)

        assert [bytes_of(one) for one in again] == [bytes_of(one) for one in recorded]
        assert [folded(one) for one in again] == [folded(one) for one in recorded]
        assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "other.jsonl").read_bytes()
        turns += sum(folded(one).turns for one in recorded)
    assert turns > EACH


async def conversation(*texts: str, said: list[str]) -> Recording:
    """Return a conversation in which an agent answered so."""
    with ScriptedLLM(*texts) as llm:
        async with AgentsAtWork(lambda: "")(OnboardingAgent(llm), memory=True) as rt:
            for text in said:
                await rt.send("onboarding", "c-1", text)
            return await rt.recording("c-1")


async def test_a_conversation_that_was_restored_goes_on_with_the_next_message(agent_runtime: AgentsAtWork) -> None:
    recorded = await conversation("Hello!", said=["hi"])
    with ScriptedLLM("Still here.") as llm:
        async with agent_runtime(OnboardingAgent(llm)) as rt:
            assert await rt.restore(recorded) == 2
            reply = await rt.send("onboarding", "c-1", "are you there?")
            after = await rt.recording("c-1")

    assert (reply.text, reply.turn) == ("Still here.", 2)
    assert bytes_of(after)[:2] == bytes_of(recorded)


async def test_a_turn_that_was_in_progress_waits_for_the_next_message_and_then_goes_on(
    agent_runtime: AgentsAtWork,
) -> None:
    whole = await conversation("Hello!", "Nice.", said=["hi", "I am well"])
    (asked,) = (
        number
        for number, stored in enumerate(whole.frames)
        if number and any(isinstance(event, ModelRequested) for event in stored.frame.events)
    )
    with ScriptedLLM("Nice indeed.", "Yes.") as llm:
        async with agent_runtime(OnboardingAgent(llm)) as rt:
            await rt.restore(Recording(whole.conversation, whole.frames[: asked + 1]))
            reply = await rt.send("onboarding", "c-1", "really?")
            events = [recorded.event async for recorded in rt.events("c-1")]

    assert (reply.text, reply.turn) == ("Yes.", 3)
    assert [event.number for event in events if isinstance(event, TurnResumed)] == [2]


class Untouched:
    """Fails when it is used."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was used")


def only_its_log() -> Substrate:
    """Return a place that has nothing but a log."""
    place, never = in_memory(SystemClock()), Untouched()
    return msgspec.structs.replace(place, bus=never, live=never, leases=never, members=never, store=never)


async def test_restoring_tells_nobody_and_exporting_only_reads() -> None:
    recorded = await conversation("Hello!", said=["hi"])
    client = Client(only_its_log())

    assert await client.restore(recorded) == 2
    assert await client.restore(recorded) == 0
    before = await read(client.substrate.log)
    assert bytes_of(await client.recording("c-1")) == bytes_of(recorded)
    assert await read(client.substrate.log) == before


async def test_a_conversation_with_another_history_stays_as_it_is() -> None:
    recorded = await conversation("Hello!", said=["hi"])
    client = Client(only_its_log())
    mine = await client.substrate.log.append(ConversationId("c-1"), frame_after(START), START)

    with pytest.raises(Conflict, match="'c-1' is there with other events from version 1 on, and stays as it is"):
        await client.restore(recorded)
    assert await read(client.substrate.log, CHAT) == [mine]


async def test_a_fork_is_whole_in_its_file_and_is_replayed_and_gone_on_with_where_its_parent_is_not(
    tmp_path: Path,
) -> None:
    substrate = in_memory(SystemClock())
    with ScriptedLLM(calls(("save_name", {"name": "Ada"})), "Hello Ada.", "Tea?", "Tea.", "Again?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            for text in ("I am Ada", "what is there?"):
                await rt.send("order", "c-1", text, timeout=20)
            cut = next(stored for stored in await frames(substrate, "c-1") if stored.frame.status == "idle")
            await rt.fork("c-1", at=cut.head.version, as_id="c-2", prompt="Sell tea.")
            await rt.send("order", "c-2", "tea", timeout=20)
            write_logs(tmp_path / "fork.jsonl", [await rt.recording("c-2")])
        there = in_memory(SystemClock())
        (fork,) = read_logs(tmp_path / "fork.jsonl")
        async with working(order_agent(llm), substrate=there) as elsewhere:
            assert await elsewhere.restore(fork) == len(fork.frames)
            assert [one.conversation async for one in elsewhere.conversations()] == ["c-2"]
            assert (await elsewhere.send("order", "c-2", "and now?", timeout=20)).text == "Again?"

    assert folded(fork).lineage is not None
    assert (await replay(fork.frames, order_agent(ScriptedLLM()))).divergences == ()

"""A conversation that is pinned to its version: a worker of that version has it, or nobody decides on it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agent_runtime_framework import AgentContext, NoReply, OtherVersion, Queued, Refused, Runtime
from agent_runtime_framework.events import (
    START,
    CommandRefused,
    ConversationId,
    ConversationStarted,
    Frame,
    TurnResumed,
    WriterId,
)
from agent_runtime_framework.runtime import worker
from agent_runtime_framework.runtime.agents import run_turn
from agent_runtime_framework.runtime.bus import partition_of
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.runtime.testing.working import at_work
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import frames, working
from support.versions import (
    CHAT,
    TICKET,
    events_of,
    interrupted,
    old,
    owner_first,
    reworded,
    say,
    version_of,
)

SEAT = calls(("seat", {}))
OLD, REWORDED = version_of(old(None)), version_of(reworded(None))
REASON = (
    f"the conversation is pinned to version {OLD[:12]} of 'ticket', and this worker has {REWORDED[:12]}: "
    "start a worker of that version, or send the message again once one runs"
)
BESIDE = next(
    id_
    for id_ in (ConversationId(f"c-{number}") for number in range(2, 1_000))
    if partition_of(id_) == partition_of(CHAT)
)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RETRY_AFTER", 0.1)


async def begin(substrate: Substrate) -> None:
    with ScriptedLLM("Hello.") as llm:
        await say(substrate, old(llm, on_new_version="pin"), "hi")


def pinning(*answers: Any) -> Any:
    """Return an agent of the new version that leaves the old one's conversations alone."""
    return reworded(ScriptedLLM(*answers), on_new_version="pin")


async def test_without_a_worker_of_its_version_a_message_is_refused_and_the_reason_is_recorded(
    substrate: Substrate,
) -> None:
    await begin(substrate)

    agent = pinning()
    with pytest.raises(Refused) as refused:
        await say(substrate, agent, "and?", message_id="m-1")
    last = (await events_of(substrate, agent))[-1]

    assert last == CommandRefused(command_id="m-1", reason=REASON)
    assert REASON in str(refused.value)

    with ScriptedLLM("Here I am.") as llm:
        assert (await say(substrate, old(llm), "and now?")).text == "Here I am."


async def test_a_conversation_that_the_new_version_begins_is_its_own(substrate: Substrate) -> None:
    await begin(substrate)
    agent = pinning("New here.")

    async with working(agent, substrate=substrate) as rt:
        reply = await rt.send("ticket", BESIDE, "hi")
        now = await rt.conversation(BESIDE)

    assert (reply.text, now.journey_hash) == ("New here.", REWORDED)


async def test_beside_a_worker_of_its_version_the_new_one_hands_the_conversation_on(substrate: Substrate) -> None:
    await begin(substrate)
    with ScriptedLLM("Still me.") as llm:
        theirs, ours = Runtime([old(llm)], substrate=substrate), Runtime([pinning()], substrate=substrate)
        theirs.writer = WriterId("w-old")
        ours.writer = owner_first("w-new", theirs.writer)
        async with at_work(theirs), at_work(ours):
            reply = await ours.send("ticket", CHAT, "and?", message_id="m-1", timeout=20)
            declined = {one.worker: one.declines for one in await substrate.members.members()}
        written = [stored.frame.writer for stored in await frames(substrate, CHAT)]

    assert reply.text == "Still me."
    assert set(written[-2:]) == {"w-old"}
    assert declined == {"w-old": (), ours.writer: (f"ticket.{partition_of(CHAT)}",)}


async def test_where_both_versions_have_declined_a_message_is_refused_and_nothing_goes_back_and_forth(
    substrate: Substrate,
) -> None:
    await begin(substrate)
    with ScriptedLLM("New here.") as llm:  # a conversation of the new version in the same partition
        async with working(reworded(llm), substrate=substrate) as rt:
            await rt.send("ticket", BESIDE, "hi")
    with ScriptedLLM("Still me.", "Me again.") as llm:
        theirs = Runtime([old(llm, on_new_version="pin")], substrate=substrate)
        ours = Runtime([pinning()], substrate=substrate)
        theirs.writer = WriterId("w-old")
        ours.writer = owner_first("w-new", theirs.writer)
        async with at_work(theirs), at_work(ours):
            first = await ours.send("ticket", CHAT, "and?", timeout=20)
            with pytest.raises(Refused, match=f"pinned to version {REWORDED[:12]}"):
                await ours.send("ticket", BESIDE, "and?", timeout=20)
            second = await ours.send("ticket", CHAT, "and?", timeout=20)

    assert (first.text, second.text) == ("Still me.", "Me again.")


async def test_a_turn_in_progress_waits_for_a_worker_of_its_version_and_its_sender_is_told(
    substrate: Substrate,
) -> None:
    await begin(substrate)
    with ScriptedLLM(SEAT) as llm:
        async with interrupted(substrate, old(llm)):
            pass
    told: asyncio.Queue[Queued] = asyncio.Queue()

    agent = pinning()
    ours = Runtime([agent], substrate=substrate)
    ours.writer = owner_first("w-new", "w-old")
    async with at_work(ours):
        sending = asyncio.ensure_future(
            ours.send("ticket", CHAT, "a seat", message_id="m-seat", timeout=30, on_queued=told.put_nowait)
        )
        behind = asyncio.ensure_future(ours.send("ticket", CHAT, "and?", message_id="m-next", timeout=30))
        while (queued := await told.get()).reason == "":
            continue
        before = await events_of(substrate, agent)
        with ScriptedLLM("Seat 1.", "Yes?") as llm:
            theirs = Runtime([old(llm)], substrate=substrate)
            theirs.writer = WriterId("w-old")
            async with at_work(theirs):
                replies = [(await sending).text, (await behind).text]
    after = await events_of(substrate, agent)

    assert queued.reason == f"waits for a worker with version {OLD[:12]} of 'ticket'"
    assert not any(isinstance(event, TurnResumed) for event in before)
    assert replies == ["Seat 1.", "Yes?"]
    assert sum(isinstance(event, TurnResumed) for event in after) == 1


async def test_a_turn_that_waits_can_be_cancelled_and_what_comes_next_is_refused(substrate: Substrate) -> None:
    await begin(substrate)
    with ScriptedLLM(SEAT) as llm:
        async with interrupted(substrate, old(llm)):
            pass

    async with working(pinning(), substrate=substrate) as rt:
        await rt.cancel(CHAT)
        with pytest.raises(NoReply, match="cancelled"):
            await rt.send("ticket", CHAT, "a seat", message_id="m-seat", timeout=20)
        with pytest.raises(Refused, match="is pinned to version"):
            await rt.send("ticket", CHAT, "and?", timeout=20)


async def test_a_message_that_interrupts_does_not_end_the_turn_of_another_version() -> None:
    substrate = in_memory(SystemClock())
    await begin(substrate)
    with ScriptedLLM(SEAT) as llm:
        async with interrupted(substrate, old(llm)):
            pass
    told: asyncio.Queue[Queued] = asyncio.Queue()
    agent = reworded(ScriptedLLM(), on_new_version="pin", mailbox="interrupt")

    async with working(agent, substrate=substrate) as rt:
        sending = asyncio.ensure_future(rt.send("ticket", CHAT, "no", on_queued=told.put_nowait))
        while (await told.get()).reason == "":
            continue
        now = await rt.conversation(CHAT)
        sending.cancel()

    assert now.status == "running"


async def test_a_run_without_a_server_takes_no_turn_of_another_version_over() -> None:
    substrate = in_memory(SystemClock())
    await begin(substrate)
    context = AgentContext("r-1", CHAT, [{"role": "user", "content": "and?"}])
    with pytest.raises(Refused, match="is pinned to version"):
        await run_turn(pinning(), context, substrate.log)
    with ScriptedLLM(SEAT) as llm:
        async with interrupted(substrate, old(llm)):
            pass

    with pytest.raises(OtherVersion) as raised:
        await run_turn(pinning(), replace(context, run_id="r-2"), substrate.log)

    assert raised.value.version == OLD
    assert str(raised.value) == f"'c-1' waits for a worker with version {OLD[:12]} of 'ticket'"


async def test_what_was_recorded_under_no_version_is_nobodys_and_goes_on() -> None:
    substrate = in_memory(SystemClock())
    event = ConversationStarted(agent="ticket", journey_hash="", state={}, step="who")
    await substrate.log.append(CHAT, Frame(first=1, time=0, writer="w", agent="ticket", events=(event,)), START)

    assert (await say(substrate, pinning("Hello."), "hi")).text == "Hello."


async def test_a_heartbeat_names_the_version_of_each_journey(substrate: Substrate) -> None:
    async with working(old(ScriptedLLM()), substrate=substrate):
        (member,) = await substrate.members.members()

    assert member.versions == {TICKET: (OLD,)}

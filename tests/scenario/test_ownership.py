"""Who owns a conversation decides what becomes of it: leaving, lapsing, a log that is away, an owner that is stale."""

import asyncio
import functools
import time
from typing import Any

import pytest
from msgspec import structs

from agent_runtime_framework import Runtime
from agent_runtime_framework.actors import ConversationActor, Delivered, Directory, SayToAgent
from agent_runtime_framework.events import (
    START,
    CommandRefused,
    ConversationId,
    ConversationStarted,
    Frame,
    Head,
    MemoryLog,
    MemoryRecords,
    Stored,
    ToolStarted,
    TurnStarted,
    Unavailable,
    UserSpoke,
    WriterId,
)
from agent_runtime_framework.runtime.agents import Journeys, agent_effects
from agent_runtime_framework.runtime.bus import Consumption, Deliver, MemoryBus, partition_of
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.feed import MemoryFeed
from agent_runtime_framework.runtime.leases import Lease, MemoryLeases
from agent_runtime_framework.runtime.live import MemoryLive
from agent_runtime_framework.runtime.members import MemoryMembers
from agent_runtime_framework.runtime.retry import RetryPolicy
from agent_runtime_framework.runtime.substrate import Substrate, stores_in_memory
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import OrderTools, order_agent, recorded, types, working

NAMED = calls(("save_name", {"name": "Ada"}))
ADD = calls(("add", {"line": "tea"}))
TTL = 0.1


class Log(MemoryLog):
    """A log that can be away for some appends, and that can hold one up."""

    def __init__(self) -> None:
        super().__init__()
        self.away: list[str] = []
        self.hold: asyncio.Event | None = None
        self.held = asyncio.Event()

    async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
        if self.hold is not None:
            self.held.set()
            await self.hold.wait()
        names = {type(event).__name__ for event in frame.events}
        if self.away and self.away[0] in names:
            self.away.pop(0)
            raise Unavailable("the log is away")
        return await super().append(conversation, frame, expected)


def short_leased(log: MemoryLog | None = None) -> Substrate:
    """Return a substrate whose leases end soon."""
    clock = SystemClock()
    return Substrate(
        log or MemoryLog(),
        MemoryBus(),
        MemoryLeases(clock, ttl=TTL),
        MemoryMembers(clock, ttl=TTL),
        MemoryLive(),
        stores_in_memory(),
        MemoryFeed(MemoryRecords()),
    )


class Slow(OrderTools):
    """Adds only when told to."""

    began: asyncio.Event
    go_on: asyncio.Event

    async def add(self, line: str) -> str:
        Slow.began.set()
        await Slow.go_on.wait()
        return await super().add(line)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Slow.began, Slow.go_on = asyncio.Event(), asyncio.Event()


async def test_a_worker_that_leaves_keeps_its_leases_until_its_turns_are_over() -> None:
    substrate = short_leased()
    with ScriptedLLM(NAMED, ADD, "Done.") as llm:
        agent = order_agent(llm, tools=Slow)
        async with Runtime([agent], substrate=substrate) as leaving:
            worker = leaving.worker()
            working_on = asyncio.ensure_future(worker.run())
            assert await worker.owned(working_on)
            sending = asyncio.ensure_future(leaving.send("order", "c-1", "Ada", timeout=10))
            await Slow.began.wait()
            async with working(agent, substrate=substrate):
                worker.stop()
                await asyncio.wait({sending}, timeout=8 * TTL)
                Slow.go_on.set()
                reply = await sending
                await working_on
            every = await types(leaving, "c-1")

    assert reply.text == "Done."
    assert every.count("turn.resumed") == every.count("tool.failed") == 0


async def test_a_lapse_that_nobody_used_costs_nothing() -> None:
    class Blocking(Slow):
        async def look(self) -> str:
            time.sleep(4 * TTL)  # noqa: ASYNC251  blocks the loop, which is the point
            return "seen"

    with ScriptedLLM(NAMED, ADD, NAMED, calls(("look", {})), "Looked.", "Added.") as llm:
        async with working(order_agent(llm, tools=Blocking), substrate=short_leased()) as rt:
            adding = asyncio.ensure_future(rt.send("order", "c-1", "Ada", timeout=10))
            await Slow.began.wait()
            looked = await rt.send("order", "c-2", "Bob", timeout=10)
            await asyncio.wait({adding}, timeout=4 * TTL)
            Slow.go_on.set()
            added = await adding
            every = await types(rt, "c-1")

    assert (looked.text, added.text, added.state["lines"]) == ("Looked.", "Added.", ["tea"])
    assert every.count("turn.resumed") == every.count("tool.failed") == 0


@pytest.mark.parametrize("away", ["ToolReturned", "ModelAnswered", "UserSpoke", "TurnCompleted"])
async def test_while_the_log_is_away_nothing_is_lost_or_done_twice(away: str) -> None:
    log = Log()
    log.away = [away, away]
    with ScriptedLLM(NAMED, "Hello.") as llm:
        async with working(order_agent(llm), substrate=short_leased(log)) as rt:
            reply = await rt.send("order", "c-1", "Ada", timeout=10)
            events = [one.event for one in await recorded(rt, "c-1")]

    assert (reply.text, reply.state["name"]) == ("Hello.", "Ada")
    assert len([event for event in events if isinstance(event, ToolStarted)]) == 1
    assert log.away == []


async def test_messages_keep_their_order_while_the_log_is_away() -> None:
    log = Log()
    log.away = ["UserSpoke"] * 2
    with ScriptedLLM("one", "two") as llm:
        async with working(order_agent(llm), substrate=short_leased(log)) as rt:
            await rt.publish("order", "c-1", "first")
            second = await rt.send("order", "c-1", "second", timeout=10)
            said = [one.data["text"] for one in await recorded(rt, "c-1") if one.type == "user.spoke"]

    assert (said, second.text) == (["first", "second"], "two")


async def test_an_owner_that_let_go_in_the_middle_of_an_append_stores_nothing_more() -> None:
    log, clock = Log(), SystemClock()
    journey = Journeys(order_agent(ScriptedLLM()))
    effects = agent_effects(journey, clock=clock, retry=RetryPolicy())

    def create(agent: str, conversation: ConversationId, life: Any) -> ConversationActor:
        return ConversationActor(agent, conversation, journey=journey, log=log, effects=effects, life=life)

    directory = Directory(WriterId("w-stale"), now=clock.now, sleep=clock.sleep, create=create)
    told: list[str] = []
    log.hold = asyncio.Event()
    say = SayToAgent(id="m-1", agent="order", text="hi")
    directory.deliver("order", ConversationId("c-1"), Delivered(say, lambda: told.append("done"), print))
    await log.held.wait()
    assert directory.abandon() == 1
    go_on, log.hold = log.hold, None
    refused = CommandRefused(command_id="m-0", reason="by the new owner")
    await log.append(ConversationId("c-1"), Frame(first=1, time=0, writer="w-new", agent="", events=(refused,)), START)
    go_on.set()
    await directory.quiet()

    assert [stored.frame.writer async for stored in log.read(ConversationId("c-1"))] == ["w-new"]
    assert told == []


async def test_a_draining_directory_waits_for_a_message_that_is_on_its_way_in() -> None:
    log = Log()
    log.hold = asyncio.Event()
    with ScriptedLLM("Hello.") as llm:
        async with working(order_agent(llm), substrate=short_leased(log)) as rt:
            sending = asyncio.ensure_future(rt.send("order", "c-1", "hi", timeout=10))
            await log.held.wait()
            asyncio.get_running_loop().call_later(3 * TTL, log.hold.set)
        assert (await sending).text == "Hello."


class Unsure(MemoryBus):
    """A bus that once lets somebody consume and, when that one is at work, says that it does not know."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    async def consume(self, lease: Lease, deliver: Deliver) -> Consumption:
        flow = await super().consume(lease, deliver)
        if self._log.hold is not None and lease.partition == partition_of(ConversationId("c-1")):
            await self._log.held.wait()
            raise Unavailable("nobody knows who consumes")
        return flow


class Coveted(MemoryLeases):
    """Leases that somebody else takes as soon as they are given back."""

    def __init__(self) -> None:
        super().__init__(SystemClock(), ttl=60)
        self.taken = asyncio.Event()

    async def release(self, lease: Lease) -> None:
        await super().release(lease)
        await self.of(WriterId("w-other")).acquire(lease.agent, lease.partition)
        self.taken.set()


async def test_a_turn_that_began_before_consuming_failed_makes_room_for_others() -> None:
    log = Log()
    log.hold = asyncio.Event()
    leases = Coveted()
    substrate = structs.replace(short_leased(log), bus=Unsure(log), leases=leases)
    async with Runtime([order_agent(ScriptedLLM("Hello."))], substrate=substrate, concurrency=1, grace=0.1) as rt:
        await rt.publish("order", "c-1", "hi")
        working_on = asyncio.ensure_future(rt.run_worker())
        await leases.taken.wait()
        go_on, log.hold = log.hold, None
        go_on.set()
        reply = await rt.send("order", "c-2", "hello", timeout=10)
        working_on.cancel()
        await asyncio.wait({working_on})

    assert partition_of(ConversationId("c-1")) != partition_of(ConversationId("c-2"))
    assert reply.text == "Hello."


async def test_messages_for_an_agent_that_comes_too_late_are_refused_while_the_other_agents_turn_runs() -> None:
    log, clock, chat = Log(), SystemClock(), ConversationId("c-1")
    journey = Journeys(order_agent(ScriptedLLM()))
    effects = agent_effects(journey, clock=clock, retry=RetryPolicy())

    def create(agent: str, conversation: ConversationId, life: Any) -> ConversationActor:
        return ConversationActor(agent, conversation, journey=journey, log=log, effects=effects, life=life)

    directory = Directory(WriterId("w-late"), now=clock.now, sleep=clock.sleep, create=create)
    told: list[str] = []
    log.hold = asyncio.Event()
    for id_ in ("m-1", "m-2"):
        say = SayToAgent(id=id_, agent="late", text="hi")
        directory.deliver("late", chat, Delivered(say, functools.partial(told.append, id_), print))
    await log.held.wait()
    go_on, log.hold = log.hold, None
    begun = (
        ConversationStarted(agent="order", journey_hash="", state={}),
        UserSpoke(message_id="m-0", text="hi"),
        TurnStarted(number=1, cause=2),
    )
    await log.append(chat, Frame(first=1, time=0, writer="w-first", agent="order", events=begun), START)
    go_on.set()
    async with asyncio.timeout(5):
        await directory.quiet()

    events = [event async for stored in log.read(chat) for event in stored.frame.events]
    assert [event.command_id for event in events if isinstance(event, CommandRefused)] == told == ["m-1", "m-2"]
    assert directory.turns == 0

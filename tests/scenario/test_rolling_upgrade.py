"""A worker that meets an event of a newer release leaves that conversation to a worker of that release."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from agent_runtime_framework import Client, Runtime
from agent_runtime_framework.events import (
    START,
    AgentKey,
    AnyEvent,
    CommandRefused,
    ConversationId,
    ConversationStarted,
    EventLog,
    Frame,
    Head,
    Stored,
    UnknownEvent,
    Unreadable,
    WriterId,
)
from agent_runtime_framework.runtime import worker
from agent_runtime_framework.runtime.bus import partition_of
from agent_runtime_framework.runtime.members import Member, preferred
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.runtime.testing.working import at_work
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.heard import Heard
from support.journeys import OrderTools, order_agent, working

ORDER = AgentKey("order")
NEW = ConversationId("c-new")
NEIGHBOUR = next(f"c-{n}" for n in range(1_000) if partition_of(ConversationId(f"c-{n}")) == partition_of(NEW))
MOOD = UnknownEvent(tag="mood.guessed", raw=b'{"type":"mood.guessed","mood":"glad"}')
NEEDED = "'c-new' holds events of a newer release (mood.guessed); a worker of that release is needed"


class NewerLog:
    """Is the log as a newer release reads it, which knows that event."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
        return await self._log.append(conversation, frame, expected)

    async def restore(self, conversation: ConversationId, data: bytes, expected: Head) -> Stored:
        return await self._log.restore(conversation, data, expected)

    async def read(self, conversation: ConversationId, after: Head = START) -> AsyncIterator[Stored]:
        async for stored in self._log.read(conversation, after):
            events = tuple(map(_known, stored.frame.events))
            yield msgspec.structs.replace(stored, frame=msgspec.structs.replace(stored.frame, events=events))

    async def last(self, conversation: ConversationId) -> Stored | None:
        return await self._log.last(conversation)

    def lasts(self) -> AsyncIterator[Stored | Unreadable]:
        return self._log.lasts()


def _known(event: AnyEvent) -> AnyEvent:
    return CommandRefused(command_id="mood", reason="") if isinstance(event, UnknownEvent) else event


def newer(substrate: Substrate) -> Substrate:
    """Return the same as a worker of the newer release has it."""
    return msgspec.structs.replace(substrate, log=NewerLog(substrate.log))


async def guess(substrate: Substrate, *before: AnyEvent) -> Head:
    """Let a worker of the newer release append its event, and return where the log stands."""
    last = await substrate.log.last(NEW)
    head = START if last is None else last.head
    frame = Frame(
        first=head.version + 1, time=0, writer="w-newer", agent="order", prev=head.hash, events=(*before, MOOD)
    )
    return (await substrate.log.append(NEW, frame, head)).head


async def test_the_old_worker_decides_nothing_and_says_so_once_and_its_neighbours_are_answered(
    substrate: Substrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "RETRY_AFTER", 0.001)
    head = await guess(substrate, ConversationStarted(agent="order", journey_hash="", state={}, step="name"))
    with Heard() as heard, ScriptedLLM(*["Hello."] * 5) as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.publish("order", NEW, "Ada", message_id="m-1")
            assert NEEDED in await heard.line("c-new")
            replies = [(await rt.send("order", NEIGHBOUR, "hi")).text for _ in range(5)]
            last = await substrate.log.last(NEW)
    assert replies == ["Hello."] * 5
    assert last is not None
    assert last.head == head
    assert len(heard.having("c-new")) == 1
    assert heard.having("comes again") == []

    with ScriptedLLM("Glad to hear.") as llm:
        async with working(order_agent(llm), substrate=newer(substrate)) as rt:
            assert (await rt.send("order", NEW, "Ada", message_id="m-1")).text == "Glad to hear."
            said = [event.type async for event in Client(newer(substrate)).events(NEW)]
    assert said.count("user.spoke") == said.count("turn.completed") == 1


async def test_a_turn_in_progress_is_let_go_of_and_goes_on_where_the_event_is_known(substrate: Substrate) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    class Slow(OrderTools):
        async def save_name(self, name: str) -> str:
            began.set()
            await go_on.wait()
            return await super().save_name(name)

    async def sent(rt: Runtime) -> str:
        return (await rt.send("order", NEIGHBOUR, "hi")).text

    with Heard() as heard, ScriptedLLM(calls(("save_name", {"name": "Ada"})), "Hello.") as llm:
        async with working(order_agent(llm, tools=Slow), substrate=substrate) as rt:
            await rt.publish("order", NEW, "Ada", message_id="m-1")
            await began.wait()
            head = await guess(substrate)
            go_on.set()
            await heard.line(NEEDED)
            assert await sent(rt) == "Hello."
            last = await substrate.log.last(NEW)
    assert last is not None
    assert last.head == head
    assert len(heard.having(NEEDED)) == 1

    with ScriptedLLM("I do not know whether that worked.") as llm:
        async with working(order_agent(llm), substrate=newer(substrate)) as rt:
            reply = await rt.send("order", NEW, "Ada", message_id="m-1")
            every = [event.type async for event in rt.events(NEW)]
    assert reply.text == "I do not know whether that worked."
    assert every.count("tool.started") == every.count("tool.failed") == every.count("turn.resumed") == 1


def first_chosen(worker: str, other: str) -> WriterId:
    """Return a name like `worker` under which it is the one to own the conversation, beside the other."""
    for number in range(1_000):
        here = [Member(worker=WriterId(name), agents=(ORDER,)) for name in (f"{worker}-{number}", other)]
        if preferred(ORDER, partition_of(NEW), here) == here[0].worker:
            return here[0].worker
    raise AssertionError("there is none")


async def test_beside_a_newer_worker_the_old_one_hands_the_conversation_on(substrate: Substrate) -> None:
    await guess(substrate, ConversationStarted(agent="order", journey_hash="", state={}, step="name"))
    with Heard() as heard, ScriptedLLM("Glad to hear.") as llm:
        agent = order_agent(llm)
        old, new = Runtime([agent], substrate=substrate), Runtime([agent], substrate=newer(substrate))
        new.writer = WriterId("w-new")
        old.writer = first_chosen("w-old", new.writer)
        async with at_work(old), at_work(new):
            assert (await old.send("order", NEW, "Ada", message_id="m-1", timeout=20)).text == "Glad to hear."
            written = [stored.frame.writer async for stored in substrate.log.read(NEW)]
    assert set(written[1:]) == {"w-new"}
    assert len(heard.having(NEEDED)) == 1


def test_what_all_decline_is_somebodys_all_the_same() -> None:
    declines = (f"{ORDER}.3",)
    here = [Member(worker=WriterId(name), agents=(ORDER,), declines=declines) for name in ("w-1", "w-2")]

    assert preferred(ORDER, 3, here) in ("w-1", "w-2")
    assert preferred(ORDER, 3, [*here, Member(worker=WriterId("w-3"), agents=(ORDER,))]) == "w-3"

"""A message under the key of an agent that the conversation does not belong to, while that one's turns go on."""

import asyncio
from typing import Any

from agent_runtime_framework.actors import ConversationActor, Delivered, Directory, Life, SayToAgent
from agent_runtime_framework.events import (
    START,
    CommandRefused,
    ConversationId,
    ConversationStarted,
    Frame,
    Head,
    MemoryLog,
    ModelRequested,
    Stored,
    TurnStarted,
    UserSpoke,
    WriterId,
)
from agent_runtime_framework.runtime.agents import Journeys, agent_effects
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.retry import RetryPolicy
from agent_runtime_framework.testing import ScriptedLLM
from support.journeys import order_agent

CHAT = ConversationId("c-1")


class Overtaken(MemoryLog):
    """A log in which somebody else stores a frame just before one that this test's actor appends."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Frame | None = None

    async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
        first, self.meanwhile = self.meanwhile, None
        if first is not None:
            await super().append(conversation, first, expected)
        return await super().append(conversation, frame, expected)


def desks(first: int, prev: str, *events: Any) -> Frame:
    return Frame(first=first, time=0, writer="w-desk", agent="desk", prev=prev, events=events)


async def test_it_is_refused_though_a_turn_of_the_right_agent_begins_at_that_moment() -> None:
    log, clock = Overtaken(), SystemClock()
    begun = await log.append(CHAT, desks(1, "", ConversationStarted(agent="desk", journey_hash="", state={})), START)
    turn = (
        UserSpoke(message_id="m-1", text="hi"),
        TurnStarted(number=1, cause=2),
        ModelRequested(cause=3, last_turn=1),
    )
    log.meanwhile = desks(2, begun.head.hash, *turn)
    journeys = Journeys(order_agent(ScriptedLLM()))
    effects = agent_effects(journeys, clock=clock, retry=RetryPolicy())

    def create(agent: str, conversation: ConversationId, life: Life) -> ConversationActor:
        return ConversationActor(agent, conversation, journey=journeys, log=log, effects=effects, life=life)

    directory = Directory(WriterId("w-stray"), now=clock.now, sleep=clock.sleep, create=create)
    done = asyncio.Event()
    say = SayToAgent(id="m-2", agent="order", text="for nobody")
    directory.deliver("order", CHAT, Delivered(say, done.set, print))
    async with asyncio.timeout(5):
        await done.wait()

    events = [event for stored in [one async for one in log.read(CHAT)] for event in stored.frame.events]
    assert [type(event).__name__ for event in events[1:]] == [
        *(type(event).__name__ for event in turn),
        "CommandRefused",
    ]
    assert isinstance(events[-1], CommandRefused)
    assert events[-1].command_id == "m-2"

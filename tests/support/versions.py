"""Two versions of one agent, whose states cannot read each other, and the ways to run them one after another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, JourneyConfig, Runtime, tool
from agent_runtime_framework.events import AgentKey, ConversationId, JourneyRevised, KnownEvent, WriterId
from agent_runtime_framework.runtime.agents.binding import BoundJourney
from agent_runtime_framework.runtime.bus import partition_of
from agent_runtime_framework.runtime.members import Member, preferred
from agent_runtime_framework.runtime.substrate import Substrate
from support.journeys import recorded, working

TICKET = AgentKey("ticket")
CHAT = ConversationId("c-1")


class OldStep(StrEnum):
    """Where the old journey can be."""

    WHO = "who"
    SEATS = "seats"


class NewStep(StrEnum):
    """Where the new journey can be."""

    GUEST = "guest"
    PLACES = "places"


@dataclass
class OldTicket(BaseJourneyState[OldStep]):
    step: OldStep = OldStep.WHO
    who: str = ""
    seats: int = 0

    def is_complete(self) -> bool:
        return False


@dataclass
class NewTicket(BaseJourneyState[NewStep]):
    step: NewStep = NewStep.GUEST
    guest: str = ""
    seats: list[str] = field(default_factory=list)

    def is_complete(self) -> bool:
        return False


class OldTools(BaseJourneyTools[OldTicket]):
    """The tools of the old version; `seat` may be held up."""

    began: asyncio.Event | None = None

    @tool(effect="once", steps=OldStep.WHO, to=OldStep.SEATS)
    async def name(self, who: str) -> str:
        """Say who comes."""
        self.state.who, self.state.step = who, OldStep.SEATS
        return f"Welcome, {who}."

    @tool(effect="idempotent")
    async def seat(self) -> str:
        """Take a seat."""
        if OldTools.began is not None:
            OldTools.began.set()
            await asyncio.Event().wait()  # until its life ends
        self.state.seats += 1
        return f"Seat {self.state.seats}."


class NewTools(BaseJourneyTools[NewTicket]):
    @tool(effect="idempotent")
    async def seat(self) -> str:
        """Take a seat."""
        self.state.seats.append(f"row {len(self.state.seats) + 1}")
        return f"{self.state.guest}: {', '.join(self.state.seats)}"


class OldAgent(JourneyAgent[OldTicket, OldTools, OldStep]):
    key = TICKET
    prompts = MappingProxyType({step: f"Old: {step}" for step in OldStep})


class RewordedAgent(OldAgent):
    """Is the old agent with other prompts, whose state is the same."""

    prompts = MappingProxyType({step: f"Reworded: {step}" for step in OldStep})


class NewAgent(JourneyAgent[NewTicket, NewTools, NewStep]):
    key = TICKET
    prompts = MappingProxyType({step: f"New: {step}" for step in NewStep})


def migrate(state: dict[str, Any], from_hash: str) -> dict[str, Any]:
    """Return an old state as a new one."""
    assert len(from_hash) == 64
    seats = [f"row {number + 1}" for number in range(state["seats"])]
    return {"step": NewStep.PLACES, "guest": state["who"], "seats": seats}


def version_of(agent: JourneyAgent[Any, Any, Any]) -> str:
    """Return the hash of an agent's journey."""
    return BoundJourney(agent).hash


def old(llm: Any, **config: Any) -> OldAgent:
    return OldAgent(llm, JourneyConfig(**config))


def reworded(llm: Any, **config: Any) -> RewordedAgent:
    return RewordedAgent(llm, JourneyConfig(**config))


def new(llm: Any, **config: Any) -> NewAgent:
    return NewAgent(llm, JourneyConfig(**config))


async def say(substrate: Substrate, agent: JourneyAgent[Any, Any, Any], text: str, **options: Any) -> Any:
    """Return the reply of a worker that lives for this message only."""
    async with working(agent, substrate=substrate) as rt:
        return await rt.send(agent.key, CHAT, text, **options)


async def events_of(substrate: Substrate, agent: JourneyAgent[Any, Any, Any]) -> list[KnownEvent]:
    """Return all events of the conversation, which are known ones."""
    async with Runtime([agent], substrate=substrate) as rt:
        return [one.event for one in await recorded(rt, CHAT)]  # type: ignore[misc]


async def revisions(substrate: Substrate, agent: JourneyAgent[Any, Any, Any]) -> list[tuple[str, str]]:
    """Return from which version to which the conversation went."""
    events = await events_of(substrate, agent)
    return [(one.previous, one.journey_hash) for one in events if isinstance(one, JourneyRevised)]


def owner_first(worker: str, other: str, agent: AgentKey = TICKET) -> WriterId:
    """Return a name like `worker` under which it is the one to own the conversation, beside the other."""
    for number in range(1_000):
        here = [Member(worker=WriterId(name), agents=(agent,)) for name in (f"{worker}-{number}", other)]
        if preferred(agent, partition_of(CHAT), here) == here[0].worker:
            return here[0].worker
    raise AssertionError("there is none")


@asynccontextmanager
async def interrupted(substrate: Substrate, agent: JourneyAgent[Any, Any, Any]) -> AsyncIterator[None]:
    """Let a worker's life end in the middle of `seat`; its message was `m-seat`, and nothing acknowledged it."""
    OldTools.began = asyncio.Event()
    try:
        async with working(agent, substrate=substrate, grace=0.01) as rt:
            await rt.publish(agent.key, CHAT, "a seat", message_id="m-seat")
            await OldTools.began.wait()
    finally:
        OldTools.began = None
    yield

"""An agent for tests of several processes: its model is an HTTP server, its tools act on a world outside.

`BOOKING_OUTSIDE` is that world's port, `BOOKING_STREAM` says whether answers are streamed; the model is found by
`OPENAI_BASE_URL`.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agent_runtime_framework import (
    AgentContext,
    BaseJourneyState,
    BaseJourneyTools,
    IntentRouter,
    JourneyAgent,
    OpenAIClient,
    RouteDefinition,
    ToolSchema,
    ToolSchemaBuilder,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.outside import tell


class Step(str, Enum):  # noqa: UP042  as the seed document writes it
    """Where the booking is."""

    NAME = "name"
    BOOK = "book"


@dataclass
class Booking(BaseJourneyState[Step]):
    """What is known."""

    step: Step = Step.NAME
    name: str = ""
    booked: str = ""

    def is_complete(self) -> bool:
        return bool(self.booked)


class BookingTools(BaseJourneyTools[Booking]):
    """One tool for each effect class."""

    async def save_name(self, name: str) -> str:
        self.state.name = name
        self.state.step = Step.BOOK
        return f"Hello {name}."

    async def reserve(self, room: str) -> str:
        return await self._act("reserve", room)

    async def charge(self, room: str) -> str:
        return await self._act("charge", room)

    async def _act(self, what: str, room: str) -> str:
        answer = await tell(int(os.environ["BOOKING_OUTSIDE"]), f"{what} {room} {self.idempotency_key}")
        self.state.booked = room
        return answer


class BookingAgent(JourneyAgent[Booking, BookingTools, Step]):
    """Books a room."""

    @property
    def key(self) -> str:
        return "booking"

    def get_initial_state(self) -> Booking:
        return Booking()

    def get_system_prompt(self, state: Booking) -> str:
        return "Ask for the name." if state.step == Step.NAME else f"Book a room for {state.name}."

    def get_tool_schemas(self, state: Booking) -> list[ToolSchema]:
        if state.step == Step.NAME:
            return [ToolSchemaBuilder("save_name").param("name", "string", "The name", required=True).build()]
        return [
            ToolSchemaBuilder("reserve")
            .param("room", "string", "The room", required=True)
            .effect("idempotent")
            .build(),
            ToolSchemaBuilder("charge").param("room", "string", "The room", required=True).build(),
        ]

    def create_tools(self, state: Booking, ctx: AgentContext) -> BookingTools:
        return BookingTools(state=state)

    async def execute_tool(self, tools: BookingTools, name: str, arguments: dict[str, Any]) -> str:
        result: str = await getattr(tools, name)(**arguments)
        return result


class Concierge(JourneyAgent[Booking, BaseJourneyTools[Booking], Step]):
    """Leads to the booking, and asks the world outside whose it is."""

    key = "concierge"
    prompts = MappingProxyType(dict.fromkeys(Step, "Lead to what is wanted."))
    router = IntentRouter[str]().add_route(RouteDefinition("booking", "start_booking", "Book a room"))
    journeys: Mapping[Any, JourneyAgent[Any, Any, Any]] = MappingProxyType({"booking": BookingAgent()})

    async def enter_journey(self, journey: str, state: Booking, ctx: AgentContext) -> Booking:
        name = await tell(int(os.environ["BOOKING_OUTSIDE"]), f"enter {journey}")
        return Booking(Step.BOOK, name)


client = OpenAIClient("gpt-test", stream=os.environ.get("BOOKING_STREAM", "1") == "1")
agent = BookingAgent(client)
concierge = Concierge(client)

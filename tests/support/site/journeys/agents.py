"""The project's agent: it books a day, with a tool that asks the project's database."""

import msgspec
from django_agent_runtime.runtime.registry import register_runtime
from journeys.models import Run
from journeys.stores import DatabaseStore

from agent_runtime_framework import (
    BaseJourneyTools,
    DjangoRuntimeAdapter,
    OpenAIClient,
    PromptTemplate,
    StateStore,
    tool,
)


class State(msgspec.Struct):
    """Is what is known of a booking."""

    step: str = "name"
    name: str = ""
    day: str = ""


class Tools(BaseJourneyTools[State]):
    """What the agent can do."""

    @tool(steps="name", effect="idempotent")
    async def save_name(self, name: str) -> str:
        """Save the guest's name."""
        self.state.name, self.state.step = name, "day"
        return f"Guest {await Run.objects.acount()} is {name}."

    @tool(steps="day")
    def book(self, day: str) -> str:  # a plain method runs in a thread, where the database may be asked plainly
        """Book a day."""
        self.state.day, self.state.step = day, "done"
        return f"{self.state.name} is booked for {day}, as number {Run.objects.count()}."


class Booking(DjangoRuntimeAdapter[State, Tools, str]):
    """Books a day."""

    key = "booking"
    prompts = {  # noqa: RUF012
        "name": "Ask for the name.",
        "day": PromptTemplate("Ask $name for the day."),
        "done": "Say good-bye.",
    }


register_runtime(Booking(OpenAIClient(), state_store=StateStore(DatabaseStore())))

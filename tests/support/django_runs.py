"""Runs as django_agent_runtime hands them over: events and checkpoints are JSON columns, and belong to one run."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from agent_runtime_framework import (
    AgentContext,
    BaseJourneyState,
    BaseJourneyTools,
    DjangoRuntimeAdapter,
    ToolSchema,
    ToolSchemaBuilder,
)

COMPANIONS = Path(__file__).parent / "companions"


class BareRun:
    """Is a run with the least that a context has; `looks` says whether it is cancelled, each time that is asked."""

    def __init__(self, *texts: str, run: str = "r-1", conversation: Any = "c-1", **more: Any) -> None:
        self.run_id = UUID(int=int(run[2:]))
        self.conversation_id = conversation
        self.input_messages: list[dict[str, Any]] = [{"role": "user", "content": text} for text in texts]
        self.params: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.loop = asyncio.get_running_loop()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.checkpoints: list[dict[str, Any]] = []
        self.spoken: list[str] = []
        self.looks: Callable[[], bool] = lambda: False
        vars(self).update(more)

    def following(self, result: Any, text: str) -> Self:
        """Return the next run of the conversation: its whole history, and a new message."""
        number = self.run_id.int + 1
        run = type(self)(run=f"r-{number}", conversation=self.conversation_id)
        run.input_messages = [*self.input_messages, *result.final_messages, {"role": "user", "content": text}]
        return run

    async def emit(self, type: str, payload: dict[str, Any]) -> None:  # noqa: A002
        self.here()
        self.events.append((type, json.loads(json.dumps(payload))))

    async def checkpoint(self, state: dict[str, Any]) -> None:
        self.here()
        self.checkpoints.append(json.loads(json.dumps(state)))

    async def get_state(self) -> dict[str, Any] | None:
        self.here()
        return self.checkpoints[-1] if self.checkpoints else None

    def cancelled(self) -> bool:
        return self.looks()

    def here(self) -> None:
        """Fail on any loop but the one that the run was made on."""
        assert asyncio.get_running_loop() is self.loop


class Run(BareRun):
    """Is a run as the runner's newest release has it."""

    async def emit_user_message(self, text: str) -> None:
        self.here()
        self.spoken.append(text)

    async def check_cancelled(self) -> bool:
        self.here()
        return self.looks()

    def cancelled(self) -> bool:
        return False


class Step(StrEnum):
    """Where the booking can be."""

    NAME = "name"
    DATE = "date"
    DONE = "done"


@dataclass
class Booking(BaseJourneyState[Step]):
    """Has fields that are no JSON by themselves."""

    step: Step = Step.NAME
    name: str = ""
    day: date | None = None
    number: UUID | None = None

    def is_complete(self) -> bool:
        return self.step == Step.DONE


DONE = {"step": "done", "name": "Ada", "day": "2030-01-02", "number": str(UUID(int=7))}
"""What a booking by Ada comes to, as JSON."""


class BookingTools(BaseJourneyTools[Booking]):
    """Tools that announce their changes, and one that does not."""

    async def save_name(self, name: str) -> str:
        self.state.name, self.state.step = name, Step.DATE
        await self._notify_state_change()
        return f"Hello {name}."

    async def save_day(self, day: str) -> str:
        self.state.day, self.state.step = date.fromisoformat(day), Step.DONE
        self.state.number = UUID(int=7)
        return f"Booked with {self._require_backend()}."

    async def fail(self) -> str:
        self.state.name = "never"
        await self._notify_state_change()
        raise ValueError("no room")


class BookingAgent(DjangoRuntimeAdapter[Booking, BookingTools, Step]):
    """Books a day, written by hand as the adapter's authors do."""

    @property
    def key(self) -> str:
        return "booking"

    def get_initial_state(self) -> Booking:
        return Booking()

    def get_system_prompt(self, state: Booking) -> str:
        return f"At {state.step}."

    def get_tool_schemas(self, state: Booking) -> list[ToolSchema]:
        offered = {Step.NAME: ["save_name", "fail"], Step.DATE: ["save_day", "fail"], Step.DONE: []}[state.step]
        return [
            ToolSchemaBuilder(name).effect("once" if name == "save_day" else "idempotent").build() for name in offered
        ]

    def create_tools(self, state: Booking, ctx: AgentContext, backend_client: Any) -> BookingTools:
        return BookingTools(state=state, backend_client=backend_client)

    async def execute_tool(self, tools: BookingTools, name: str, args: dict[str, Any]) -> str:
        result: str = await getattr(tools, name)(**args)
        return result

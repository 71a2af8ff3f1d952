"""Declared tools inside another runtime: an adapter that is as short as an agent, and what its tools may be given."""

from datetime import date
from typing import ClassVar

import pytest

from agent_runtime_framework import BaseJourneyTools, DjangoRuntimeAdapter, NoReply, tool
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.django_runs import DONE, Booking, Run, Step


class DeclaredBooking(BaseJourneyTools[Booking]):
    @tool(steps=Step.NAME, effect="idempotent")
    async def save_name(self, name: str) -> str:
        """Save the name."""
        self.state.name, self.state.step = name, Step.DATE
        return f"{self._require_backend()} greets {name}."

    @tool(steps=Step.DATE, effect="once")
    async def save_day(self, day: date) -> str:
        """Save the day."""
        self.state.day, self.state.step = day, Step.DONE
        return "Booked."


class ShortestAdapter(DjangoRuntimeAdapter[Booking, DeclaredBooking, Step]):
    key = "shortest"
    prompts: ClassVar = {step: f"At {step}." for step in Step}


async def test_an_adapter_is_as_short_as_an_agent_and_its_declared_tools_are_checked_as_there() -> None:
    run = Run("I am Ada, on 2030-01-02")
    script = (
        calls(("save_name", {"name": 7})),
        calls(("save_name", {"name": "Ada"}), ("save_name", {"name": "Bo"})),
        calls(("save_day", {"day": "soon"})),
        calls(("save_day", {"day": "2030-01-02"})),
        "See you.",
    )
    with ScriptedLLM(*script) as llm:
        agent = ShortestAdapter(llm, "the hotel", terminal_tools=())
        result = await agent.run(run)

    assert [said["result"] for name, said in run.events if name == "tool.result"] == [
        "Error: the arguments of 'save_name' do not fit: `name`: Expected `str`, got `int`",
        "the hotel greets Ada.",
        "Error: Tool 'save_name' is not available now",
        "Error: the arguments of 'save_day' do not fit: `day`: Invalid RFC3339 encoded date",
        "Booked.",
    ]
    assert result.final_output["state"] == {**DONE, "number": None}
    assert [request.messages[0]["content"] for request in llm.requests] == [
        "At name.",
        "At name.",
        "At date.",
        "At date.",
        "At done.",
    ]


async def test_a_once_tool_whose_arguments_do_not_fit_was_not_started() -> None:
    run = Run("soon")
    run.checkpoints.append({"step": "date", "name": "Ada"})
    agent = ShortestAdapter(ScriptedLLM(calls(("save_day", {"day": "soon"})), ValueError("no model")))
    with pytest.raises(NoReply) as raised:
        await agent.run(run)

    assert await agent.on_error(run, raised.value) is None

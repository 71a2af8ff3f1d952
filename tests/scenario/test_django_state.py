"""The state of a run inside another runtime: where it comes from, and when and as what it is kept."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import pytest

from agent_runtime_framework import StateStore
from agent_runtime_framework.adapters import DjangoStateStore
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.django_runs import DONE, BareRun, Booking, BookingAgent, BookingTools, Run, Step

NAMED = calls(("save_name", {"name": "Ada"}))
BOOKED = calls(("save_day", {"day": "2030-01-02"}))


async def test_the_state_is_checkpointed_at_each_change_and_at_the_end() -> None:
    run = Run("I am Ada, on 2030-01-02")
    with ScriptedLLM(NAMED, BOOKED, "See you.") as llm:
        await BookingAgent(llm, "the hotel").run(run)

    named = {"step": "date", "name": "Ada", "day": None, "number": None}
    assert run.checkpoints == [named, DONE, DONE]


async def test_a_run_without_a_change_is_checkpointed_once_at_its_end() -> None:
    run = Run("hi")
    with ScriptedLLM("Your name?") as llm:
        await BookingAgent(llm).run(run)

    assert run.checkpoints == [{"step": "name", "name": "", "day": None, "number": None}]


async def test_a_tool_that_fails_after_its_change_was_checkpointed_is_checkpointed_back() -> None:
    run = Run("hi")
    with ScriptedLLM(calls(("fail", {})), "No room.") as llm:
        result = await BookingAgent(llm).run(run)

    assert [state["name"] for state in run.checkpoints] == ["never", "", ""]
    assert result.final_output["state"]["name"] == ""


async def test_a_run_that_is_tried_again_goes_on_from_its_checkpoint() -> None:
    run = Run("on 2030-01-02")
    run.checkpoints.append({"step": "date", "name": "Ada"})
    with ScriptedLLM(BOOKED, "See you.") as llm:
        result = await BookingAgent(llm, "the hotel").run(run)

    assert result.final_output["state"] == DONE


async def test_at_the_next_message_the_state_comes_from_the_store_by_conversation_and_agent() -> None:
    states = StateStore()
    with ScriptedLLM(NAMED, "Which day?", BOOKED, "See you.") as llm:
        agent = BookingAgent(llm, "the hotel", state_store=states)
        first = Run("I am Ada")
        second = first.following(await agent.run(first), "2030-01-02")
        result = await agent.run(second)

    assert result.final_output["state"] == DONE
    assert await states.load_state("c-1", "booking") == DONE
    assert llm.requests[2].messages[0] == {"role": "system", "content": "At date."}
    assert [said["role"] for said in llm.requests[2].messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]


async def test_the_store_has_each_state_as_soon_as_it_is_checkpointed() -> None:
    states = StateStore()
    seen: list[Any] = []

    class Looking(BookingAgent):
        async def on_state_change(self, ctx: Any, state: Booking) -> None:
            kept = await states.load_state(ctx.conversation_id, self.key)
            seen.append((kept, ctx.checkpoints[-1] == kept, state.name))

    with ScriptedLLM(NAMED, "Which day?") as llm:
        await Looking(llm, state_store=states).run(Run("I am Ada"))

    assert seen == [({"step": "date", "name": "Ada", "day": None, "number": None}, True, "Ada")]


async def test_without_a_store_a_warning_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedLLM("Hi.", "Hi.", "Hi.") as llm:
        agent = BookingAgent(llm)
        await agent.run(Run("hi", conversation=None))
        assert caplog.records == []
        await agent.run(Run("hi"))
        await agent.run(Run("hi", conversation="c-2"))

    (warned,) = caplog.records
    assert (warned.levelno, warned.name) == (logging.WARNING, "agent_runtime_framework.adapters")
    assert "booking has no state_store" in warned.getMessage()


async def test_a_run_that_is_tried_again_goes_on_from_its_checkpoint_and_not_from_the_store() -> None:
    states = StateStore()
    await states.save_state("c-1", "booking", {"step": "name", "name": "of the last run"})
    run = Run("on 2030-01-02")
    run.checkpoints.append({"step": "date", "name": "Ada"})
    with ScriptedLLM("Which day?") as llm:
        result = await BookingAgent(llm, state_store=states).run(run)

    assert result.final_output["state"]["name"] == "Ada"


async def test_a_context_may_give_its_checkpoint_without_being_awaited() -> None:
    class Plain(BareRun):
        def get_state(self) -> dict[str, Any] | None:  # type: ignore[override]
            return {"step": "date", "name": "Ada"}

    with ScriptedLLM("Which day?") as llm:
        result = await BookingAgent(llm).run(Plain("hi"))

    assert result.final_output["state"]["name"] == "Ada"


async def test_changes_that_a_tool_announces_at_once_are_checkpointed_in_their_order() -> None:
    class Slowing(Run):
        async def checkpoint(self, state: dict[str, Any]) -> None:
            for _ in range(10 - len(state["name"])):  # the first would come last if they did not wait for each other
                await asyncio.sleep(0)
            await super().checkpoint(state)

    class Gathering(BookingAgent):
        async def execute_tool(self, tools: BookingTools, name: str, args: dict[str, Any]) -> str:
            telling = []
            for word in ("a", "ab", "abc"):
                tools.state.name = word
                telling.append(asyncio.ensure_future(tools._notify_state_change()))
                await asyncio.sleep(0)
            await asyncio.gather(*telling)
            return "Told."

    run = Slowing("hi")
    with ScriptedLLM(NAMED, "Hello.") as llm:
        await Gathering(llm).run(run)

    assert [state["name"] for state in run.checkpoints] == ["a", "ab", "abc", "abc"]


@dataclass
class Frank(Booking):
    """Gives its fields as they are, which are no JSON."""

    def to_dict(self) -> dict[str, Any]:
        return {"step": self.step, "name": self.name, "day": self.day, "number": self.number}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Frank":
        day, number = data["day"], data["number"]
        return cls(
            Step(data["step"]),
            data["name"],
            date.fromisoformat(day) if day else None,
            UUID(number) if number else None,
        )


class FrankAgent(BookingAgent):
    def get_initial_state(self) -> Booking:
        return Frank()


async def test_a_hand_written_dict_that_is_no_json_is_checkpointed_and_given_as_json() -> None:
    run, states = Run("I am Ada, on 2030-01-02"), StateStore()
    with ScriptedLLM(NAMED, BOOKED, "See you.") as llm:
        result = await FrankAgent(llm, "the hotel", state_store=states).run(run)

    assert run.checkpoints[-1] == result.final_output["state"] == DONE
    assert msgspec.json.decode(msgspec.json.encode(result.final_output["state"])) == result.final_output["state"]
    assert await states.load_state("c-1", "booking") == DONE


async def test_a_checkpoint_store_keeps_dicts_and_state_objects() -> None:
    run = Run("hi")
    kept = DjangoStateStore(run, "booking")

    assert await kept.load() is None
    await kept.save({"step": "date"})
    assert await kept.load() == {"step": "date"}
    await kept.save(Booking(name="Ada"))
    assert await kept.load() == {"step": "name", "name": "Ada", "day": None, "number": None}


async def test_a_checkpoint_store_makes_json_of_what_it_is_given() -> None:
    run = Run("hi")
    await DjangoStateStore(run, "booking").save({"day": date(2030, 1, 2), "number": UUID(int=7)})

    assert run.checkpoints == [{"day": "2030-01-02", "number": str(UUID(int=7))}]

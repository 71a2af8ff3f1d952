"""What today's code would do to open conversations: strand them, change them, or nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest

from agent_runtime_framework import (
    BaseJourneyState,
    BaseJourneyTools,
    JourneyAgent,
    JourneyConfig,
    NotFound,
    replay,
    tool,
)
from agent_runtime_framework.actors import RecordAnswer, SayToAgent, settle
from agent_runtime_framework.events import Frame, Head, Stored, TurnFailed
from agent_runtime_framework.projections import fold, initial
from agent_runtime_framework.runtime.agents import Journeys
from agent_runtime_framework.runtime.replay import Prospect, prospect
from agent_runtime_framework.testing import Say, calls, simulate
from support.desk import DeskAgent
from support.signup import recorded as talked


@dataclass
class Order(BaseJourneyState[str]):
    step: str = "open"
    dishes: list[str] = field(default_factory=list)

    def is_complete(self) -> bool:
        return self.step == "placed"


class OrderTools(BaseJourneyTools[Order]):
    @tool(steps="open", effect="idempotent")
    async def add(self, dish: str) -> str:
        """Add a dish."""
        self.state.dishes.append(dish)
        return f"Added {dish}."

    @tool(steps="open", to="placed", effect="once")
    async def place(self) -> str:
        """Place the order."""
        self.state.step = "placed"
        return "Placed."


class Kitchen(JourneyAgent[Order, OrderTools, str]):
    key = "kitchen"
    prompts = MappingProxyType({"open": "Take the order.", "placed": "Say that it comes."})


class Politely(Kitchen):
    prompts = MappingProxyType({"open": "Take the order, please.", "placed": "Say that it comes."})


class Raising(Kitchen):
    def get_system_prompt(self, state: Order) -> str:
        raise LookupError("no prompt for it")


@dataclass
class Counted(BaseJourneyState[str]):
    """Is the state of a later version, which cannot read the old one."""

    step: str = "open"
    dishes: dict[str, int] = field(default_factory=dict)

    def is_complete(self) -> bool:
        return False


class CountedTools(BaseJourneyTools[Counted]):
    @tool(effect="read")
    async def look(self) -> str:
        """Look at the order."""
        return str(self.state.dishes)


class Counting(JourneyAgent[Counted, CountedTools, str]):
    key = "kitchen"
    prompts = MappingProxyType({"open": "Take the order.", "placed": "Say that it comes."})


def count(state: dict[str, Any], from_hash: str) -> dict[str, Any]:
    assert len(from_hash) == 64
    return {**state, "dishes": dict.fromkeys(state["dishes"], 1)}


async def each(log: list[Stored]) -> AsyncIterator[Stored]:
    for stored in log:
        yield stored


def recorded(*answers: Any) -> list[Stored]:
    """Return the log of a conversation in which the model says these things."""
    left = iter((*answers, "Yes?"))
    run = simulate(Kitchen(), [Say("c-1", "soup")], faults=(), model=lambda *_: next(left))
    return list(run.logs[next(iter(run.logs))])


OPEN = recorded(calls(("add", {"dish": "soup"})))
PLACED = recorded(calls(("place", {})))


def lost(state: dict[str, Any], from_hash: str) -> dict[str, Any]:
    raise KeyError("soup")


def migrated() -> list[Stored]:
    """Return the open log with a second turn, led by the later version, which migrated the state."""
    journeys = Journeys(Counting(config=JourneyConfig(on_new_version=count)))
    now, log = fold(initial(OPEN[0].conversation), [stored.frame for stored in OPEN]), list(OPEN)
    for answered in (False, True):
        request = None if now.turn is None else now.turn.request
        settled = settle(
            now,
            journeys,
            RecordAnswer(request=request.version, message={"role": "assistant", "content": "Yes."})
            if answered and request is not None
            else SayToAgent(id="m-2", agent="kitchen", text="and?"),
        )
        frame = Frame(first=now.version + 1, time=0, writer="w", agent="kitchen", events=settled.events)
        log.append(Stored(now.id, frame, Head(frame.last, len(log) + 1, ""), b""))
        now = settled.conversation
    return log


async def of(log: list[Stored], agent: JourneyAgent[Any, Any, Any], **given: Any) -> Prospect:
    found = await prospect(each(log), agent, **given)
    assert found is not None
    return found


async def test_nothing_changes_for_the_same_code() -> None:
    found = await of(OPEN, Kitchen())
    assert (found.conversation, found.step, found.strands, found.same) == ("c-1", "open", "", True)


async def test_another_prompt_changes_it_unless_that_is_ignored() -> None:
    found = await of(OPEN, Politely())
    assert found.replayed is not None
    assert found.replayed.first is not None
    assert (found.same, found.replayed.first.aspect) == (False, "prompt")
    assert (await of(OPEN, Politely(), ignore={"prompt"})).same


async def test_code_that_raises_or_cannot_read_the_state_strands_it() -> None:
    assert (await of(OPEN, Raising())).strands == "LookupError: no prompt for it"
    assert "dishes" in (await of(OPEN, Counting())).strands


async def test_a_pinned_one_is_stranded_until_a_worker_of_its_version_runs() -> None:
    found = await of(OPEN, Politely(config=JourneyConfig(on_new_version="pin")))
    assert found.strands.startswith("the conversation is pinned to version ")


async def test_a_migration_is_told_by_what_it_changes() -> None:
    found = await of(OPEN, Counting(config=JourneyConfig(on_new_version=count)))
    assert found.replayed is not None
    (one,) = found.replayed.divergences
    assert (one.aspect, one.subject, one.then, one.now) == ("state", "dishes", '["soup"]', '{"soup":1}')


async def test_one_that_was_migrated_is_held_to_the_code_from_there_on() -> None:
    log = migrated()
    assert (await of(log, Counting(config=JourneyConfig(on_new_version=count)))).same
    assert (await of(log, Counting())).same
    assert "(from 13 on, where the state was migrated): the same" in str(await replay(log, Counting()))

    class Curtly(Counting):
        prompts = MappingProxyType({"open": "Order!", "placed": "Say that it comes."})

    found = await of(log, Curtly())
    assert found.replayed is not None
    assert [(one.aspect, one.turn) for one in found.replayed.divergences] == [("prompt", 2)]


async def test_a_migration_that_raises_strands_it() -> None:
    assert (await of(OPEN, Counting(config=JourneyConfig(on_new_version=lost)))).strands == "KeyError: 'soup'"


async def test_one_that_is_over_is_none_of_them() -> None:
    assert await prospect(each(PLACED), Politely()) is None


async def test_one_in_a_journey_that_is_over_leads_back_so_it_is_open() -> None:
    claim = (calls(("file_claim", {})), "What happened?"), (calls(("file", {"damage": "dent"})), "Filed.")
    log = await asyncio.to_thread(talked, DeskAgent(), tuple(zip(("it is broken", "a dent"), claim, strict=True)))
    found = await of(log, DeskAgent())
    assert (found.step, found.same) == ("done", True)


async def test_a_turn_in_progress_is_open_and_is_gone_on_with() -> None:
    assert (await of(OPEN[:2], Kitchen())).same
    assert (await of(OPEN[:2], Raising())).strands == ""  # its prompt is not asked for before the answer


async def test_nothing_recorded_is_no_conversation() -> None:
    with pytest.raises(NotFound):
        await prospect(each([]), Kitchen())


async def test_a_migration_that_raised_then_raises_again_in_a_replay() -> None:
    class Later(Kitchen):
        prompts = MappingProxyType({"open": "Take the order.", "placed": "It comes."})

    journeys = Journeys(Later(config=JourneyConfig(on_new_version=lost)))
    now = fold(initial(OPEN[0].conversation), [stored.frame for stored in OPEN])
    failed = settle(now, journeys, SayToAgent(id="m-2", agent="kitchen", text="and?"))
    assert isinstance(failed.events[-1], TurnFailed)
    frame = Frame(first=now.version + 1, time=0, writer="w", agent="kitchen", events=failed.events)
    log = [*OPEN, Stored(now.id, frame, Head(frame.last, len(OPEN) + 1, ""), b"")]

    assert (await replay(log, Later(config=JourneyConfig(on_new_version=lost)))).divergences == ()
    (one,) = (await replay(log, Later())).divergences
    assert (one.aspect, one.then.partition(":")[0]) == ("outcome", "failed (author_error)")

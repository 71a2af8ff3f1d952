"""A worker that is killed before any single step of a turn: another goes on, and nothing is lost, doubled or stuck."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pytest

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, tool
from agent_runtime_framework.events import (
    ModelAnswered,
    ModelRequested,
    ToolFailed,
    ToolReturned,
    TurnCompleted,
    TurnFailed,
)
from agent_runtime_framework.testing import Crash, Inconclusive, Pause, Say, Simulation, calls, simulate


class Step(StrEnum):
    ONLY = "only"


@dataclass
class Basket(BaseJourneyState[Step]):
    step: Step = Step.ONLY
    lines: list[str] = field(default_factory=list)

    def is_complete(self) -> bool:
        return False


class Tools(BaseJourneyTools[Basket]):
    @tool(effect="once")
    async def pay(self, line: str) -> str:
        """Pay for a line."""
        self.state.lines.append(line)
        return f"Paid {line}."

    @tool(effect="idempotent")
    async def note(self, line: str) -> str:
        """Note a line."""
        self.state.lines.append(line)
        return f"Noted {line}."


class Shop(JourneyAgent[Basket, Tools, Step]):
    key = "shop"
    prompts = {Step.ONLY: "Sell."}  # noqa: RUF012


def answer(messages: list[dict[str, Any]], _tools: Any, _random: Any) -> Any:
    """Call two tools, then reply."""
    if messages[-1]["role"] == "tool":
        return "Done."
    return calls(("pay", {"line": "tea"}), ("note", {"line": "cake"}))


def turn(*faults: Any) -> Simulation:
    """Return the run of one turn with two tool calls; a broken rule is raised."""
    return simulate(Shop(), [Say("c-1", "tea and cake")], 1, model=answer, faults=faults)


def turn_until(fault: Any) -> Simulation:
    """Return the run of one turn, which may be over before the fault: a sweep goes on until it is."""
    try:
        return turn(fault)
    except Inconclusive as late:
        assert late.simulation.never_happened == (fault,)
        return late.simulation


def owner() -> int:
    """Return which worker answers when nothing goes wrong."""
    log = turn().logs
    return int(next(iter(log.values()))[0].frame.writer.split("-")[1])


OWNER = owner()
STEPS = turn().worker_steps[OWNER]
PARTS = 8


def sound(run: Simulation, at: int) -> None:
    """Check what the rules do not: one turn, one reply, nothing asked again that was answered, tools not repeated."""
    (log,) = run.logs.values()
    events = [event for stored in log for event in stored.frame.events]
    outcomes = [event for event in events if isinstance(event, ToolReturned | ToolFailed)]
    asked = Counter(effect.request for effect in run.effects if effect.kind == "model")
    paid = [effect for effect in run.effects if effect.name == "pay"]

    assert run.turns == 1, at
    assert isinstance(events[-1], TurnCompleted), at
    assert len(outcomes) == 2, at
    assert [outcome.kind for outcome in outcomes if isinstance(outcome, ToolFailed)] in ([], ["in_doubt"]), at
    assert len(paid) <= 1, at
    assert sum(isinstance(event, ModelAnswered) for event in events) == 2, at
    assert asked.total() <= sum(isinstance(event, ModelRequested) for event in events), at


@pytest.mark.parametrize("part", range(PARTS))
def test_wherever_a_worker_is_killed_the_turn_comes_to_its_end(part: int) -> None:
    killed = 0
    for step in range(1 + part, STEPS + 1, PARTS):
        run = turn_until(Crash(worker=OWNER, step=step))
        sound(run, step)
        if run.never_happened:
            break  # all was over before that step
        assert run.counted == {"crash": 1}, step
        killed += 1
    assert killed * PARTS > 50


@pytest.mark.parametrize("part", range(PARTS))
def test_wherever_a_worker_is_held_up_past_its_lease_the_turn_comes_to_its_end(part: int) -> None:
    for step in range(1 + part, STEPS + 1, PARTS):
        sound(turn_until(Pause(worker=OWNER, step=step, seconds=4)), step)


def test_after_every_append_effect_and_acknowledgement_another_goes_on() -> None:
    undisturbed = turn()
    (log,) = undisturbed.logs.values()
    happened = len(log) + len(undisturbed.effects) + 1
    for after in range(1, happened + 1):
        run = turn(Crash(after=after, down=None))
        sound(run, after)
        assert run.counted == {"crash": 1}, after


def test_a_turn_that_ends_every_life_is_given_up_and_says_so() -> None:
    run = turn(*(Crash(after=after, down=0.1) for after in (1, 2, 3, 4)))
    (log,) = run.logs.values()

    assert [event.reason for event in log[-1].frame.events if isinstance(event, TurnFailed)] == ["poison"]


def test_wherever_a_worker_is_killed_for_good_another_goes_on() -> None:
    for step in range(1, STEPS + 1, 5):
        sound(turn_until(Crash(worker=OWNER, step=step, down=None)), step)

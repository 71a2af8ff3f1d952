"""Random runs whose workers have different versions of their agents: no rule is broken, whatever these make of it."""

import copy
import itertools
from random import Random
from typing import Any

import pytest

from agent_runtime_framework import JourneyAgent
from agent_runtime_framework.events import CommandRefused, JourneyRevised, StateChanged, TurnFailed
from agent_runtime_framework.runtime import worker
from agent_runtime_framework.runtime.testing.simulation import Simulator, random_journeys, random_script
from agent_runtime_framework.runtime.testing.simulation.loop import Process
from agent_runtime_framework.runtime.worker import Worker

EACH = 40


def migrate(state: dict[str, Any], from_hash: str) -> dict[str, Any]:
    """Return a state that says where it comes from."""
    return {**state, "notes": [*state["notes"], f"from {from_hash[:6]}"], "step": "first"}


def raising(state: dict[str, Any], from_hash: str) -> dict[str, Any]:
    if len(state["notes"]) % 2:
        raise ValueError(f"cannot make anything of {from_hash[:6]}")
    return state


def of_version(agent: Any, version: int, on_new_version: Any) -> Any:
    """Return an agent with other words, and those that it leads to likewise."""
    made: Any = copy.copy(agent)
    made.config = copy.copy(agent.config)
    made.config.on_new_version = on_new_version
    made.get_system_prompt = lambda state: f"{agent.get_system_prompt(state)} You are number {version}."
    made.journeys = {to: of_version(other, version, on_new_version) for to, other in agent.journeys.items()}
    return made


class Mixed(Simulator):
    """Gives each life of a worker a version of the agents: any, or, where they pin, always that of its number."""

    on_new_version: Any = "continue"

    def worker(self, process: Process) -> Worker:
        number = int(process.name.split("-")[0])
        self.version = (
            number % 2 if self.on_new_version == "pin" else Random(f"{self.seed} {process.name}").choice((0, 1, 2))
        )
        return super().worker(process)

    def agent(self, agent: JourneyAgent[Any, Any, Any]) -> JourneyAgent[Any, Any, Any]:
        return super().agent(of_version(agent, self.version, self.on_new_version))


def events_of(on_new_version: Any, seeds: range) -> list[Any]:
    """Return the events of some runs in which every command had its outcome and every rule held."""
    events: list[Any] = []
    for seed in seeds:
        agents = random_journeys(seed)
        mixed = type(
            "Mixed",
            (Mixed,),
            {"on_new_version": staticmethod(on_new_version) if callable(on_new_version) else on_new_version},
        )
        run = mixed(agents, random_script(seed, [agent.key for agent in agents]), seed, workers=2 + seed % 2).run()
        assert not run.broken, (seed, run.broken)
        assert not run.waiting, (seed, run.waiting)
        events += [event for log in run.logs.values() for stored in log for event in stored.frame.events]
    return events


@pytest.mark.parametrize("first", range(0, 3 * EACH, EACH))
def test_versions_that_go_on_break_no_rule(first: int) -> None:
    events = events_of("continue", range(first, first + EACH))

    assert sum(isinstance(event, JourneyRevised) for event in events) > EACH / 8


@pytest.mark.parametrize("first", range(0, 3 * EACH, EACH))
def test_versions_that_migrate_break_no_rule(first: int) -> None:
    events = events_of(migrate, range(first, first + EACH))

    migrated = [
        after
        for before, after in itertools.pairwise(events)
        if isinstance(before, JourneyRevised) and isinstance(after, StateChanged)
    ]
    assert len(migrated) > EACH / 8


@pytest.mark.parametrize("first", range(0, 3 * EACH, EACH))
def test_migrations_that_raise_break_no_rule(first: int) -> None:
    events = events_of(raising, range(first, first + EACH))

    assert any("cannot make anything" in event.error for event in events if isinstance(event, TurnFailed))


@pytest.mark.parametrize("first", range(0, 3 * EACH, EACH))
def test_versions_that_pin_break_no_rule(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "DECLINED_FOR", 10.0)
    events = events_of("pin", range(first, first + EACH))

    assert not any(isinstance(event, JourneyRevised) for event in events)


def test_what_is_pinned_is_refused_in_some_of_these_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "DECLINED_FOR", 10.0)

    assert any(
        isinstance(event, CommandRefused) and "pinned to version" in event.reason
        for seed in range(400)  # it happens in one of a hundred or so; the first will do
        for event in events_of("pin", range(seed, seed + 1))
    )

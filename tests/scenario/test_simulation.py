"""The simulator: the same seed gives the same run, what is asked for happens, what breaks can be seen again."""

import subprocess
import sys
from typing import Any

import pytest

from agent_runtime_framework import Client
from agent_runtime_framework.runtime.testing.simulation import KINDS, Simulator, random_journeys
from agent_runtime_framework.testing import (
    Cancel,
    Crash,
    Join,
    Leave,
    OnboardingAgent,
    Pause,
    Publish,
    Read,
    RuleBroken,
    Say,
    Simulation,
    calls,
    random_journey,
    random_script,
    simulate,
)

TALK = (Say("c-1", "hi"), Say("c-1", "I am Ada", 1.0), Say("c-2", "hello", 0.5), Read("c-1", 1.5))
PRINTED = """
from agent_runtime_framework.testing import random_journey, random_script, simulate
run = simulate(random_journey({seed}), random_script({seed}), {seed})
print([one.head.hash for log in run.logs.values() for one in log], run.faults, run.steps, run.seconds)
"""


def run_of(seed: int, **options: Any) -> Simulation:
    """Return the run of a random agent."""
    agents = random_journeys(seed)
    return simulate(agents, random_script(seed, [agent.key for agent in agents]), seed, **options)


def everything(run: Simulation) -> Any:
    """Return all that a run came to."""
    return [one.data for log in run.logs.values() for one in log], run.faults, run.effects, run.steps, run.seconds


@pytest.mark.parametrize("seed", [0, 9, 13, 14, 15, 16])
def test_the_same_seed_gives_the_same_run_to_the_last_byte(seed: int) -> None:
    assert everything(run_of(seed)) == everything(run_of(seed))


def test_a_seed_gives_the_same_run_in_another_process() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", PRINTED.format(seed=9)],
            env={"PYTHONHASHSEED": hashes},
            check=True,
            capture_output=True,
            timeout=50,
        ).stdout
        for hashes in ("1", "2")
    }
    assert len(printed) == 1


def test_another_seed_gives_another_run() -> None:
    assert len({str(everything(simulate(OnboardingAgent(), TALK, seed))) for seed in range(4)}) == 4


def test_without_faults_nothing_goes_wrong() -> None:
    run = simulate(OnboardingAgent(), TALK, 3, faults=())

    assert (run.turns, run.commands, run.faults) == (3, 3, ())
    assert {chat: log[-1].frame.status for chat, log in run.logs.items()} == {"c-1": "idle", "c-2": "idle"}


def test_an_author_says_what_the_model_answers() -> None:
    def answer(messages: list[dict[str, Any]], tools: Any, random: Any) -> Any:
        return "Welcome!" if messages[-1]["role"] == "tool" else calls(("begin", {}))

    run = simulate(OnboardingAgent(), [Say("c-1", "hi")], 1, model=answer, faults=())

    assert [effect.name for effect in run.effects] == ["simulated", "begin", "simulated"]


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"said_twice", "bad_command", "log_spoiled"}))
def test_each_kind_of_fault_happens_and_only_where_it_may(kind: str) -> None:
    for seed in range(60):
        run = run_of(seed, faults=[kind])
        script = {"said_twice", "bad_command", "log_spoiled"}
        assert set(run.counted) - script <= {kind}
        if kind in run.counted:
            return
    raise AssertionError(f"{kind} never happened")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Crash(worker=0, step=40), "crash"),
        (Crash(worker=1, at=0.3), "crash"),
        (Pause(worker=0, step=40, seconds=5), "pause"),
        (Leave(worker=0, at=0.2), "leave"),
        (Join(at=0.2), "join"),
    ],
)
def test_a_fault_that_is_asked_for_happens(fault: Any, kind: str) -> None:
    run = simulate(OnboardingAgent(), TALK, 5, faults=[fault])

    assert (run.counted, run.turns) == ({kind: 1}, 3)


def test_a_fault_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="no such fault: quake; there are crash"):
        simulate(OnboardingAgent(), TALK, faults=["quake"])


def test_a_cancel_and_bad_bytes_are_part_of_a_script() -> None:
    script = (*TALK, Cancel("c-1", 0.05), Publish("c-1", b"\xff", 0.1))
    run = simulate(OnboardingAgent(), script, 4, faults=())

    assert (run.commands, run.turns, run.counted) == (4, 3, {"bad_command": 1})


def test_what_is_broken_is_raised_with_its_rule_and_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nosy(self: Client, conversation_id: Any, at: int | None = None) -> Any:
        await self.publish("onboarding", conversation_id, "I am reading", message_id="m-nosy")

    monkeypatch.setattr(Client, "conversation", nosy)
    with pytest.raises(
        RuleBroken,
        match=r"rule 7 \(reading changes nothing\) is broken in 'c-1': a reader asked to publish .* seed=12\)",
    ):
        simulate(OnboardingAgent(), TALK, seed=12, faults=())


def test_a_run_leaves_the_agent_as_it_was() -> None:
    agent = random_journey(1)
    before = dict(vars(agent))
    simulate(agent, random_script(1), 1)

    assert vars(agent) == before


def test_a_simulator_that_ran_has_left_nothing_running() -> None:
    simulator = Simulator([random_journey(2)], random_script(2), 2)
    simulator.run()

    assert simulator.loop.is_closed()

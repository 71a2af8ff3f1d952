"""A thousand random runs: random agents, scripts and faults; no rule is broken in any."""

import pytest

from agent_runtime_framework.events import TurnResumed
from agent_runtime_framework.runtime.testing.simulation import random_journeys
from agent_runtime_framework.testing import random_script, simulate

SEEDS, GROUPS = 1_000, 20
EACH = SEEDS // GROUPS


@pytest.mark.parametrize("first", range(0, SEEDS, EACH))
def test_no_rule_is_broken_whatever_the_seed(first: int) -> None:
    turns = resumed = faults = 0
    for seed in range(first, first + EACH):
        agents = random_journeys(seed)
        script = random_script(seed, [agent.key for agent in agents])
        run = simulate(agents, script, seed, workers=2 + seed % 2)
        events = [event for log in run.logs.values() for stored in log for event in stored.frame.events]
        turns += run.turns
        resumed += sum(isinstance(event, TurnResumed) for event in events)
        faults += len(run.faults)

    # it would be easy to break nothing where nothing happens
    assert min(turns, faults) > EACH
    assert resumed > 0

"""The eight rules hold over sealed conversations, too: whatever is killed, lost or forked on the way."""

import pytest

from agent_runtime_framework.events.codec import is_sealed
from agent_runtime_framework.runtime.crypto.ciphers import MasterKey, new_key
from agent_runtime_framework.runtime.testing.simulation.script import Line
from agent_runtime_framework.runtime.testing.simulation.simulator import Simulator
from agent_runtime_framework.runtime.testing.simulation.world import World, at_once
from agent_runtime_framework.runtime.vault import KeyVault, MemoryKeys
from agent_runtime_framework.testing import Cancel, Fork, OnboardingAgent, Read, Say

SCRIPT: list[Line] = [
    Say("c-1", "hi"),
    Say("c-1", "I am Ada Lovelace", at=1),
    Say("c-2", "hello", at=1),
    Cancel("c-2", at=2),
    Read("c-1", at=2),
    Fork("c-1", "c-3", at=4),
    Say("c-3", "and my friend is Charles", at=5),
    Say("c-1", "good-bye", at=6),
]


class Sealed(Simulator):
    """Simulates a namespace that is encrypted; nonces make the bytes of two runs differ, and nothing else."""

    def made_world(self) -> World:
        world = super().made_world()
        world.vault = KeyVault(MemoryKeys(), MasterKey(new_key()))
        at_once(world.vault.encrypt())
        return world


@pytest.mark.parametrize("seed", range(12))
def test_the_rules_hold_over_sealed_conversations(seed: int) -> None:
    run = Sealed(OnboardingAgent(), SCRIPT, seed).run()

    assert run.broken == ()
    stored = [one for log in run.logs.values() for one in log]
    assert stored
    assert sum(is_sealed(one.data) for one in stored) > len(run.logs)
    assert not any(word in one.data for one in stored for word in (b"Ada Lovelace", b"my friend"))
    assert not any(one.frame.sealed for one in stored)
    assert all(run.looked[rule] for rule in (1, 2, 3, 4))

"""The test kit: what a person tests agents with.

pytest has the fixtures `nats_server`, a `NatsServer`, and `agent_runtime`, an `AgentsAtWork`, wherever this package is
installed.  `OnboardingAgent` is the agent of `arf demo`, to try things with.

`simulate` runs an agent through a script of `Say`, `Cancel`, `Read`, `Publish` and `Spoil` under virtual time, while
workers crash, connections break and models fail as a seed has it, and checks after each step what must always hold.
`assert_replays` makes tests of old conversations.
`simulate` runs an agent through a script of `Say`, `Cancel`, `Fork`, `Read`, `Publish` and `Spoil` under virtual time,
while workers crash, connections break and models fail as a seed has it, and checks after each step what must always
hold.
"""

from .runtime.demo import OnboardingAgent
from .runtime.testing.replays import assert_replays
from .runtime.testing.scripted import ScriptedLLM, calls
from .runtime.testing.server import NatsServer
from .runtime.testing.simulation import (
    Block,
    Cancel,
    Crash,
    Fork,
    Inconclusive,
    Join,
    Leave,
    Pause,
    Publish,
    Read,
    RuleBroken,
    Say,
    Simulation,
    Spoil,
    random_journey,
    random_script,
    simulate,
)
from .runtime.testing.working import AgentsAtWork

__all__ = [
    "AgentsAtWork",
    "Block",
    "Cancel",
    "Crash",
    "Fork",
    "Inconclusive",
    "Join",
    "Leave",
    "NatsServer",
    "OnboardingAgent",
    "Pause",
    "Publish",
    "Read",
    "RuleBroken",
    "Say",
    "ScriptedLLM",
    "Simulation",
    "Spoil",
    "assert_replays",
    "calls",
    "random_journey",
    "random_script",
    "simulate",
]

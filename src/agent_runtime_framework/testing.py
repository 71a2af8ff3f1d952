"""The test kit: what a person tests agents with.

pytest has the fixtures `nats_server`, a `NatsServer`, and `agent_runtime`, an `AgentsAtWork`, wherever this package is
installed.  `OnboardingAgent` is the agent of `arf demo`, to try things with.
"""

from .runtime.demo import OnboardingAgent
from .runtime.testing.scripted import ScriptedLLM, calls
from .runtime.testing.server import NatsServer
from .runtime.testing.working import AgentsAtWork

__all__ = ["AgentsAtWork", "NatsServer", "OnboardingAgent", "ScriptedLLM", "calls"]

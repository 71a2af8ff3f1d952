"""The demo: an agent as anybody writes one, and a model that needs no network."""

from .agent import OnboardingAgent, make_agent
from .offline import OfflineModel

__all__ = ["OfflineModel", "OnboardingAgent", "make_agent"]

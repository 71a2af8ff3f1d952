"""Agents that run: what authors subclass, and how the actors see it."""

from .agent import BaseAgent
from .binding import BoundJourney
from .effects import AgentEffects
from .journey_agent import JourneyAgent, JourneyConfig
from .run import failure, run_turn

__all__ = ["AgentEffects", "BaseAgent", "BoundJourney", "JourneyAgent", "JourneyConfig", "failure", "run_turn"]

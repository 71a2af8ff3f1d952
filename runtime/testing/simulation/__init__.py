"""The simulator of the test kit: an agent, its workers and its people under virtual time, while things go wrong."""

from .faults import KINDS, Block, Crash, Injected, Join, Leave, Pause, Planned
from .journeys import random_journey, random_journeys
from .outcome import FailedTurn, Inconclusive, RaisedTool, RuleBroken, Simulation
from .script import Cancel, Fork, Line, Publish, Read, Say, Spoil, random_script
from .simulator import Simulator, simulate

__all__ = [
    "KINDS",
    "Block",
    "Cancel",
    "Crash",
    "FailedTurn",
    "Fork",
    "Inconclusive",
    "Injected",
    "Join",
    "Leave",
    "Line",
    "Pause",
    "Planned",
    "Publish",
    "RaisedTool",
    "Read",
    "RuleBroken",
    "Say",
    "Simulation",
    "Simulator",
    "Spoil",
    "random_journey",
    "random_journeys",
    "random_script",
    "simulate",
]

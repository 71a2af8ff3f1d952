"""Holding old conversations to the code of today: deciding them again, and asking the model again."""

from .again import Leading, NotAsked, asked_today, chosen_now, compared
from .choice import Choice, Chosen, Difference, Differs, chosen_then
from .differences import fields_differing
from .divergence import ASPECTS, TEXT, Aspect, Divergence
from .points import Move, Point, Points, journey_named
from .reasked import Asked, Counts, Reasked, Result, counted
from .recorded import Answered, Recorded, recorded
from .replay import Replay
from .report import Replayed, described, tool_changes
from .today import AsRecorded, Today

__all__ = [
    "ASPECTS",
    "TEXT",
    "Answered",
    "AsRecorded",
    "Asked",
    "Aspect",
    "Choice",
    "Chosen",
    "Counts",
    "Difference",
    "Differs",
    "Divergence",
    "Leading",
    "Move",
    "NotAsked",
    "Point",
    "Points",
    "Reasked",
    "Recorded",
    "Replay",
    "Replayed",
    "Result",
    "Today",
    "asked_today",
    "chosen_now",
    "chosen_then",
    "compared",
    "counted",
    "described",
    "fields_differing",
    "journey_named",
    "recorded",
    "tool_changes",
]

"""Deciding old conversations again, with the code of today."""

from .divergence import ASPECTS, TEXT, Aspect, Divergence
from .recorded import Answered, Recorded, recorded
from .replay import Replay
from .report import Replayed, described, tool_changes
from .today import AsRecorded, Today

__all__ = [
    "ASPECTS",
    "TEXT",
    "Answered",
    "AsRecorded",
    "Aspect",
    "Divergence",
    "Recorded",
    "Replay",
    "Replayed",
    "Today",
    "described",
    "recorded",
    "tool_changes",
]

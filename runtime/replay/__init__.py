"""Old conversations under the code of today: decided again, or asked again."""

from .deploying import Prospect, prospect
from .reasking import BUDGET, CONCURRENCY, Reasking, reask
from .redeciding import Tools, replay
from .untouchable import Touched, Untouchable

__all__ = [
    "BUDGET",
    "CONCURRENCY",
    "Prospect",
    "Reasking",
    "Tools",
    "Touched",
    "Untouchable",
    "prospect",
    "reask",
    "replay",
]

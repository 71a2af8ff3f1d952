"""Old conversations under the code of today: decided again, or asked again."""

from .redeciding import Tools, replay
from .untouchable import Touched, Untouchable

__all__ = ["Tools", "Touched", "Untouchable", "replay"]

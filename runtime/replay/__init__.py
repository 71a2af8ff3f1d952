"""Old conversations under the code of today: decided again, or asked again."""

from .deploying import Prospect, prospect
from .redeciding import Tools, replay
from .untouchable import Touched, Untouchable

__all__ = ["Prospect", "Tools", "Touched", "Untouchable", "prospect", "replay"]

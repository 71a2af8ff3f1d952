"""What a model is offered, kept by step where it is the same in all of a step: it is asked for in each request."""

from collections.abc import Mapping

from msgspec import Struct

from ...actors.journey import DeclaredTool
from ...events import Effect

MOST = 256
"""Of so many steps it is kept: a step may be any text."""


class Offered(Struct, frozen=True):
    """Is what a model is offered: the tools as JSON, and what repeating a call of each does.

    `declared` are the agent's declared tools that it was made of.
    """

    declared: Mapping[str, DeclaredTool]
    tools: str
    effects: dict[str, Effect]


class OfferedByStep:
    """Keeps what is offered in each step, as long as the same tools are declared."""

    def __init__(self) -> None:
        self._kept: dict[str, Offered] = {}

    def get(self, step: str, declared: Mapping[str, DeclaredTool]) -> Offered | None:
        """Return what is offered in a step by these very tools, None if that is not kept."""
        kept = self._kept.get(step)
        return kept if kept is not None and kept.declared is declared else None

    def put(self, step: str, offered: Offered) -> None:
        """Keep what is offered in a step, if there is room for it."""
        if step in self._kept or len(self._kept) < MOST:
            self._kept[step] = offered

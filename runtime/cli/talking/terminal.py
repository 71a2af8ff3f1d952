"""Where a talk is held: what is said comes from it, and what is told goes to it."""

import sys
import time
from typing import Final

from ..console.lines import Lines
from ..console.logs import log_through
from ..console.options import Options
from .prompt import Prompt
from .teller import EventTeller, Teller, TextTeller

TWICE: Final = 2.0
"""Seconds in which a warning is not said again: several connections, of two processes, notice the same."""

WARNING: Final = "WARNING "
"""How a warning begins."""


class Terminal:
    """Is stdin, stdout and stderr, as a talk uses them.

    Attributes:
        lines: what is typed, or piped in.
        typed: whether a person types at a terminal.
        echoed: whether what is typed is seen among what is told, so that it need not be told again.
        prompt: asks for the next line.
        teller: tells what happens.

    """

    def __init__(self, options: Options) -> None:
        text = options.output == "text"
        self.lines = Lines()
        self.typed = self.lines.typed
        self.echoed = self.typed and text and sys.stdout.isatty()
        self.prompt = Prompt(typed=self.typed)
        self.teller: Teller = TextTeller(self.prompt) if text else EventTeller(options.output)
        self._said: dict[str, float] = {}
        log_through(self.hear)

    def hear(self, line: str) -> None:
        """Say a line of a log, of this process's or of a worker's, or one that a worker's code wrote."""
        if line.startswith(WARNING):
            now = time.monotonic()
            self._said = {said: since for said, since in self._said.items() if now - since < TWICE}
            if line in self._said:
                return
            self._said[line] = now
        self.teller.notice(line)

"""Where a talk is held: what is said comes from it, and what is told goes to it."""

import sys

from .lines import Lines
from .options import Options
from .prompt import Prompt
from .teller import EventTeller, Teller, TextTeller


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

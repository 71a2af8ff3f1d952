"""The `you> ` at a terminal, under which nothing else is written."""

import sys

ASK = "you> "


class Prompt:
    """Asks on stderr for the next line; it steps aside for what is told meanwhile, and comes back after it.

    Where nobody types it writes nothing.
    """

    def __init__(self, *, typed: bool) -> None:
        self._typed = typed
        self._asking = False
        self._written = False

    def ask(self) -> None:
        """Ask, until the answer is there."""
        self._asking = True
        self.come_back()

    def answered(self) -> None:
        """Ask no more: Enter was pressed, so the terminal is at the start of a line."""
        self._asking = self._written = False

    def over(self) -> None:
        """Ask no more: Ctrl-D was pressed, or nothing."""
        self.step_aside()
        self._asking = False

    def interrupted(self) -> None:
        """Ask no more, and leave the line on which the terminal shows the `^C`."""
        if self._typed:
            self._write("\n")
        self._asking = self._written = False

    def step_aside(self) -> None:
        """Leave the line, for what is to be told now."""
        if self._written:
            self._write("\n")
            self._written = False

    def come_back(self) -> None:
        """Ask again, if an answer is still awaited."""
        if self._typed and self._asking and not self._written:
            self._write(ASK)
            self._written = True

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()

"""The library's log on stderr: a line a record, with a traceback only where it was asked for."""

import logging
import traceback
from pathlib import Path

from .text import one_line, without_password

LOGGER = "agent_runtime_framework"


class OneLine(logging.Formatter):
    """Formats a record as one line; of an exception it names type, message and place."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = f"{self.formatTime(record)} {record.levelname} {record.getMessage()}"
        error = record.exc_info[1] if record.exc_info else None
        told = line if error is None else f"{line} ({type(error).__name__}: {error}{_place(error)})"
        return one_line(without_password(told))


def log_to_stderr(level: int, *, debug: bool) -> None:
    """Show what the library logs at `level` or above; with `debug` everything, with tracebacks."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s") if debug else OneLine())
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else level)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f", {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""

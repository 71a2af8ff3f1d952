"""The library's log on stderr: a line a record, with a traceback only where it was asked for."""

import logging
import os
import traceback
from collections.abc import Callable
from pathlib import Path

from ...config import get_config
from .text import one_line, without_password

LOGGER = "agent_runtime_framework"
CONFIGURED = frozenset({"AGENT_RUNTIME_DEBUG", "AGENT_RUNTIME_LOG_LEVEL"})


class OneLine(logging.Formatter):
    """Formats a record as one line, `timed` or not; of an exception it names type, message and place."""

    def __init__(self, *, timed: bool = True) -> None:
        super().__init__()
        self._timed = timed

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = f"{self.formatTime(record)} " if self._timed else ""
        line = f"{time}{record.levelname} {record.getMessage()}"
        error = record.exc_info[1] if record.exc_info else None
        told = line if error is None else f"{line} ({type(error).__name__}: {error}{_place(error)})"
        return one_line(without_password(told))


def log_to_stderr(level: int, *, debug: bool) -> None:
    """Show what the library logs at `level` or above; with `debug` everything, with tracebacks.

    What `AGENT_RUNTIME_DEBUG` or `AGENT_RUNTIME_LOG_LEVEL` say outweighs `level`.
    """
    get_config()  # its first use sets the logger's level: now, not later
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s") if debug else OneLine())
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    if debug or not CONFIGURED & os.environ.keys():
        logger.setLevel(logging.DEBUG if debug else level)


class _Teller(logging.Handler):
    """Hands each record to who tells it."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the record."""
        self._tell(self.format(record))


def log_through(tell: Callable[[str], object]) -> None:
    """Hand each line of the log to `tell` instead, without its time; what `debug` shows stays as it is."""
    logger = logging.getLogger(LOGGER)
    if logger.level == logging.DEBUG:
        return
    handler = _Teller(tell)
    handler.setFormatter(OneLine(timed=False))
    logger.handlers = [handler]


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f", {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""

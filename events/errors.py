"""Every error that this framework raises on purpose, in one tree; each says what happened and what to do.

    FrameworkError
    |-- InvalidInput            what came in cannot be taken; nothing was written
    |   |-- InvalidId           an id that is not a token
    |   `-- TooLarge            over a limit of `events.limits`
    |-- NotFound                no such conversation, or no such version of it
    |-- Conflict                another writer appended first; fold its frames and decide again
    |-- CorruptLog              stored bytes do not fit: undecodable, a gap, a hash that is not the one before
    |-- NewerRelease            an event that this release does not know; a newer worker must decide
    |-- Unavailable             the server, or the way to it, is not there; the same call may be made again
    |-- Refused                 the runtime took the command and declined it; the reason is recorded
    |-- NoReply                 the turn ended without a reply; the conversation stays usable
    `-- ModelError              the model gave no usable answer; `transient` says whether asking again may help

Where a command line maps them to exit codes, `exit_code` says which: 1 failed, 2 usage, 3 not found, 4 conflict.
"""

import math
from typing import ClassVar


class FrameworkError(Exception):
    """Is the root of every error raised on purpose."""

    exit_code: ClassVar[int] = 1


class InvalidInput(FrameworkError):
    """Raised when what came in cannot be taken; nothing was written."""

    exit_code = 2


class InvalidId(InvalidInput):
    """Raised when an id is not a token."""


class TooLarge(InvalidInput):
    """Raised when a text or a frame is over its limit."""


class NotFound(FrameworkError):
    """Raised when there is no such conversation, or no such version of it."""

    exit_code = 3


class Conflict(FrameworkError):
    """Raised when another writer appended first: fold its frames and decide the same command again."""

    exit_code = 4


class CorruptLog(FrameworkError):
    """Raised when stored bytes do not fit the frames before them; names the conversation and the place."""


class NewerRelease(FrameworkError):
    """Raised when a log holds an event that this release does not know; a newer worker must decide."""


class Unavailable(FrameworkError):
    """Raised when the server, or the way to it, is not there; the same call may be made again."""


class Refused(FrameworkError):
    """Raised to the sender of a command that was declined; the reason stands in the log."""

    exit_code = 4


class NoReply(FrameworkError):
    """Raised to the sender of a message whose turn ended without a reply; the conversation stays usable."""


class ModelError(FrameworkError):
    """Raised when a model gave no usable answer.

    `transient` says whether asking again may help, `retry_after` (seconds) how long the provider asks to wait, and
    `kind` is a short word for the log: `rate_limited`, `unreachable`, `refused`, `invalid_answer`, `too_large`,
    `timeout`.
    """

    def __init__(self, message: str, *, kind: str, transient: bool, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = str(kind)
        self.transient = bool(transient)
        self.retry_after = _seconds(retry_after)


def _seconds(value: object) -> float | None:
    """Return a number of seconds that can be waited for; None for what is none, whoever gave it."""
    try:
        seconds = float(value)  # type: ignore[arg-type]  # whatever is no number raises
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None

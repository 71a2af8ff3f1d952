"""What was raised in this process and ended a turn, for whoever awaits the reply in this process too.

An exception cannot travel over a bus, and the log has only its words.  So it is kept here, under the hash of the frame
that recorded the end of the turn, which whoever follows the conversation hears.
"""

from types import TracebackType

KEPT = 20
"""So many exceptions are kept, as each keeps what its frames hold; of older ones there is only what the log says."""

_raised: dict[str, tuple[Exception, TracebackType | None]] = {}


def remember(frame: str, error: Exception) -> None:
    """Keep what ended a turn, under the hash of the frame that says so."""
    _raised[frame] = error, error.__traceback__
    if len(_raised) > KEPT:
        del _raised[next(iter(_raised))]


def raised_in(frame: str) -> Exception | None:
    """Return what ended the turn whose end this frame recorded, if it was raised here and is still known."""
    error, trace = _raised.get(frame, (None, None))
    return None if error is None else error.with_traceback(trace)  # without what raising it to others added

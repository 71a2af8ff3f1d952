"""What was raised in this process and ended a turn, for whoever awaits the reply in this process too.

An exception cannot travel over a bus, and the log has only its words.  So it is kept here, under the hash of the frame
that recorded the end of the turn, which whoever follows the conversation hears.
"""

KEPT = 100
"""So many exceptions are kept; of older ones there is only what the log says."""

_raised: dict[str, Exception] = {}


def remember(frame: str, error: Exception) -> None:
    """Keep what ended a turn, under the hash of the frame that says so."""
    _raised[frame] = error
    if len(_raised) > KEPT:
        del _raised[next(iter(_raised))]


def raised_in(frame: str) -> Exception | None:
    """Return what ended the turn whose end this frame recorded, if it was raised here and is still known."""
    return _raised.get(frame)

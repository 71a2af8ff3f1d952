"""Telling what an author's code raised without the secrets that it may tell."""

import asyncio
import contextlib
import contextvars
import traceback
from collections.abc import Callable, Iterator

from ...actors.journey import Redaction

NOTHING = Redaction(())

_known: contextvars.ContextVar[Callable[[], Redaction] | None] = contextvars.ContextVar("known", default=None)


@contextlib.contextmanager
def knowing(known: Callable[[], Redaction]) -> Iterator[None]:
    """Let what is called meanwhile know what is secret then, where it logs what an author's code raised."""
    token = _known.set(known)
    try:
        yield
    finally:
        _known.reset(token)


def to_be_logged(error: BaseException) -> BaseException:
    """Return an exception as it may be logged where it was raised."""
    known = _known.get()
    return error if known is None else cleaned(error, known())


def cleaned(error: BaseException, redaction: Redaction) -> BaseException:
    """Return an exception that tells no secret: the very one, if it does not; else one of its name, in its place."""
    if not redaction or isinstance(error, KeyboardInterrupt | GeneratorExit | asyncio.CancelledError):
        return error
    told = "".join(traceback.format_exception(error))
    if redaction.text(told) == told:
        return error
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  the exception's own code may raise anything
        text = "(it cannot be shown)"
    # what was raised before it may tell the same, and is left out
    stand_in = type(type(error).__name__, (RuntimeError,), {"__module__": type(error).__module__})
    made: BaseException = stand_in(redaction.text(text))
    return made.with_traceback(error.__traceback__)

"""Telling what an author's code raised without the secrets that it may tell."""

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Iterator

from ...actors.journey import Redaction
from ...events import ModelError

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
    if not any(redaction.text(told) != told for told in _told_by(error)):
        return error
    text = redaction.text(_words_of(error))
    made: BaseException
    if isinstance(error, ModelError):
        made = ModelError(text, kind=error.kind, transient=error.transient, retry_after=error.retry_after)
    else:
        # what was raised before it may tell the same, and is left out
        stand_in = type(type(error).__name__, (RuntimeError,), {"__module__": type(error).__module__})
        made = stand_in(text)
    return made.with_traceback(error.__traceback__)


def _told_by(error: BaseException) -> Iterator[str]:
    """Yield what an exception says, and whatever led to it; not the code that it passed, which its author wrote."""
    found, seen = [error], {id(error)}
    while found:
        one = found.pop()
        yield _words_of(one)
        yield from map(str, getattr(one, "__notes__", ()))
        if isinstance(one, SyntaxError):
            yield str(one.text)  # the code that could not be read, which may be anything
        within = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        for each in (one.__cause__, one.__context__, *within):
            if each is not None and id(each) not in seen:
                seen.add(id(each))
                found.append(each)


def _words_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  the exception's own code may raise anything
        return "(it cannot be shown)"

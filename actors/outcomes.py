"""The outcome of an effect that broke: where whoever performs it raised instead of returning one."""

from ..projections import Owed, OwedModelCall
from .commands import Outcome, RecordModelFailure, RecordToolFailure


def broken(owed: Owed, error: str) -> Outcome:
    """Return a failure for good, so that nothing is tried again and again."""
    if isinstance(owed, OwedModelCall):
        return RecordModelFailure(request=owed.request.version, kind="error", error=error)
    return RecordToolFailure(
        answer=owed.answer,
        index=owed.call.index,
        attempt=owed.running.attempt,
        kind="error",
        content=f"Error executing {owed.call.name}: {error}",
    )

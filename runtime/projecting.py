"""Folding entries of a feed into the rows of a projection: what `subscribe` does with each batch.

A row holds the version of the last event in it.  An event at or below that is passed over, so a batch that comes again
changes nothing; one that does not follow it is damage, never a gap to be passed over.  Two frames may begin a row: the
first of a fork, before which its inherited history is folded, and one that erases the conversation, after which nothing
of what was before counts.
"""

import asyncio
import inspect
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar, get_type_hints

import msgspec

from ..events import (
    SEALED,
    ConversationErased,
    ConversationId,
    CorruptLog,
    EventLog,
    Frame,
    FrameworkError,
    InvalidInput,
    Keyring,
    Stored,
    Vault,
    check_content,
)
from ..events.codec import MALFORMED
from ..projections import Projection, Recorded, timeline
from .agents.author import author_code
from .feed import Entry, stored
from .sinks import Row

S = TypeVar("S")

BREATH = 256
"""After so many frames others on the event loop have their turn."""


class ProjectionFailed(FrameworkError):
    """Raised when a projection's own code raised, or gave what cannot be kept; the message says at which event."""


class Projecting(Generic[S]):
    """Folds events of any conversations into states, and writes and reads these as JSON."""

    def __init__(self, projection: Projection[S], name: str) -> None:
        for method in (projection.initial, projection.evolve):
            if inspect.iscoroutinefunction(method):
                raise InvalidInput(f"{method.__name__} of the projection {name!r} is async: make it a plain def")
        self._projection = projection
        self._name = name
        self._type: Any = _annotated(projection)

    def initial(self, conversation: str) -> S:
        """Return a new conversation's state, which no other has a part in."""
        try:
            with author_code():
                state = self._projection.initial(conversation)
        except Exception as error:
            raise self._failed(f"initial of {conversation!r}", error) from error
        if self._type is None:
            self._type = type(state)
        return self.read(self.written(Folded(conversation, 0, state)))

    def evolve(self, state: S, events: Iterable[Recorded]) -> S:
        """Return the state after these events."""
        recorded: Recorded | None = None
        try:
            with author_code():
                for recorded in events:
                    state = self._projection.evolve(state, recorded)
        except Exception as error:
            raise self._failed("" if recorded is None else recorded.id, error) from error
        return state

    def read(self, row: Row) -> S:
        """Return the state that a row holds."""
        if self._type is None:
            self.initial(row.conversation)  # which finds out
        try:
            state: S = msgspec.json.decode(row.state, type=self._type)
        except MALFORMED as error:
            raise FrameworkError(
                f"the state of {row.conversation!r} in {self._name!r} was written by other code ({error}): rebuild it"
            ) from error
        return state

    def written(self, folded: "Folded[S]") -> Row:
        """Return the row that holds a state; raise ProjectionFailed if it could not be read back as it is."""
        place = f"{folded.conversation}@{folded.version}"
        try:
            row = Row(folded.conversation, folded.version, msgspec.json.encode(folded.state))
            back = msgspec.json.decode(row.state, type=self._type)
        except (*MALFORMED, TypeError, ValueError, OverflowError) as error:
            raise self._failed(place, error) from error
        if back != folded.state:
            raise ProjectionFailed(
                f"the state of {self._name!r} at {place} is not the same when it is read back: annotate what `initial` "
                f"returns, or keep only what JSON has ({str(folded.state)[:80]} was read as {str(back)[:80]})"
            )
        return row

    def _failed(self, place: str, error: Exception) -> ProjectionFailed:
        return ProjectionFailed(
            f"the projection {self._name!r} failed at {place} ({type(error).__name__}: {error}); nothing of its batch "
            "was written"
        )


class Folded(Generic[S]):
    """Is the state of a conversation while a batch is folded."""

    def __init__(self, conversation: str, version: int, state: S) -> None:
        self.conversation = conversation
        self.version = version
        self.state = state


class BatchFold(Generic[S]):
    """Folds one batch over the rows that are there."""

    def __init__(
        self, projecting: Projecting[S], log: EventLog, rows: Mapping[str, Row], vault: Vault | None = None
    ) -> None:
        self._projecting = projecting
        self._log = log
        self._rows = rows
        self._keys = Keyring(vault)
        self._folded: dict[str, Folded[S]] = {}

    async def fold(self, batch: Sequence[Entry]) -> list[Row]:
        """Return the rows that are other ones after the batch.

        Raises:
            CorruptLog: bytes that are no frame, or one that does not follow what was folded.
            ProjectionFailed: the projection's own code failed.
        Withheld: what is sealed cannot be opened for want of the master key.

        """
        for number, entry in enumerate(batch):
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            await self._take(await stored(entry, self._keys))
        rows = (self._projecting.written(folded) for folded in self._folded.values())
        return [row for row in rows if row != self._rows.get(row.conversation)]

    async def _take(self, found: Stored) -> None:
        current = self._current(found)
        if current is None:
            current = Folded(found.conversation, 0, self._projecting.initial(found.conversation))
            self._folded[found.conversation] = current
            if found.frame.first > 1 and _erased_at(found.frame) is None:
                await self._inherit(current)
        self._add(current, found)

    def _current(self, found: Stored) -> Folded[S] | None:
        name = found.conversation
        if name not in self._folded and name in self._rows:
            row = self._rows[name]
            self._folded[name] = Folded(name, row.version, self._projecting.read(row))
        return self._folded.get(name)

    async def _inherit(self, current: Folded[S]) -> None:
        """Fold what a fork has from its ancestors; its own frames come by themselves."""
        async for before in self._log.read(ConversationId(current.conversation)):
            if not before.inherited:
                break
            self._add(current, before)

    def _add(self, current: Folded[S], found: Stored) -> None:
        frame = found.frame
        if frame.last <= current.version:
            return
        events: Iterable[Recorded] = timeline(found)
        erased = _erased_at(frame)
        if erased is not None:
            current.state = self._projecting.initial(found.conversation)
            events = islice(events, erased, None)
        elif frame.first != current.version + 1:
            raise CorruptLog(
                f"the frame of {found.conversation!r} at position {found.head.position} continues version "
                f"{frame.first - 1}, and was folded up to {current.version}: the log was changed or frames are missing"
            )
        if frame.sealed == SEALED:
            check_content(found, first=False)
        current.version = frame.last
        if frame.sealed and erased is None:  # what was said is gone, and the frame that says so is still to come
            return
        current.state = self._projecting.evolve(current.state, events)


def _erased_at(frame: Frame) -> int | None:
    """Return which event of a frame erases the conversation, the last if several do: nothing before it counts."""
    erased = [index for index, event in enumerate(frame.events) if type(event) is ConversationErased]
    return erased[-1] if erased else None


def _annotated(projection: object) -> Any:
    """Return what `initial` is annotated to return; None where that is not said, or is not known here."""
    try:
        hint = get_type_hints(projection.initial).get("return")  # type: ignore[attr-defined]
    except (NameError, TypeError, AttributeError):  # a class that is local to a function, or no function at all
        return None
    return None if hint in (None, Any, object) or isinstance(hint, TypeVar) else hint

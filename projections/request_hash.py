"""The hash of a request, made of what is new since the request before it.

A request holds the whole window of the transcript, so to render, encode and hash all of it for each request costs more
with each turn.  But a turn that is over never changes, and stands at the same place in each request after it.  So what
the turns before the last one are rendered to is kept, encoded and hashed as far as it goes, for the conversations that
were asked about last; a request adds its last turn to that.

What is kept is only ever a short cut: it is used where the very same turns stand before the last, and the hash is that
of the canonical JSON of the whole request, in any case.
"""

import hashlib
import threading
from functools import lru_cache
from typing import Final

import msgspec

from .model_input import model_input
from .rendering import Rendering
from .transcript import Entry, Transcript
from .turn import Request

KEPT: Final = 64
"""Of so many conversations the turns before the last are kept."""

_encoder = msgspec.json.Encoder(order="sorted")


class _Before:
    """Is what the turns before the last one come to."""

    def __init__(self, *, prompted: bool) -> None:
        self.turns: list[tuple[Entry, ...]] = []
        self.rendering = Rendering(after=int(prompted))
        self._encoded = bytearray()
        self._head = b""
        self._hashed = hashlib.sha256()
        self._length = 0

    def goes_on(self, transcript: Transcript, first: int, last: int) -> bool:
        """Say whether these are the turns from `first` on that stand before turn `last`, or some of them."""
        get, nothing = transcript.turns.get, ()
        return first + len(self.turns) <= last and all(
            get(turn, nothing) is kept for turn, kept in enumerate(self.turns, first)
        )

    def add(self, turn: tuple[Entry, ...]) -> None:
        """Take one more turn, which is over."""
        self.turns.append(turn)
        self.rendering.take(turn)
        self.rendering.settle()
        self._encoded += encoded(self.rendering)

    def hash_after(self, head: bytes) -> "hashlib._Hash":
        """Return the hash of `head` and all messages so far, to be gone on with."""
        if head != self._head or self._length == 0:
            self._head, self._hashed, self._length = head, hashlib.sha256(head), 0
        self._hashed.update(memoryview(self._encoded)[self._length :])
        self._length = len(self._encoded)
        return self._hashed.copy()


class _Known(threading.local):
    """Holds what is kept, the last used last; each thread has its own, since what is kept goes on."""

    def __init__(self) -> None:
        self.before: dict[tuple[int, bool], _Before] = {}


_known = _Known()


def request_hash(transcript: Transcript, request: Request) -> str:
    """Return what `model_input(transcript, request).hash` is."""
    first, last, prompt = request.first_turn, request.last_turn, request.prompt
    parameters = {"model": request.model, **request.parameters}
    plain = parameters.keys().isdisjoint(("messages", "tools")) and all(map(str.isascii, parameters))
    if not plain or not 0 <= last - first <= len(transcript.turns):  # turns that are not there could be any number
        return model_input(transcript, request).hash
    before = _before(transcript, first, last, prompted=bool(prompt))
    tail = before.rendering.following()
    tail.take(transcript.window(last, last))
    tail.settle()
    rest = encoded(tail)
    if not rest:  # nothing follows the comma
        return model_input(transcript, request).hash
    fields = {name: _encoder.encode(value) for name, value in parameters.items()}
    fields["tools"] = canonical_tools(request.tools)
    opening = b"".join(
        b"%s:%s," % (_encoder.encode(name), fields[name]) for name in sorted(fields) if name < "messages"
    )
    closing = b"".join(
        b",%s:%s" % (_encoder.encode(name), fields[name]) for name in sorted(fields) if name > "messages"
    )
    system = _encoder.encode({"role": "system", "content": prompt}) + b"," if prompt else b""
    hash_ = before.hash_after(b"{" + opening + b'"messages":[' + system)
    hash_.update(rest[:-1] + b"]" + closing + b"}")
    return hash_.hexdigest()


def encoded(rendering: Rendering) -> bytes:
    """Return the messages that were rendered since the last time, each followed by a comma."""
    return b"".join(_encoder.encode(message) + b"," for message in rendering.taken())


@lru_cache(maxsize=256)
def canonical_tools(tools: str) -> bytes:
    """Return a JSON list of tools as canonical JSON, `null` for none."""
    return _encoder.encode(msgspec.json.decode(tools)) if tools else b"null"


def _before(transcript: Transcript, first: int, last: int, *, prompted: bool) -> _Before:
    """Return what stands before turn `last`, going on from what is kept of it."""
    known, turns = _known.before, transcript.turns
    # the first one that there is: what was said before the conversation seldom is
    oldest = next((turns[turn] for turn in range(first, min(first + 2, last)) if turn in turns), None)
    if oldest is None:
        return _Before(prompted=prompted)
    key = id(oldest), prompted
    before = known.pop(key, None)
    if before is None or not before.goes_on(transcript, first, last):
        before = _Before(prompted=prompted)
    for turn in range(first + len(before.turns), last):
        before.add(turns.get(turn, ()))
    known[key] = before
    if len(known) > KEPT:
        del known[next(iter(known))]
    return before

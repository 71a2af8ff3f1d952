"""What stands before the last turn of a request, kept, so that a request costs what is new in it.

A request holds the whole window of the transcript, so to render, encode and hash all of it for each request costs more
with each turn.  But a turn that is over never changes, and stands at the same place in each request after it.  So what
the turns before the last one are rendered to is kept, and hashed as far as it goes, for the conversations that were
asked about last; a request adds its last turn to that.

What is kept is only ever a short cut: it is used where the very same turns stand before the last, and nobody can change
what is kept (`projections.messages`).  Which turns these are is known by the last of them, since a `Transcript` is the
same before it.
"""

import copy
import hashlib
import threading
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from .messages import kept
from .rendering import Rendering
from .transcript import Entry, Transcript

KEPT: Final = 32 * 1024 * 1024
"""Bytes that are kept; what was used last is kept in any case.

They do for 200 conversations of fifty usual turns, which are some 150 KB each.  A conversation that finds nothing kept,
because so many others were asked about since, is rendered and hashed anew up to four times a turn.
"""

EACH: Final = 240
"""Bytes that a message or a call takes beside what is in it."""

HEADS: Final = 4
"""Of so many beginnings of a request, such as prompts, its hash is kept as far as it goes."""

_encoder = msgspec.json.Encoder(order="sorted")


class Before:
    """Is what the turns before the last one of a request come to.

    Attributes:
        begin: the first turn that there is.
        size: bytes that it takes, the words with them, which are the transcript's while that is in memory.

    """

    def __init__(self, begin: int, *, prompted: bool) -> None:
        self.begin = begin
        self.size = 0
        self._newest = begin, tuple[Entry, ...]()
        self._rendering = Rendering(after=int(prompted))
        self._messages: list[dict[str, Any]] = []
        self._in_parts: list[int] = []
        self._hashed: dict[bytes, tuple[hashlib._Hash, int]] = {}

    def goes_on(self, transcript: Transcript, begin: int, last: int) -> bool:
        """Say whether the turns from `begin` on that stand before turn `last` are these, or go on after these."""
        newest, entries = self._newest
        return begin == self.begin and newest < last and transcript.turns.get(newest) is entries

    def take(self, transcript: Transcript, last: int) -> None:
        """Take the turns up to `last`, which is left out; all of them are over."""
        newest, known = self._newest
        for turn in range(newest + 1 if known else newest, last):
            entries = transcript.turns.get(turn)
            if entries:
                self._add(entries)
                self._newest = turn, entries

    def then(self, entries: Iterable[Entry]) -> list[dict[str, Any]]:
        """Return the messages that more entries come to after these; they are the caller's own."""
        tail = self._rendering.following()
        tail.take(entries)
        tail.settle()
        return tail.messages

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages, as they are put into `Messages`: kept, or the caller's own."""
        made = self._messages.copy()
        for at in self._in_parts:
            made[at] = copy.deepcopy(made[at])
        return made

    def hash_after(self, head: bytes) -> "hashlib._Hash":
        """Return the hash of `head` and all messages so far, each followed by a comma, to be gone on with."""
        new = hashlib.sha256(head)
        key = new.digest()  # heads hold the prompt, and are each conversation's own
        hashed, length = self._hashed.pop(key, (new, 0))
        if length < len(self._messages):
            hashed.update(_encoder.encode(self._messages[length:])[1:-1] + b",")
        self._hashed[key] = hashed, len(self._messages)
        if len(self._hashed) > HEADS:
            del self._hashed[next(iter(self._hashed))]
        return hashed.copy()

    def _add(self, turn: tuple[Entry, ...]) -> None:
        self._rendering.take(turn)
        self._rendering.settle()
        taken = self._rendering.taken()
        self.size += len(_encoder.encode(taken)) + EACH * len(taken)
        for message in taken:
            self.size += EACH * 2 * len(message.get("tool_calls", ()))  # each with its function
            one = kept(message)
            if one is None:
                self._in_parts.append(len(self._messages))
            self._messages.append(message if one is None else one)


class _Kept:
    """Keeps what was used last; one at a time uses it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # whatever is called meanwhile, such as a finalizer, may come here too
        self.size = 0
        self._by_oldest: dict[tuple[int, bool], tuple[Before, object]] = {}

    def pop(self, oldest: tuple[Entry, ...], *, prompted: bool) -> Before | None:
        """Take out what is kept under its oldest turn."""
        return self._pop((id(oldest), prompted))

    def forget(self, transcript: Transcript) -> None:
        """Take out what is kept of the turns of a transcript, of which there may be very many."""
        turns = transcript.turns
        if len(turns) < len(self._by_oldest):
            gone = [(id(oldest), prompted) for oldest in turns.values() for prompted in (True, False)]
        else:
            gone = [key for key, (before, oldest) in self._by_oldest.items() if turns.get(before.begin) is oldest]
        for key in gone:
            self._pop(key)

    def put(self, oldest: tuple[Entry, ...], before: Before, *, prompted: bool) -> None:
        """Keep this, and let go of what was not used for longest where it is too much."""
        self.pop(oldest, prompted=prompted)
        # with the turn itself, so that no other is ever at its address
        self._by_oldest[id(oldest), prompted] = before, oldest
        self.size += before.size
        while self.size > KEPT and len(self._by_oldest) > 1:
            self._pop(next(iter(self._by_oldest)))

    def _pop(self, key: tuple[int, bool]) -> Before | None:
        before, _ = self._by_oldest.pop(key, (None, None))
        self.size -= 0 if before is None else before.size
        return before


_kept = _Kept()


def forget_requests(transcript: Transcript) -> None:
    """Keep nothing for the requests of a conversation any more, which has this transcript: it leaves the memory."""
    with _kept.lock:
        _kept.forget(transcript)


class TurnsBefore:
    """Gives what stands from turn `first` on before turn `last`, going on from what is kept of it.

    There are at most as many turns in this window as in the transcript.  It is not to be used after the block, and one
    block at a time has it.
    """

    __slots__ = ("_first", "_last", "_prompted", "_transcript")

    def __init__(self, transcript: Transcript, first: int, last: int, *, prompted: bool) -> None:
        self._transcript = transcript
        self._first = first
        self._last = last
        self._prompted = prompted

    def __enter__(self) -> Before:
        _kept.lock.acquire()
        try:
            return self._gone_on_with()
        except BaseException:
            _kept.lock.release()
            raise

    def __exit__(self, *_error: object) -> None:
        _kept.lock.release()

    def _gone_on_with(self) -> Before:
        turns, begin = self._transcript.turns, self._first
        while begin < self._last and not turns.get(begin):  # what was said before the conversation seldom is there
            begin += 1
        if begin >= self._last:
            return Before(self._first, prompted=self._prompted)
        oldest = turns[begin]
        before = _kept.pop(oldest, prompted=self._prompted)
        if before is None or not before.goes_on(self._transcript, begin, self._last):
            before = Before(begin, prompted=self._prompted)
        before.take(self._transcript, self._last)
        _kept.put(oldest, before, prompted=self._prompted)
        return before

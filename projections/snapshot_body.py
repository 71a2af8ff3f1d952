"""The body of a part of a snapshot: what a conversation gained, and the small rest; made of it and put back into one.

Texts stand first and the rest last, where what it repeats of them costs next to nothing once it is compressed.  Of the
entries of a body, each says how many versions `after` the one before it stands, the first its version, because small
numbers that come again cost little, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from immutables import Map
from msgspec import Raw, Struct
from msgspec.structs import replace

from .calls import Call
from .conversation import Conversation, Left, Standing
from .transcript import AssistantMessage, EarlierMessage, Entry, ToolMessage, UserMessage
from .turn import Ended

PIECE = 512 * 1024
"""A piece has about so many bytes of entries."""

WINDOW = 32 * 1024
"""So many bytes before what is compressed can be referred to in it."""

LAST = 100
"""At most so many turns are looked at for them."""


class _User(Struct, frozen=True, array_like=True, tag="u"):
    after: int
    text: str


class _Assistant(Struct, frozen=True, array_like=True, tag="a"):
    after: int
    text: str
    calls: tuple[Call, ...] = ()


class _Tool(Struct, frozen=True, array_like=True, tag="t"):
    after: int
    answered: int  # so many versions before it
    index: int
    text: str
    failed: bool = False


class _Earlier(Struct, frozen=True, array_like=True, tag="e"):
    message: dict[str, Any]


_Form: TypeAlias = _User | _Assistant | _Tool | _Earlier


class _Left(Struct, frozen=True, array_like=True):
    state: dict[str, Raw]
    step: str
    journey_hash: str


class _Rest(Struct, frozen=True):
    agent: str
    journey: str
    journey_hash: str
    state: dict[str, Raw]
    step: str
    left: dict[str, _Left]
    turns: int
    reply: tuple[int, str]
    ended: Ended | None
    poisoned: dict[str, int]


class Body(Struct, frozen=True, omit_defaults=True):
    """Is what a part holds: entries by turn, ids and texts that are new; `rest` of the last piece, as it is now."""

    turns: Sequence[tuple[int, Sequence[_Form]]] = ()
    handled: dict[str, int] = {}
    prompts: Sequence[tuple[int, str]] = ()
    tools: Sequence[tuple[int, str]] = ()
    rest: _Rest | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Body)


def decoded(plain: bytes) -> Body:
    """Return a body; raises `msgspec.DecodeError` if these bytes are none."""
    return _decoder.decode(plain)


def encoded(body: Body) -> bytes:
    """Return a body's bytes, the same wherever it is made."""
    return _encoder.encode(body)


def known(conversation: Conversation) -> bytes:
    """Return what was said last in a conversation, and its rest: the dictionary that the next part is compressed by.

    It is the same for whoever has the conversation, made by its log or by parts.
    """
    transcript, said, size = conversation.transcript, list[str](), 0
    for turn in range(transcript.latest, max(transcript.latest - LAST, -1), -1):
        for entry in reversed(transcript.turns.get(turn, ())):
            if not isinstance(entry, EarlierMessage):
                said.append(entry.text)
                size += len(entry.text)
        if size >= WINDOW:
            break
    return "\n".join(reversed(said)).encode()[-WINDOW:] + _encoder.encode(_rest(conversation))


# --- made of a conversation


def bodies(before: Conversation, now: Conversation) -> Iterator[Body]:
    """Yield what was gained in pieces, the rest with the last."""
    rows: list[tuple[int, list[_Form]]] = []
    size = last = 0
    for turn, entry in _gained(before, now):
        weight = len(_encoder.encode(_form(entry, last)))
        if rows and size + weight > PIECE:
            yield Body(turns=rows)
            rows, size, last = [], 0, 0
        if not rows or rows[-1][0] != turn:
            rows.append((turn, []))
        rows[-1][1].append(_form(entry, last))
        size, last = size + weight, _version(entry, last)
    yield Body(
        turns=rows,
        handled={id_: turn for id_, turn in sorted(now.handled.items()) if before.handled.get(id_) != turn},
        prompts=_added(before.prompts, now.prompts),
        tools=_added(before.tools, now.tools),
        rest=_rest(now),
    )


def _gained(before: Conversation, now: Conversation) -> Iterator[tuple[int, Entry]]:
    for turn, entries in sorted(now.transcript.turns.items()):
        known = before.transcript.turns.get(turn, ())
        if known is not entries:
            for entry in entries[len(known) :]:
                yield turn, entry


def _added(before: Standing, now: Standing) -> list[tuple[int, str]]:
    return [(version, text) for version, text in sorted(now.at.items()) if version not in before.at]


def _rest(now: Conversation) -> _Rest:
    return _Rest(
        now.agent,
        now.journey,
        now.journey_hash,
        _raw(now.state),
        now.step,
        {name: _Left(_raw(left.state), left.step, left.journey_hash) for name, left in sorted(now.left.items())},
        now.turns,
        now.reply,
        now.ended,
        dict(sorted(now.poisoned.items())),
    )


def _raw(state: Mapping[str, bytes]) -> dict[str, Raw]:
    return {name: Raw(value) for name, value in state.items()}


def _form(entry: Entry, last: int) -> _Form:
    match entry:
        case UserMessage():
            return _User(entry.version - last, entry.text)
        case AssistantMessage():
            return _Assistant(entry.version - last, entry.text, entry.calls)
        case ToolMessage():
            after, answered = entry.version - last, entry.version - entry.answer
            return _Tool(after, answered, entry.index, entry.text, entry.failed)
        case EarlierMessage():
            return _Earlier(entry.message)


def _version(entry: Entry, last: int) -> int:
    return last if isinstance(entry, EarlierMessage) else entry.version


# --- put back


def put_back(before: Conversation, body: Body, version: int) -> Conversation:
    """Return the conversation with what it gained, at a version."""
    transcript, last = before.transcript, 0
    for turn, forms in body.turns:
        entries = []
        for form in forms:
            entries.append(_entry(form, last))
            last = _version(entries[-1], last)
        transcript = transcript.add(turn, *entries)
    now = replace(
        before,
        version=version,
        transcript=transcript,
        handled=before.handled.update(body.handled),
        prompts=_standing(before.prompts, body.prompts),
        tools=_standing(before.tools, body.tools),
    )
    rest = body.rest
    if rest is None:
        return now
    return replace(
        now,
        agent=rest.agent,
        journey=rest.journey,
        journey_hash=rest.journey_hash,
        state=_bytes(rest.state),
        step=rest.step,
        left=Map({name: Left(_bytes(left.state), left.step, left.journey_hash) for name, left in rest.left.items()}),
        turns=rest.turns,
        reply=rest.reply,
        ended=rest.ended,
        poisoned=Map(rest.poisoned),
    )


def _entry(form: _Form, last: int) -> Entry:
    match form:
        case _User():
            return UserMessage(last + form.after, form.text)
        case _Assistant():
            return AssistantMessage(last + form.after, form.text, form.calls)
        case _Tool():
            version = last + form.after
            return ToolMessage(version, version - form.answered, form.index, form.text, form.failed)
        case _Earlier():
            return EarlierMessage(form.message)


def _standing(standing: Standing, added: Sequence[tuple[int, str]]) -> Standing:
    for version, text in added:
        standing = standing.add(version, text)
    return standing


def _bytes(state: Mapping[str, Raw]) -> dict[str, bytes]:
    # copied, because a Raw keeps the whole body that it was decoded from alive
    return {name: bytes(value) for name, value in state.items()}

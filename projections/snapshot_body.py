"""The body of a part of a snapshot: what a conversation gained, and the small rest; made of it and put back into one.

Texts stand first and the rest last, where what it repeats of them costs next to nothing once it is compressed.
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


class _User(Struct, frozen=True, array_like=True, tag="u"):
    version: int
    text: str


class _Assistant(Struct, frozen=True, array_like=True, tag="a"):
    version: int
    text: str
    calls: tuple[Call, ...] = ()


class _Tool(Struct, frozen=True, array_like=True, tag="t"):
    version: int
    answer: int
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


# --- made of a conversation


def bodies(before: Conversation, now: Conversation) -> Iterator[Body]:
    """Yield what was gained in pieces, the rest with the last."""
    rows: list[tuple[int, list[_Form]]] = []
    size = 0
    for turn, entry in _gained(before, now):
        form = _form(entry)
        weight = len(_encoder.encode(form))
        if rows and size + weight > PIECE:
            yield Body(turns=rows)
            rows, size = [], 0
        if not rows or rows[-1][0] != turn:
            rows.append((turn, []))
        rows[-1][1].append(form)
        size += weight
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


def _form(entry: Entry) -> _Form:
    match entry:
        case UserMessage():
            return _User(entry.version, entry.text)
        case AssistantMessage():
            return _Assistant(entry.version, entry.text, entry.calls)
        case ToolMessage():
            return _Tool(entry.version, entry.answer, entry.index, entry.text, entry.failed)
        case EarlierMessage():
            return _Earlier(entry.message)


# --- put back


def put_back(before: Conversation, body: Body, version: int) -> Conversation:
    """Return the conversation with what it gained, at a version."""
    transcript = before.transcript
    for turn, forms in body.turns:
        transcript = transcript.add(turn, *map(_entry, forms))
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


def _entry(form: _Form) -> Entry:
    match form:
        case _User():
            return UserMessage(form.version, form.text)
        case _Assistant():
            return AssistantMessage(form.version, form.text, form.calls)
        case _Tool():
            return ToolMessage(form.version, form.answer, form.index, form.text, form.failed)
        case _Earlier():
            return EarlierMessage(form.message)


def _standing(standing: Standing, added: Sequence[tuple[int, str]]) -> Standing:
    for version, text in added:
        standing = standing.add(version, text)
    return standing


def _bytes(state: Mapping[str, Raw]) -> dict[str, bytes]:
    # copied, because a Raw keeps the whole body that it was decoded from alive
    return {name: bytes(value) for name, value in state.items()}

"""Frames to bytes and back, as JSON.

What this release does not know is kept, not refused: unknown fields pass, and an event with an unknown tag, or with
fields that do not fit its tag, becomes an `UnknownEvent` that holds its bytes.  Only before that the upcasters of old
forms are asked, so they cost what is of today nothing.  Bytes that are no frame at all are `CorruptLog`.

With a cipher a frame's content is sealed and opened on the way; what that means is told in `events/encryption.py`.
"""

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct, structs

from .encryption import ERASED, SEALED, Cipher, bound_to, joined, opened, parted, sealed, withheld
from .errors import CorruptLog, InvalidInput, TooLarge, Withheld
from .frame import Frame
from .limits import FRAME_LIMIT
from .upcasting import UPCASTERS, Upcaster, upcast
from .vocabulary import AnyEvent, KnownEvent, UnknownEvent


class _Outline(Struct):
    """Is what any event has, whatever its release."""

    type: str = ""
    cause: int | None = None


class _Seal(Struct):
    """Is what tells a sealed frame."""

    sealed: str = ""


_encoder = msgspec.json.Encoder()
_frame = msgspec.json.Decoder(Frame)
_fields = msgspec.json.Decoder(dict[str, Raw])
_raws = msgspec.json.Decoder(tuple[Raw, ...])
_event: msgspec.json.Decoder[KnownEvent] = msgspec.json.Decoder(KnownEvent)
_outline = msgspec.json.Decoder(_Outline)
_seal = msgspec.json.Decoder(_Seal)

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not JSON of the wanted shape."""


def frame_hash(data: bytes) -> str:
    """Return the SHA-256 of a frame's stored bytes, in hex: its `prev` in the next frame, and its message id."""
    return hashlib.sha256(data).hexdigest()


def encode_frame(frame: Frame, *, limit: int | None = FRAME_LIMIT) -> bytes:
    """Return the bytes to store.

    Raises:
        TooLarge: they are over `limit`.
        InvalidInput: a text in it is not valid Unicode.

    """
    written: Frame = frame
    if UnknownEvent in map(type, frame.events):
        raws = tuple(Raw(event.raw) if isinstance(event, UnknownEvent) else event for event in frame.events)
        written = structs.replace(frame, events=raws)
    try:
        data = _encoder.encode(written)
    except UnicodeEncodeError as error:
        raise InvalidInput(f"a text of the frame at version {frame.first} is not valid Unicode: {error}") from error
    check_size(frame, data, limit)
    return data


def seal_frame(frame: Frame, data: bytes, conversation: str, cipher: Cipher) -> bytes:
    """Return the bytes to store of a frame that encodes to `data`, with its content sealed.

    Raises:
        Withheld: the key is not here, or was erased.

    """
    raws = _raws.decode(_fields.decode(data)["events"])
    parts = [
        parted(bytes(raw), known=not isinstance(event, UnknownEvent))
        for raw, event in zip(raws, frame.events, strict=True)
    ]
    contents = [content for _, content in parts]
    if not any(contents):
        return data
    text = sealed(contents, cipher, bound_to(conversation, frame.first))
    return _encoder.encode(structs.replace(frame, sealed=text, events=tuple(Raw(event) for event, _ in parts)))


def is_sealed(data: bytes) -> bool:
    """Say whether these bytes, which are a frame's, hold sealed content."""
    return bool(_seal.decode(data).sealed)


def in_clear(frame: Frame, data: bytes) -> bool:
    """Say whether a frame, stored as these bytes, has content that anybody can read."""
    if frame.status == "erased" or is_sealed(data):  # what is recorded once it is erased has nobody's words
        return False
    return any(parted(encode_event(event))[1] is not None for event in frame.events)


def check_size(frame: Frame, data: bytes, limit: int | None) -> None:
    """Check a frame's bytes against the limit.

    Raises:
        TooLarge: they are over it.

    """
    if limit is not None and len(data) > limit:
        raise TooLarge(f"the frame at version {frame.first} has {len(data)} bytes, at most {limit} are taken")


def decode_frame(
    data: bytes,
    upcasters: Mapping[str, Upcaster] = UPCASTERS,
    *,
    conversation: str = "",
    cipher: Cipher | None = None,
) -> Frame:
    """Return the frame that these bytes hold, old forms as today's, keeping raw what this release does not know.

    What is sealed is opened with `cipher`, as `conversation`'s; where it cannot be, the frame has its structure only.

    Raises:
        CorruptLog: the bytes are no frame, or its sealed content was changed or is another frame's.

    """
    return plain_frame(data) or open_frame(data, upcasters, conversation=conversation, cipher=cipher)


def plain_frame(data: bytes) -> Frame | None:
    """Return the frame that these bytes hold, None where it is sealed, or more than a frame of today's events.

    Nearly every one is, and needs nothing else to be read.
    """
    try:
        frame = _frame.decode(data)
    except MALFORMED:
        return None
    return None if frame.sealed else frame


def open_frame(
    data: bytes,
    upcasters: Mapping[str, Upcaster] = UPCASTERS,
    *,
    conversation: str = "",
    cipher: Cipher | None = None,
) -> Frame:
    """Return the frame that these bytes hold, read event by event; as `decode_frame`, for one that is not plain."""
    try:
        fields = _fields.decode(data)
        raws = [bytes(raw) for raw in _raws.decode(fields.pop("events"))]
        frame = _frame.decode(_encoder.encode(fields))
        if frame.sealed:
            raws, text = _unsealed(raws, frame, bound_to(conversation, frame.first), cipher)
            frame = structs.replace(frame, sealed=text)
        return structs.replace(frame, events=tuple(decode_event(raw, upcasters) for raw in raws))
    except (*MALFORMED, KeyError) as error:
        raise CorruptLog(f"stored bytes are not a frame: {error}") from error


def _unsealed(raws: list[bytes], frame: Frame, bound: bytes, cipher: Cipher | None) -> tuple[list[bytes], str]:
    """Return a sealed frame's events with their content, and what stays sealed."""
    shown = SEALED
    if cipher is not None:
        try:
            contents = opened(frame.sealed, cipher, bound)
        except Withheld as error:
            shown = ERASED if error.erased else SEALED
        else:
            if len(contents) != len(raws):
                raise CorruptLog(f"content of {len(contents)} events is sealed in a frame of {len(raws)}")
            return [joined(raw, content) for raw, content in zip(raws, contents, strict=True)], ""
    return [withheld(raw, shown) for raw in raws], shown


def encode_event(event: AnyEvent) -> bytes:
    """Return one event as JSON, with its `type`."""
    return event.raw if isinstance(event, UnknownEvent) else _encoder.encode(event)


def decode_event(data: bytes, upcasters: Mapping[str, Upcaster] = UPCASTERS) -> AnyEvent:
    """Return the event that these bytes hold, an old form as today's, an `UnknownEvent` if this release cannot read it.

    Raises:
        CorruptLog: the bytes are no JSON object.

    """
    try:
        return _event.decode(data)
    except MALFORMED as unreadable:
        try:
            outline = _outline.decode(data)
        except MALFORMED:
            raise CorruptLog(f"stored bytes are not an event: {unreadable}") from unreadable
        return _upcast(data, outline, upcasters) or UnknownEvent(tag=outline.type, raw=data, cause=outline.cause)


def _upcast(data: bytes, outline: _Outline, upcasters: Mapping[str, Upcaster]) -> KnownEvent | None:
    today = upcast(data, outline.type, upcasters)
    if today is None:
        return None
    try:
        return _event.decode(today)
    except MALFORMED:  # the upcasters lead to no form of today
        return None

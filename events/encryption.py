"""Sealing: what people, models, tools and authors said is one ciphertext in its frame; the rest stays readable.

Every field of the vocabulary is marked as structure or content.  Sealing a frame takes the content out of its events
and puts all of it, encrypted, into `Frame.sealed`; opening puts it back.  The log stores sealed bytes, and hashes are
over what is stored, so the chain can be verified by whoever has no key.  A ciphertext is bound to the conversation and
to the version that its frame begins at: elsewhere it does not open.

Whoever has no key gets the structure, with a visible text in place of what was said; `Frame.sealed` of such a frame
is that text, and is how one tells it.  Nobody decides on it.

An event that this release does not know is sealed whole but for its tag and cause.  What is recorded once a
conversation was erased is in clear: it has nobody's words.

This module knows no crypto library: a `Cipher` is given.  A `Vault` gives the cipher of a conversation.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Protocol, TypeAlias, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from .errors import CorruptLog, Withheld
from .ids import ConversationId
from .vocabulary import KnownEvent

SEALED, ERASED = "[sealed]", "[erased]"
"""Stand where something was said that cannot be shown: for want of the key, and for good."""

WHOLE = ""
"""Names, among the content of an event that is not known, all of it."""

Marked: TypeAlias = "Mapping[str, Field]"
"""The fields of an event that are content, or that have such fields themselves, by name."""

Fields: TypeAlias = dict[str, Raw]

_fields = msgspec.json.Decoder(Fields)
_contents = msgspec.json.Decoder(tuple[Fields | None, ...])
_encoder = msgspec.json.Encoder()


class Cipher(Protocol):
    """Seals and opens bytes under one key; `bound` is what they belong to, and must be the same for both."""

    def seal(self, data: bytes, bound: bytes) -> bytes:
        """Return the sealed bytes.

        Raises:
            Withheld: the key is not here, or was erased.

        """

    def open(self, data: bytes, bound: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            CorruptLog: it was changed, or belongs to something else.
            Withheld: the key is not here, or was erased.

        """


class Vault(Protocol):
    """Has the keys of conversations."""

    async def cipher(self, conversation: ConversationId, *, anew: bool = False) -> Cipher | None:
        """Return the cipher of a conversation, None if it has no key and so is in clear.

        It may be one that is remembered; `anew` makes sure that its key is still there.

        Raises:
            Unavailable: the server did not answer.

        """

    async def created(self, conversation: ConversationId) -> Cipher | None:
        """Return the cipher of a conversation of which nothing is recorded, making its key if it has none.

        None where nothing is encrypted.

        Raises:
            Withheld: the namespace is encrypted, and there is no master key here.
            Unavailable: the server did not answer.

        """

    async def encrypted(self) -> bool:
        """Say whether conversations that begin now are sealed."""

    def forget(self, conversation: ConversationId) -> None:
        """Keep no key of it in memory."""


class Field(Struct, frozen=True):
    """Says of a marked field which text stands in its place, None for a value of another kind, and what is within."""

    text: bool = False
    blank: Raw | None = None
    within: "Marked | None" = None


@cache
def marked() -> Mapping[str, Marked]:
    """Return the marked fields of every event, by its tag."""
    return {str(kind.__struct_config__.tag): _marked(kind) for kind in get_args(KnownEvent)}


def _marked(kind: type[Struct]) -> dict[str, Field]:
    required = {field.name for field in msgspec.structs.fields(kind) if field.required}
    found: dict[str, Field] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is not Annotated:
            continue
        of, *metas = get_args(hint)
        kinds = [each for each in (of, *get_args(of)) if isinstance(each, type)]
        if any(isinstance(meta, Meta) and (meta.extra or {}).get("privacy") == "content" for meta in metas):
            blank = Raw(b"[]" if get_origin(of) is tuple else b"{}") if name in required else None
            found[name] = Field(text=str in kinds and get_origin(of) not in (tuple, dict), blank=blank)
            continue
        for struct in kinds:
            if issubclass(struct, Struct) and (within := _marked(struct)):
                found[name] = Field(within=within)
    return found


def bound_to(conversation: str, first: int) -> bytes:
    """Return what the content of a frame is bound to."""
    return f"frame {conversation}@{first}".encode()


# --- taking content out


def parted(event: bytes, *, known: bool = True) -> tuple[bytes, Fields | None]:
    """Return the structure of an event, and its content; None for an event without any."""
    structure = _fields.decode(event)
    tag = _tag(structure)
    if not known or tag not in marked():
        kept = {name: value for name, value in structure.items() if name in ("type", "cause")}
        return _encoder.encode(kept), {WHOLE: Raw(event)}
    content = _taken(structure, marked()[tag])
    return (_encoder.encode(structure), content) if content else (event, None)


def _tag(structure: Fields) -> str:
    tag = msgspec.json.decode(structure.get("type", Raw(b'""')))
    return tag if isinstance(tag, str) else ""


def _taken(structure: Fields, fields: Marked) -> Fields:
    """Take content out of the fields of an event, or of what is in one, and return it."""
    content: Fields = {}
    for name, field in fields.items():
        if name not in structure or bytes(structure[name]) == b"null":
            continue
        if field.within is None:
            content[name] = structure.pop(name)
            continue
        inner = _fields.decode(structure[name])
        if taken := _taken(inner, field.within):
            structure[name], content[name] = Raw(_encoder.encode(inner)), Raw(_encoder.encode(taken))
    return content


def sealed(contents: Sequence[Fields | None], cipher: Cipher, bound: bytes) -> str:
    """Return the content of a frame's events as the one text that stands in the frame; raises as `Cipher.seal`."""
    return urlsafe_b64encode(cipher.seal(_encoder.encode(contents), bound)).decode()


# --- putting it back


def opened(text: str, cipher: Cipher, bound: bytes) -> tuple[Fields | None, ...]:
    """Return the content that was sealed, event by event; raises as `Cipher.open`."""
    try:
        data = urlsafe_b64decode(text)
    except ValueError as error:
        raise CorruptLog(f"its sealed content is no base64: {error}") from error
    return _contents.decode(cipher.open(data, bound))


def joined(event: bytes, content: Fields | None) -> bytes:
    """Return an event with its content."""
    if content is None:
        return event
    if WHOLE in content:
        return bytes(content[WHOLE])
    return _encoder.encode(_merged(_fields.decode(event), content))


def _merged(structure: Fields, content: Fields) -> Fields:
    merged = dict(structure)
    for name, value in content.items():
        if name in structure:  # part of what it holds is structure
            value = Raw(_encoder.encode(_merged(_fields.decode(structure[name]), _fields.decode(value))))  # noqa: PLW2901
        merged[name] = value
    return merged


def withheld(event: bytes, shown: str) -> bytes:
    """Return an event whose content cannot be had: with `shown` where it has a text, and nothing where it has more."""
    structure = _fields.decode(event)
    tag = _tag(structure)
    text = Raw(_encoder.encode(shown))
    for name, field in marked().get(tag, {}).items():
        if field.text and f"{name}_at" not in structure:
            structure.setdefault(name, text)
        elif field.blank is not None:
            structure.setdefault(name, field.blank)
    if tag == "model.answered":
        structure["message"] = Raw(_encoder.encode({"role": "assistant", "content": shown}))
    return _encoder.encode(structure)


class Keyring:
    """Gives the ciphers for one reading: each is looked up once, and anew, so that an erased key opens nothing.

    What comes at this moment may be opened with what is remembered: `anew` false.
    """

    def __init__(self, vault: Vault | None, *, anew: bool = True) -> None:
        self._vault = vault
        self._anew = anew
        self._found: dict[ConversationId, Cipher | None] = {}

    @property
    def asked(self) -> bool:
        """Whether a cipher was looked up, because something sealed was read."""
        return bool(self._found)

    async def cipher(self, conversation: ConversationId, data: bytes) -> Cipher | None:
        """Return the cipher for a frame with these bytes, None where there is none, or the frame needs none."""
        if self._vault is None or b'"sealed":"' not in data:
            return None
        if conversation not in self._found:
            known = None if self._anew else await self._vault.cipher(conversation)
            self._found[conversation] = known or await self._vault.cipher(conversation, anew=True)
        return self._found[conversation]


def not_to_be_had(what: str, *, erased: bool = False) -> Withheld:
    """Return the error for content that is needed and cannot be had, `what` naming it."""
    if erased:
        return Withheld(f"{what} was erased", erased=True)
    return Withheld(f"{what} is sealed, and its key cannot be had here: set ARF_MASTER_KEY", erased=False)

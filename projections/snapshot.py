"""Snapshots: a conversation between two turns, kept beside its log as a chain of parts, so that opening it is short.

A part holds what the conversation gained since the part before, and the small rest as it is now; so keeping one costs
what is new in it, however long it is.  Each part names the head of the log that it stands at, the revision of the
fold, its number and the digest of the part before.

A snapshot is a cache: whoever opens one gets what folding the log up to that head gives, or nothing.  What does not fit
is `Unfit`, and then the whole chain is thrown away.  Before parts are stored they are joined again, and must give the
very conversation that they were made of.

Kept is only what is a fold of a conversation's own log: between two turns; no fork, whose words stand in the logs of
others and are erased there; nothing of which something is withheld, unknown or erased.

A gain that is large comes in pieces: parts of the same head, of which only the last has the rest.
"""

import zlib
from collections.abc import Iterator
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..events import START, Cipher, ConversationId, CorruptLog, Head
from .conversation import Conversation, initial
from .snapshot_body import Body, bodies, decoded, encoded, known, put_back

FOLD = 1
"""The revision of the fold and of the form of parts: another one, whenever a log folds to something else, a part of it
has other bytes, or there is another kind of event, which older releases must meet.  Parts of other revisions are thrown
away."""

PART_LIMIT = 900 * 1024
"""Bytes that a part may have as it is stored."""

BODY_LIMIT = 16 * 1024 * 1024
"""Bytes that a part's body may have when it is no longer compressed."""

LEVEL = 5
"""How hard zlib tries: parts stay, but one of seventy turns takes five milliseconds, in which nothing else is done."""

_DIGEST = 32
_PREFIX = b"snapshot "


class Unfit(Exception):
    """Raised when bytes are no part of this chain, or a conversation cannot be kept; says why."""


class Part(Struct, frozen=True, kw_only=True, array_like=True):
    """Is one part: what it belongs to, and its body, which is compressed, and encrypted where it is `sealed`."""

    fold: int
    conversation: str
    number: int
    version: int
    position: int
    hash: str
    before: bytes
    sealed: bool
    body: bytes = b""


class StoredPart(Struct, frozen=True):
    """Is a part as it is stored, with its digest; not opened yet."""

    part: Part
    digest: bytes


class Snapshot(Struct, frozen=True):
    """Is a chain of parts, joined: the conversation at a head, and where the next part goes on.

    Attributes:
        conversation: as it is at that head.
        head: of the log; `START` where nothing is kept.
        number, digest: of the last part.
        whole: whether that part has the rest, so that the conversation is one.

    """

    conversation: Conversation
    head: Head = START
    number: int = 0
    digest: bytes = b""
    whole: bool = False


_packer = msgspec.msgpack.Encoder()
_unpacker = msgspec.msgpack.Decoder(Part)


def nothing_kept(conversation: ConversationId) -> Snapshot:
    """Return the snapshot of a conversation of which none is kept: the beginning of its log."""
    return Snapshot(initial(conversation))


def can_be_kept(conversation: Conversation) -> bool:
    """Say whether a conversation may be kept as it is now."""
    now = conversation
    between = bool(now.agent) and now.turn is None and now.spoken is None
    return between and now.lineage is None and not (now.erased or now.withheld or now.unknown)


def parts_of(before: Snapshot, now: Conversation, head: Head, cipher: Cipher | None = None) -> Iterator[bytes]:
    """Yield the parts that lead from a snapshot to `now`, which stands at `head`; sealed where a cipher is given.

    Store none before all are yielded: only then it is known that they give `now`.

    Raises:
        Unfit: it cannot be kept, or does not continue what was kept before.
        Withheld: the key is not here, or was erased.

    """
    if not can_be_kept(now):
        raise Unfit("it is not between two turns, or is none that is kept")
    made = before
    for body in bodies(before.conversation, now):
        part, plain = _next(made, head, sealed=cipher is not None), encoded(body)
        deflating = zlib.compressobj(LEVEL, zdict=known(made.conversation))
        compressed = deflating.compress(plain) + deflating.flush()
        packed = _packer.encode(
            replace(part, body=compressed if cipher is None else cipher.seal(compressed, bound_to_part(part)))
        )
        digest = sha256(packed).digest()
        if len(plain) > BODY_LIMIT or _DIGEST + len(packed) > PART_LIMIT:
            raise Unfit(f"one of its parts has {len(packed)} bytes, which is too large")
        made = _joined(made, part, decoded(plain), digest)
        yield digest + packed
    if made.conversation != now:
        raise Unfit("what was written does not come back as it was")


def _next(before: Snapshot, head: Head, *, sealed: bool) -> Part:
    return Part(
        fold=FOLD,
        conversation=before.conversation.id,
        number=before.number + 1,
        version=head.version,
        position=head.position,
        hash=head.hash,
        before=before.digest,
        sealed=sealed,
    )


def bound_to_part(part: Part) -> bytes:
    """Return what the body of a part is bound to: all that it says besides."""
    return _PREFIX + _packer.encode(replace(part, body=b""))


def read_part(data: bytes) -> StoredPart:
    """Return the part that these bytes are.

    Raises:
        Unfit: they are none, or one of another revision.

    """
    digest, packed = data[:_DIGEST], data[_DIGEST:]
    if sha256(packed).digest() != digest:
        raise Unfit("its bytes are not those that were stored")
    try:
        part = _unpacker.decode(packed)
    except msgspec.DecodeError as error:
        raise Unfit(f"it is no part: {error}") from error
    if part.fold != FOLD:
        raise Unfit(f"it is of revision {part.fold} of the fold, not {FOLD}")
    return StoredPart(part, digest)


def with_part(before: Snapshot, read: StoredPart, cipher: Cipher | None = None) -> Snapshot:
    """Return the snapshot with one more part, which is sealed if a cipher is given.

    Raises:
        Unfit: it is not the next part of this chain, or its body cannot be read.
        Withheld: the key is not here, or was erased.

    """
    part = read.part
    if (part.conversation, part.number, part.before) != (before.conversation.id, before.number + 1, before.digest):
        raise Unfit(f"part {part.number} of {part.conversation!r} does not follow part {before.number}")
    if part.version < before.head.version or part.sealed != (cipher is not None):
        raise Unfit("it is older than the part before, or sealed otherwise than its conversation")
    try:
        compressed = part.body if cipher is None else cipher.open(part.body, bound_to_part(part))
        inflating = zlib.decompressobj(zdict=known(before.conversation))
        plain = inflating.decompress(compressed, BODY_LIMIT)
        if not inflating.eof or inflating.unused_data:
            raise Unfit("its body does not end where it should")
        return _joined(before, part, decoded(plain), read.digest)
    except (CorruptLog, zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unfit(f"its body cannot be read: {error}") from error


def _joined(before: Snapshot, part: Part, body: Body, digest: bytes) -> Snapshot:
    now = put_back(before.conversation, body, part.version)
    return Snapshot(now, Head(part.version, part.position, part.hash), part.number, digest, whole=body.rest is not None)

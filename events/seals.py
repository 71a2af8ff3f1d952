"""Seals: signed statements of where every conversation ended at some time.

A seal says how many conversations there were, and holds one hash over all of their heads (`merkle`): each leaf is
`conversation`, `version` and `hash` on three lines, in the order of the names' bytes.  It names the seal before by its
hash, and the key that signed it.  Signed is its canonical JSON without the signature: keys sorted, no spaces.  What is
stored is the canonical JSON with it.

Whoever has a seal and the heads that were sealed can show that a log still has them; the key, and the file of these
heads (`runtime.sealing`), must be where those who can write to the log cannot.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, structs

from .codec import MALFORMED, frame_hash
from .errors import CorruptLog
from .merkle import merkle_root


class SealedHead(Struct, frozen=True, array_like=True, gc=False):
    """Is where a conversation ended when it was sealed: the version, and the hash of the last frame's bytes.

    There may be very many; they are nothing that the garbage collector must look at.
    """

    version: int
    hash: str


class Seal(Struct, frozen=True, kw_only=True):
    """Is one statement.

    Attributes:
        number: counts the seals of a namespace, from 1.
        time: when the heads had been read, in Unix milliseconds.
        namespace: whose heads they are.
        conversations: how many there were.
        root: the Merkle root over their heads, in hex.
        before: the hash of the seal before; empty for the first.
        key: the public Ed25519 key, in hex.
        signature: over the statement, in hex.

    """

    number: Annotated[int, Meta(ge=1)]
    time: int
    namespace: str
    conversations: int
    root: str
    before: str
    key: str
    signature: str = ""

    @property
    def statement(self) -> bytes:
        """What is signed."""
        said = structs.asdict(self)
        del said["signature"]
        return canonical(said)

    @property
    def stored(self) -> bytes:
        """What is stored."""
        return canonical(structs.asdict(self))

    @property
    def hash(self) -> str:
        """Its name in the next seal."""
        return frame_hash(self.stored)


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Seal)


def canonical(value: Mapping[str, object]) -> bytes:
    """Return JSON that everybody writes alike: keys sorted, no spaces."""
    return _encoder.encode(value)


def decode_seal(data: bytes) -> Seal:
    """Return the seal that these bytes are.

    Raises:
        CorruptLog: they are none.

    """
    try:
        seal = _decoder.decode(data)
    except MALFORMED as error:
        raise CorruptLog(f"these bytes are no seal: {error}") from error
    if seal.stored != data:
        raise CorruptLog(f"seal {seal.number} is not written as seals are: it was changed")
    return seal


def root_of(heads: Mapping[str, SealedHead]) -> str:
    """Return the root over all heads."""
    return merkle_root(_leaves(heads)).hex()


def _leaves(heads: Mapping[str, SealedHead]) -> Iterable[bytes]:
    for conversation in sorted(heads):  # names are ASCII, so this is the order of their bytes
        head = heads[conversation]
        yield f"{conversation}\n{head.version}\n{head.hash}".encode()

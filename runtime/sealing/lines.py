"""The file of seals, kept by an operator where nobody can change it who can write to the log.

JSON, a seal a line, each with the heads that changed since the line before; the first has all:

    {"seal":{"number":1,...},"heads":{"c-1":[12,"9d1f..."]},"gone":[],"full":true,"after":"","link":"5e..."}

So the file alone says every head that was ever sealed.  `after` is the hash of the seal in the line before, and `link`
the key's signature over that and the seal, so that no line can be taken out or moved.  Seals that a worker elsewhere
made are in that one's file.

What a crash cut off is no line; the next one then has all heads again.
"""

from collections.abc import Mapping
from itertools import islice

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...events import CorruptLog, Seal, SealedHead
from ...events.codec import MALFORMED
from ...events.seals import canonical

SHOWN = 10
"""So many conversations are named."""

PIECE = 1_000
"""So many heads are encoded at once."""


class SealLine(Struct, frozen=True, kw_only=True):
    """Is one line.

    Attributes:
        seal: what was sealed.
        heads: those that changed since the line before; all, if it is `full`.
        gone: conversations that the line before had, and that are no more.
        full: whether it says all by itself.
        after: the hash of the seal in the line before; empty for the first.
        link: the signature over `after`, `full` and the seal.

    """

    seal: Seal
    heads: dict[str, SealedHead]
    gone: list[str]
    full: bool
    after: str
    link: str = ""

    @property
    def linked(self) -> bytes:
        """What `link` signs."""
        return canonical({"after": self.after, "full": self.full, "seal": self.seal.hash})


_decoder = msgspec.json.Decoder(SealLine)
_encoder = msgspec.json.Encoder()


def encode_line(line: SealLine) -> bytes:
    """Return a line with its end; made in pieces, so that a thread which makes a long one holds up no other."""
    before, after = _encoder.encode(replace(line, heads={})).split(b'"heads":{}', 1)
    names = iter(line.heads)
    pieces = []
    while piece := {name: line.heads[name] for name in islice(names, PIECE)}:
        pieces.append(_encoder.encode(piece)[1:-1])
    return b"".join((before, b'"heads":{', b",".join(pieces), b"}", after, b"\n"))


def decode_line(data: bytes) -> SealLine:
    """Return the line that these bytes are.

    Raises:
        CorruptLog: they are none.

    """
    try:
        return _decoder.decode(data)
    except MALFORMED as error:
        raise CorruptLog(f"no line of a file of seals: {error}") from error


class Folded:
    """Is what the lines so far say together.

    Attributes:
        heads: by conversation, what the last line has.
        last: the seal in the last line; None before the first.
        broken: whether something stood there that is no line, so that the next one must be full.

    """

    def __init__(self) -> None:
        self.heads: dict[str, SealedHead] = {}
        self.last: Seal | None = None
        self.broken = False

    def take(self, line: SealLine) -> None:
        """Go on with a line."""
        if line.full:
            self.heads = {}
        self.heads.update(line.heads)
        for conversation in line.gone:
            self.heads.pop(conversation, None)
        self.last, self.broken = line.seal, False

    @property
    def after(self) -> str:
        """What the next line names as the one before."""
        return "" if self.last is None else self.last.hash

    def next_line(self, seal: Seal, heads: Mapping[str, SealedHead]) -> SealLine:
        """Return the line for a seal over these heads, not yet linked."""
        full = self.last is None or self.broken
        changed = {name: head for name, head in heads.items() if full or self.heads.get(name) != head}
        gone = [] if full else sorted(self.heads.keys() - heads.keys())
        return SealLine(seal=seal, heads=changed, gone=gone, full=full, after=self.after)

    def lost(self, seal: Seal, heads: Mapping[str, SealedHead]) -> list[str]:
        """Return, in words, what was there and is not, by a new seal over these heads."""
        said = []
        if self.last is not None and seal.number <= self.last.number:
            said.append(f"seals began anew in the log, which had seal {self.last.number}")
        names = [name for name in sorted(self.heads) if _went_back(self.heads[name], heads.get(name))]
        if names:
            which = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
            said.append(f"what was sealed before is not there any more in {len(names)} conversations: {which}")
        return said


def _went_back(before: SealedHead, now: SealedHead | None) -> bool:
    return now is None or now.version < before.version or (now.version == before.version and now.hash != before.hash)

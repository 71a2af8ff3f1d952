"""Whether stored frames are what was recorded: the chain of one log, checked frame by frame.

It is the chain that reading checks, too (`events.inheritance`), and beside it what only an audit looks at: the id that
is kept with each frame.  The last frame of a log is named by no other, so of that one only the id betrays a change.

Who may write to the server as he likes can make all of it fit again.  That only a seal shows (`events.sealed_heads`).
"""

from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from .codec import decode_frame, frame_hash
from .course import Course
from .errors import CorruptLog, NewerRelease
from .frame import START, Head, Stored
from .ids import ConversationId
from .inheritance import checked_lineage, erased_before

FaultKind: TypeAlias = Literal[
    "bytes", "chain", "id", "lineage", "astray", "missing", "dropped", "truncated", "rewritten", "seal"
]


class RawFrame(NamedTuple):
    """Is what is stored somewhere, believed in nothing.

    Attributes:
        conversation: whose it is by its place.
        position: the store's own number of it.
        data: the bytes.
        id: what is kept beside them as their hash; None where nothing is.
        stream: what holds it.
        astray: the place, where that is not where this conversation is looked for; nobody reads it there.

    """

    conversation: ConversationId
    position: int
    data: bytes
    id: str | None
    stream: str
    astray: str = ""


class Fault(Struct, frozen=True, kw_only=True):
    """Is the first thing in a conversation that does not fit.

    Attributes:
        kind: what does not fit: the `bytes` are no frame; the `chain` of versions and hashes; the `id` kept with the
            bytes; the `lineage` of a fork; a frame that went `astray`; a stream that is `missing`; what was sealed and
            was `dropped`, `truncated` or `rewritten` since; a `seal` itself.
        conversation: whose; empty where it is nobody's.
        what: in words.
        version: of the first event that cannot be believed; None where that is not known.
        position: of the frame; None where there is none.
        expected, found: what should be, and what is.

    """

    kind: FaultKind
    conversation: str = ""
    what: str
    version: int | None = None
    position: int | None = None
    expected: str
    found: str

    @property
    def line(self) -> str:
        """All of it on one line."""
        whose = f"{self.conversation}: " if self.conversation else ""
        return f"{whose}{self.what}: expected {self.expected}, found {self.found}"


class Chain:
    """Checks the frames of a conversation's own log, which it is fed in the order in which they stand.

    After the first that does not fit, `fault` says so, and nothing more is looked at.

    Attributes:
        conversation: whose log it is.
        head: where what fits ends.
        fork: whether it begins at a cut; what is before that is checked by whoever can read its ancestors.
        gone: how many frames can have been taken away when it was erased: as many as versions, and as places before it.
        frames, events: how many fit.
        erased: the version at which the content was erased, None if it was not.
        unfinished: whether an erasure in clear left frames behind that it was to take away.
        stream: what holds it.
        fault: what does not fit.

    >>> from agent_runtime_framework.events import ConversationId, RawFrame
    >>> from agent_runtime_framework.events.verification import Chain
    >>> chain = Chain(ConversationId("c-1"))
    >>> chain.add(RawFrame(chain.conversation, 7, b"[]", None, "arf-ev-0"))
    >>> chain.fault.line.partition(", found")[0]
    'c-1: position 7, version 1: expected a frame'

    """

    __slots__ = ("_course", "conversation", "events", "fault", "fork", "frames", "gone", "stream")

    def __init__(self, conversation: ConversationId) -> None:
        self.conversation = conversation
        self._course = Course(START)
        self.fork = False
        self.gone = 0
        self.frames = 0
        self.events = 0
        self.stream = ""
        self.fault: Fault | None = None

    @property
    def head(self) -> Head:
        """Where what fits ends."""
        return self._course.head

    @property
    def erased(self) -> int | None:
        """The version at which the content was erased."""
        return self._course.erased

    @property
    def unfinished(self) -> bool:
        """Whether an erasure in clear was not completed."""
        return self._course.kept

    def add(self, raw: RawFrame) -> Stored | None:
        """Check the next frame, and return it if it fits."""
        if self.fault is not None:
            return None
        if raw.astray:
            self._wrong("astray", raw, "nothing of it there", f"a frame at {raw.astray}, which nobody reads")
            return None
        try:
            frame = decode_frame(raw.data)
            stored = Stored(raw.conversation, frame, Head(frame.last, raw.position, frame_hash(raw.data)), raw.data)
            self._inherit(stored)
        except (CorruptLog, NewerRelease) as error:
            self._wrong("bytes", raw, "a frame", str(error))
            return None
        if (wrong := self._course.misfit(stored)) is not None:
            self._wrong("chain", raw, wrong.expected, wrong.found)
            return None
        if raw.id != stored.head.hash:
            found = "none" if raw.id is None else raw.id[:80]
            self._wrong("id", raw, f"the message id {stored.head.hash[:12]}, the hash of the bytes", found)
            return None
        self._take(stored, raw.stream)
        return stored

    def _inherit(self, stored: Stored) -> None:
        """Begin a fork's log where it was cut from its parent's."""
        if self.frames or erased_before(stored.frame, self.head) is not None:
            return
        lineage = checked_lineage(stored)
        if lineage is not None:
            self.fork = True
            self._course.head = Head(lineage.version, 0, lineage.frame)

    def _take(self, stored: Stored, stream: str) -> None:
        before = self.head
        self._course.take(stored)
        if not self.gone and self._course.gap:
            self.gone = min(self._course.gap, stored.head.position - before.position - 1)
        self.frames += 1
        self.events += len(stored.frame.events)
        self.stream = stream

    def _wrong(self, kind: FaultKind, raw: RawFrame, expected: str, found: str) -> None:
        version = self.head.version + 1
        self.fault = Fault(
            kind=kind,
            conversation=self.conversation,
            what=f"position {raw.position}, version {version}",
            version=version,
            position=raw.position,
            expected=expected,
            found=found,
        )

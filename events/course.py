"""The course of a log: which frame may come next.  Reading and verifying both ask here, and so cannot disagree.

Each frame continues the one before.  An erasure alone may stand after a gap, since what was said is taken away before
it; and after it stand only refusals of commands that were waiting.  Who writes to the server as he likes can forge an
erasure, too: so one that takes frames away has nothing in it but the end of what was in progress, and no log that
holds sealed frames lacks any, for there the key is taken away and the frames stay.
"""

from .codec import is_sealed
from .errors import CorruptLog
from .frame import Frame, Head, Stored
from .inheritance import Misfit, check_continues, erased_before, lineage_of, misfit
from .vocabulary import AnyEvent, CommandRefused, ConversationErased, UnknownEvent


class Course:
    """Follows the frames of one log from the head `head` on, those that a fork inherits among them.

    Attributes:
        head: where it stands.
        erased: the version at which the conversation was erased, None if it was not.
        gap: how many versions were taken away before the erasure.
        kept: whether frames of its own stand before that gap.

    """

    __slots__ = ("_fork", "_last", "_midway", "_sealed", "erased", "gap", "head", "kept")

    def __init__(self, head: Head) -> None:
        self.head = head
        self.erased: int | None = None
        self.gap = 0
        self.kept = False
        self._midway = head.position > 0
        self._fork = False
        self._sealed = False
        self._last: Stored | None = None

    def misfit(self, stored: Stored) -> Misfit | None:
        """Return in what a frame does not fit here, None where it does."""
        frame = stored.frame
        if self.erased is not None:
            return _no_refusal(frame, self.erased) or misfit(stored, self.head)
        before = erased_before(frame, self.head)
        if before is None:
            return misfit(stored, self.head) or _after_its_erasure(frame)
        if self._holds_sealed():
            return Misfit(
                f"the sealed frames from version {self.head.version + 1} on, which an erasure leaves",
                f"an erasure that continues version {before.version} ({before.hash[:12] or 'no hash'})",
            )
        return _after_its_erasure(frame)

    def check(self, stored: Stored) -> None:
        """Go on with a frame.

        Raises:
            CorruptLog: it does not fit here.

        """
        if self._goes_on(stored.frame):
            self._follow(stored)
            return
        wrong = self.misfit(stored)
        if wrong is not None:
            if self.erased is None and erased_before(stored.frame, self.head) is None:
                check_continues(stored, self.head)
            where = "that it inherits" if stored.inherited else f"at position {stored.head.position}"
            raise CorruptLog(
                f"the frame of {stored.conversation!r} {where}, version {stored.frame.first}: expected "
                f"{wrong.expected}, found {wrong.found}: the log was changed or frames are missing"
            )
        self.take(stored)

    def take(self, stored: Stored) -> None:
        """Go on with a frame that fits."""
        frame = stored.frame
        if self.erased is None:
            before = erased_before(frame, self.head)
            if before is not None:
                self.gap = before.version - self.head.version
                self.kept = self._last is not None
            if frame.erases or (self._midway and frame.status == "erased"):
                self.erased = frame.last
            else:
                self._follow(stored)
        self.head = stored.head

    def _goes_on(self, frame: Frame) -> bool:
        """Say whether a frame is simply the next, without a word of erasing: nearly every one, so it is asked first."""
        return (
            self.erased is None
            and frame.prev == self.head.hash
            and frame.first == self.head.version + 1
            and frame.status != "erased"
            and bool(frame.events)
            and ConversationErased not in map(type, frame.events)
        )

    def _follow(self, stored: Stored) -> None:
        """Go on with a frame after which nothing is erased."""
        if not stored.inherited:
            self._fork = self._fork or lineage_of(stored.frame) is not None
            self._sealed = self._sealed or (self._last is None and is_sealed(stored.data))
            self._last = stored
        self.head = stored.head

    def _holds_sealed(self) -> bool:
        """Say whether frames stand before here whose content went with a key; a fork may inherit others, in clear."""
        return not self._fork and (self._sealed or (self._last is not None and is_sealed(self._last.data)))


def _no_refusal(frame: Frame, erased: int) -> Misfit | None:
    """Return what cannot stand after an erasure, None where a frame has only refusals."""
    other = next((event for event in frame.events if not isinstance(event, CommandRefused)), None)
    if other is None and frame.status == "erased":
        return None
    found = (
        f"a frame of status {frame.status}" if other is None else f"{_tag(other)} in the frame of version {frame.first}"
    )
    return Misfit(f"only refusals follow an erasure (at version {erased})", found)


def _tag(event: AnyEvent) -> str:
    return event.tag if isinstance(event, UnknownEvent) else str(event.__struct_config__.tag)


def _after_its_erasure(frame: Frame) -> Misfit | None:
    for version, event in frame.numbered():
        if isinstance(event, ConversationErased) and version != frame.last:
            return Misfit(f"only refusals follow an erasure (at version {version})", "more events in the same frame")
    return None

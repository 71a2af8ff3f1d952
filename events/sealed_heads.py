"""What was sealed of a conversation, and whether its log still has it.

Every head that was ever sealed counts, not only the latest: a log that was cut, and sealed again since, lacks what the
seals before say.  The frames need not be read twice: a conversation's are compared as they pass.
"""

from collections.abc import Sequence
from typing import NamedTuple

from .frame import START, Head, Stored
from .inheritance import erased_before
from .seals import SealedHead
from .verification import Fault, FaultKind


class SealedAt(NamedTuple):
    """Is a sealed head of a conversation, and the number of the seal that first has it."""

    head: SealedHead
    seal: int


class Sealed:
    """Compares the frames of one conversation's own log with what was sealed of it.

    `heads` are in the order of their seals.
    """

    def __init__(self, conversation: str, heads: Sequence[SealedAt]) -> None:
        self._conversation = conversation
        self._wanted: dict[int, list[SealedAt]] = {}
        for sealed in heads:
            self._wanted.setdefault(sealed.head.version, []).append(sealed)
        self._fits = 0
        self._unlike: tuple[SealedAt, str] | None = None
        self._erased: Head | None = None
        self._passed_over = 0
        self._last = START

    def passes(self, stored: Stored) -> None:
        """Compare the next frame that fits the log."""
        erased = erased_before(stored.frame, self._last)
        if erased is not None:
            self._erased = erased
            self._forget(erased, self._last)
        self._last = stored.head
        here = self._wanted.pop(stored.head.version, ())
        unlike = next((sealed for sealed in here if sealed.head.hash != stored.head.hash), None)
        if unlike is None:
            self._fits = stored.head.version if here and self._unlike is None else self._fits
        elif self._unlike is None:
            self._unlike = unlike, f"the hash {stored.head.hash[:12]} there"

    def _forget(self, erased: Head, kept: Head) -> None:
        """Pass over what was erased after the head `kept`, which nothing but its last head can be compared with."""
        gone = [version for version in self._wanted if kept.version < version <= erased.version]
        forgotten = {version: self._wanted.pop(version) for version in gone}
        ended = forgotten.get(erased.version, ())
        for sealed in ended:
            if self._unlike is None and sealed.head.hash != erased.hash:
                self._unlike = sealed, f"the hash {erased.hash[:12]} there before it was erased"
        self._passed_over = 0 if ended or not gone else max(gone)

    @property
    def passed_over(self) -> int:
        """The last sealed version that cannot be compared, because what the erasure says of the end was never sealed.

        0 where all could be.
        """
        return self._passed_over

    def ended(self, last: int) -> Fault | None:
        """Return what is not as it was sealed, where the log ends at version `last`; 0 if there is none."""
        left = sorted(self._wanted)
        if last == 0:
            return (
                None if not left else self._fault("dropped", self._wanted[left[-1]][0], "was dropped", "nothing of it")
            )
        if left and left[0] <= last and (self._unlike is None or left[0] < self._unlike[0].head.version):
            self._unlike = self._wanted[left[0]][0], "no frame that ends there"
        if self._unlike is not None:
            sealed, found = self._unlike
            if self._erased is not None and sealed.head.version > self._erased.version:
                return self._cut_before_erasure(sealed, self._erased)
            return self._fault("rewritten", sealed, self._between(sealed.head.version), found)
        if not left:
            return None
        longest = self._wanted[left[-1]][0]
        if self._erased is not None:
            return self._cut_before_erasure(longest, self._erased)
        what = f"was truncated: it ends at version {last}, and was sealed at {longest.head.version}"
        return self._fault("truncated", longest, what, f"an end at {last}", version=last + 1)

    def _between(self, version: int) -> str:
        if self._fits:
            return f"was rewritten between version {self._fits} and {version}"
        return f"was rewritten at or before version {version}"

    def _cut_before_erasure(self, sealed: SealedAt, erased: Head) -> Fault:
        what = (
            f"was truncated before it was erased: the erasure says that it ended at version {erased.version}, and it "
            f"was sealed at {sealed.head.version}"
        )
        return self._fault("truncated", sealed, what, f"an end at {erased.version}", version=erased.version + 1)

    def _fault(self, kind: FaultKind, sealed: SealedAt, what: str, found: str, *, version: int | None = None) -> Fault:
        return Fault(
            kind=kind,
            conversation=self._conversation,
            what=what,
            version=version or (self._fits + 1 if kind == "rewritten" else sealed.head.version),
            expected=f"version {sealed.head.version} ({sealed.head.hash[:12]}), as seal {sealed.seal} has it",
            found=found,
        )

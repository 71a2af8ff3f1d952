"""Why there is no reply yet."""

from ..actors import SayToAgent
from ..events import ConversationId, Unavailable
from .wire import Queued, place_in_line


class Late(Unavailable):
    """Raised when there is no reply in time; the message is kept.

    Attributes:
        what: the same without what to do.

    """

    def __init__(self, what: str, conversation: ConversationId) -> None:
        super().__init__(f"{what}: send the same id again, or read the log of {conversation!r}")
        self.what = what


def late(say: SayToAgent, conversation: ConversationId, *, within: float, nobody: str, queued: Queued | None) -> Late:
    """Return the error for a message without a reply, where nobody answers, or it was last heard to wait."""
    why = f", and {nobody}" if nobody else _waiting(queued) if queued is not None else ""
    kept = f"message {say.id} is kept {'until one does' if nobody else 'and will be answered'}"
    return Late(f"no reply from {say.agent!r} within {within:g} s{why}; {kept}", conversation)


def _waiting(queued: Queued) -> str:
    if queued.reason:
        return f", because it cannot be recorded now ({queued.reason})"
    return f", because it waits its turn, {place_in_line(queued)}"

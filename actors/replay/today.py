"""The code of today, as a replay asks it: what is not the code's own to say is taken from the log."""

from collections.abc import Mapping
from typing import Protocol

from msgspec.structs import replace

from ...projections import Call, Conversation
from ..commands import AskModel, EndTurn
from ..settle import Journey, Mailbox, Policy, Verdict
from ..sizes import described


class Today(Journey, Protocol):
    """Is an agent's code of today."""

    def first(self) -> tuple[dict[str, bytes], str] | None:
        """Return the state and the step that a conversation begins with; None where the code alone does not say."""

    def as_read(self, conversation: Conversation, state: Mapping[str, bytes]) -> tuple[dict[str, bytes], str]:
        """Return a state of the journey that is on as the code reads and writes it, and its step."""


class AsRecorded:
    """Asks the code of today, and takes from the log what is not its own to say: which model was configured."""

    def __init__(self, today: Journey) -> None:
        self._today = today
        self.model = ""

    @property
    def mailbox(self) -> Mailbox:
        """What happens to a message that comes in while a turn is in progress."""
        return self._today.mailbox

    def policy(self, conversation: Conversation) -> Policy:
        """Say when a turn is over."""
        return self._today.policy(conversation)

    def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:
        """Say what the model is asked; the model is the one of then."""
        asked = self._today.ask_model(conversation)
        return replace(asked, model=self.model) if isinstance(asked, AskModel) else asked

    def judge(self, conversation: Conversation, call: Call) -> Verdict:
        """Say whether a call may run."""
        return self._today.judge(conversation, call)


def first_state(today: Today, then: Mapping[str, bytes]) -> tuple[dict[str, bytes], str] | str | None:
    """Return how a conversation begins today, None where the code does not say, or what it raised, in words.

    What differs from one beginning to the next, such as an id that is made up, is as it was `then`.
    """
    try:
        first, other = today.first(), today.first()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  author code may raise anything, and nothing here waits
        return f"it could not begin: {described(error)}"
    if first is None or other is None:
        return None
    return _settled(first[0], other[0], then), first[1]


def as_read(
    today: Today, conversation: Conversation, state: Mapping[str, bytes]
) -> tuple[dict[str, bytes], str] | None:
    """Return a state as today's code reads and writes it, None if it cannot; what differs each time is as it was."""
    try:
        first, other = today.as_read(conversation, state), today.as_read(conversation, state)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  as above; what is asked of the code next raises it again
        return None
    return _settled(first[0], other[0], state), first[1]


def _settled(
    first: Mapping[str, bytes], other: Mapping[str, bytes], otherwise: Mapping[str, bytes]
) -> dict[str, bytes]:
    return {name: value if other.get(name) == value else otherwise.get(name, value) for name, value in first.items()}

"""What an actor needs: the process that it lives in, what is its own there, and the world outside."""

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

from ..events import ConversationId, Stored, WriterId
from ..projections import Conversation, Owed
from .commands import BusCommand, HaltTurn, Open, Outcome, SayToAgent

if TYPE_CHECKING:
    from .conversation_actor import ConversationActor


class Delivered(Struct, frozen=True):
    """Is a command from outside.

    `done` is told once nothing is owed for it, `failed` if it must come again.  `poisoned`, where it is given, is told
    instead of `done` if its turn came to too many lives, and how many these were.
    """

    command: BusCommand
    done: Callable[[], None]
    failed: Callable[[Exception], None]
    poisoned: Callable[[int], None] | None = None


class Admitted(Struct, frozen=True):
    """Tells an actor that waited that its turn may begin."""


Message: TypeAlias = Delivered | Admitted | Outcome | HaltTurn


class Effects(Protocol):
    """Is the world, as an actor needs it."""

    async def open(self, conversation: ConversationId, command: SayToAgent) -> Open:
        """Say how a conversation begins with this command."""

    async def perform(self, conversation: Conversation, owed: Owed) -> Outcome | HaltTurn:
        """Do what is owed and return what it came to; a failure is an outcome too, and so is the end of the turn."""

    async def stored(self, stored: Stored, conversation: Conversation) -> None:
        """Hear of a frame that was stored, and of the conversation after it."""

    async def queued(self, conversation: ConversationId, message_id: str, ahead: int, reason: str = "") -> None:
        """Hear that a message waits: so many are answered before it, as far as is known, or there is a reason."""

    def raised(self, conversation: ConversationId, turn: int, error: Exception) -> None:
        """Hear of what author code raised while a frame was settled; the turn failed with it."""


class Ownership(Protocol):
    """Says what is a process's own."""

    def part(self, agent: str, conversation: ConversationId) -> Hashable:
        """Return which part of the conversations this one belongs to: what is owned or handed on is a whole part."""

    def owns(self, agent: str, conversation: ConversationId) -> bool:
        """Say whether the conversation is ours, as far as is known."""

    def holds(self, agent: str, conversation: ConversationId) -> bool:
        """Say whether it certainly is ours now; what is not taken because it is not comes again."""

    def leaving(self, agent: str, conversation: ConversationId) -> bool:
        """Say whether it is to be handed on, so that no new turn is to begin here."""

    def elsewhere(self, agent: str, conversation: ConversationId, version: str) -> bool:
        """Say whether another process has this version of the journey, by its hash, and would take it."""


class Everything:
    """Is the ownership of a process that shares nothing."""

    def part(self, agent: str, conversation: ConversationId) -> Hashable:  # noqa: ARG002  all alike
        """Return the one part that there is."""
        return ""

    def owns(self, _agent: str, _conversation: ConversationId) -> bool:
        """Say that it is ours."""
        return True

    def holds(self, _agent: str, _conversation: ConversationId) -> bool:
        """Say that it is ours."""
        return True

    def leaving(self, _agent: str, _conversation: ConversationId) -> bool:
        """Say that it stays."""
        return False

    def elsewhere(self, _agent: str, _conversation: ConversationId, _version: str) -> bool:
        """Say that there is nobody else."""
        return False


class Life(Protocol):
    """Is the life of the process that an actor lives in."""

    @property
    def writer(self) -> WriterId:
        """The name of this life, which no other ever has."""

    @property
    def ownership(self) -> Ownership:
        """What is this life's own."""

    def now(self) -> int:
        """Return Unix milliseconds."""

    async def pause(self) -> None:
        """Wait a moment before the log is tried again."""

    def enter(self, actor: "ConversationActor", *, suspect: bool) -> bool:
        """Say whether a turn may run in the actor; otherwise it waits, and is told `Admitted` when one may."""

    def ahead(self, actor: "ConversationActor") -> int:
        """Return how many are admitted before an actor that waits."""

    def leave(self, actor: "ConversationActor") -> None:
        """Hear that no turn runs in the actor, and none waits to."""

    def busy(self, actor: "ConversationActor", *, busy: bool) -> None:
        """Hear whether anything is in progress."""

    def gone(self, actor: "ConversationActor") -> None:
        """Hear that an actor stopped by an error; the next message starts it anew from the log."""

"""What erasing a conversation comes to: the end of what is in progress, and `conversation.erased`, as one frame.

Nothing in it has anybody's words but the reason, which stays readable: so it is in clear, and can be recorded also by
whoever cannot open the conversation.
"""

from msgspec import Struct

from ..events import CommandRefused, ConversationErased, KnownEvent, TurnCancelled
from ..projections import Conversation
from .sizes import REASON_LIMIT, cut
from .tool_decisions import closed

ERASED = "the conversation was erased"
"""Why a turn ends, or a command is refused, in a conversation that is erased."""


class EraseConversation(Struct, frozen=True, kw_only=True):
    """Somebody has all that was said in a conversation taken away."""

    id: str
    reason: str


def erasure(conversation: Conversation, command: EraseConversation) -> tuple[KnownEvent, ...]:
    """Return what an erasure comes to: nothing where it was erased before."""
    if conversation.erased or not conversation.version:
        return ()
    erased = ConversationErased(reason=cut(command.reason, REASON_LIMIT))
    turn = conversation.turn
    if turn is None:
        return (erased,)
    return (*closed(turn), TurnCancelled(command_id="", reason=ERASED, usage=turn.usage, cause=turn.began), erased)


def refusals(conversation: Conversation, ids: tuple[str, ...]) -> tuple[KnownEvent, ...]:
    """Return the refusals of commands that were waiting in an erased conversation and had no effect yet."""
    return tuple(CommandRefused(command_id=id_, reason=ERASED) for id_ in ids if id_ not in conversation.handled)

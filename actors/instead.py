"""What is decided instead of a command that came to more than a frame can hold."""

from ..events import InvalidInput
from ..projections import Conversation
from .commands import Command, FailTurn, InterruptTurn, Outcome, RefuseCommand
from .sizes import described


def storable(conversation: Conversation, commands: tuple[Command, ...], error: InvalidInput) -> tuple[Command, ...]:
    """Return the outcome alone, or the failure alone.

    Raises:
        InvalidInput: not even that can be stored.

    """
    reason, last = described(error), commands[-1]
    if isinstance(last, FailTurn | RefuseCommand) and len(commands) == 1:
        raise error
    if conversation.turn is None or isinstance(last, InterruptTurn):
        return (RefuseCommand(id=getattr(last, "id", ""), reason=reason),)
    failure = FailTurn(reason="not_storable", error=reason)
    return (last, failure) if isinstance(last, Outcome) else (failure,)

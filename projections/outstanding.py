"""What a conversation still owes the world: at most one effect at a time, and a restart needs no other memory."""

from typing import TypeAlias

from msgspec import Struct

from .calls import Call
from .conversation import Conversation
from .turn import Request, Running


class OwedModelCall(Struct, frozen=True):
    """Says that the model is to be asked."""

    request: Request

    @property
    def id(self) -> str:
        """Names this attempt; the same for whoever folds the same log."""
        return f"model-{self.request.version}"


class OwedToolCall(Struct, frozen=True):
    """Says that a tool is to be run: `call` of the answer at version `answer`."""

    answer: int
    call: Call
    running: Running

    @property
    def id(self) -> str:
        """Names this attempt; the same for whoever folds the same log."""
        return f"tool-{self.answer}.{self.call.index}-{self.running.attempt}"


Owed: TypeAlias = OwedModelCall | OwedToolCall


def outstanding(conversation: Conversation) -> Owed | None:
    """Return what is owed: recorded as intended, without an outcome yet; None if nothing is."""
    turn = conversation.turn
    if turn is None:
        return None
    if turn.waiting and turn.request is not None:
        return OwedModelCall(turn.request)
    if turn.answer is not None and turn.answer.running is not None:
        running = turn.answer.running
        if 0 <= running.index < len(turn.answer.calls):
            return OwedToolCall(turn.answer.version, turn.answer.calls[running.index], running)
    return None

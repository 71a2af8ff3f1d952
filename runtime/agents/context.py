"""What an author's code is told of a conversation: the turn, what came with its message, what was said so far."""

import copy

from ...actors.journey import AgentContext, context_telling
from ...projections import Conversation, EarlierMessage, UserMessage, said_until, text_of


def context_of(conversation: Conversation) -> AgentContext:
    """Return what an author's code is told of the turn in progress, or of the one that just ended.

    The messages are made if it looks at them.
    """
    turn = conversation.turn or conversation.ended
    number, transcript = conversation.turns, conversation.transcript
    metadata = {} if turn is None else turn.metadata
    return context_telling(
        f"{conversation.id}-{number}",
        conversation.id,
        lambda: said_until(transcript, number),
        copy.deepcopy(metadata) if metadata else {},
    )


def said(conversation: Conversation) -> str:
    """Return what the user said in the turn in progress, also where that was handed over with the history."""
    entries = conversation.transcript.window(conversation.turns, conversation.turns)
    text = next((entry.text for entry in entries if isinstance(entry, UserMessage)), "")
    if text or conversation.turns > 1:
        return text
    earlier = (one.message for one in conversation.transcript.window(0, 0) if isinstance(one, EarlierMessage))
    return next((text_of(message) for message in reversed([*earlier]) if message.get("role") == "user"), "")

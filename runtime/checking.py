"""What a client checks before anything is sent."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ..actors import METADATA_LIMIT, SayToAgent, json_size
from ..events import TEXT_LIMIT, ConversationId, InvalidInput, TooLarge, check_token
from .clock import new_id


def checked(agent_key: str, text: str, metadata: Mapping[str, Any], message_id: str | None) -> SayToAgent:
    """Return the command for a message, if it can be taken.

    Raises:
        InvalidInput: an id, the text or the metadata cannot be taken.

    """
    if not isinstance(text, str):
        raise InvalidInput(f"the message must be a text, not {type(text).__name__}")
    if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput("the message is not valid Unicode: it holds half of a surrogate pair")
    if not text.strip():
        raise InvalidInput("the message is empty: say something")
    if json_size(text) > TEXT_LIMIT:
        raise TooLarge(f"the message has {json_size(text)} bytes, at most {TEXT_LIMIT} are taken")
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f"the metadata must be a dict, not {type(metadata).__name__}")
    if json_size(metadata) > METADATA_LIMIT:
        raise TooLarge(f"the metadata is no JSON, or over {METADATA_LIMIT} bytes")
    return SayToAgent(
        id=check_token(message_id, "message id") if message_id is not None else new_id("m"),
        agent=check_token(agent_key, "agent key"),
        text=text,
        metadata=dict(metadata),
    )


def as_id(value: str | UUID) -> ConversationId:
    """Return a conversation's id.

    Raises:
        InvalidId: it is no token.

    """
    return ConversationId(check_token(str(value) if isinstance(value, UUID) else value, "conversation id"))

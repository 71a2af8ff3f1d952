"""What an agent is given to begin with: the state and the messages that were kept."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from .conversation_store import ConversationStore, StoredMessage
from .state_store import StateStore


@dataclass
class MemoryContext:
    """Holds what was kept of a conversation.

    >>> from agent_runtime_framework import MemoryContext, StoredMessage
    >>> context = MemoryContext({"step": "cart"}, [StoredMessage("user", "Hello")])
    >>> context.has_state(), context.get_message_dicts()
    (True, [{'role': 'user', 'content': 'Hello'}])
    """

    state: dict[str, Any] | None = None
    messages: list[StoredMessage] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    def has_state(self) -> bool:
        """Say whether a state was kept, be it an empty one."""
        return self.state is not None

    def get_message_dicts(self) -> list[dict[str, Any]]:
        """Return the messages as dicts, calls of tools and their results included."""
        return [message.to_dict() for message in self.messages]


async def build_memory_context(
    conversation_id: str | UUID,
    agent_key: str,
    state_store: StateStore | None = None,
    conversation_store: ConversationStore | None = None,
    message_limit: int | None = None,
) -> MemoryContext:
    """Return what the given stores have of a conversation; with a limit so many of its newest messages.

    >>> import asyncio
    >>> from agent_runtime_framework import StateStore, build_memory_context
    >>> asyncio.run(build_memory_context("c-1", "shop", StateStore()))
    MemoryContext(state=None, messages=[], metadata={})

    """
    state = None if state_store is None else await state_store.load_state(conversation_id, agent_key)
    messages = (
        [] if conversation_store is None else await conversation_store.get_messages(conversation_id, message_limit)
    )
    return MemoryContext(state, messages)

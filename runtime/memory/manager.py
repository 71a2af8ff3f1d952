"""Both stores of an agent's memory behind one object."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from .context import MemoryContext, build_memory_context
from .conversation_store import ConversationStore, Message
from .state_store import StateStore


class MemoryManager:
    """Loads what was kept of a conversation, and keeps what a run made; stores that are not given are in memory.

    >>> import asyncio
    >>> from agent_runtime_framework import ConversationStore, MemoryManager, StateStore
    >>> async def main():
    ...     manager = MemoryManager(StateStore(), ConversationStore())
    ...     await manager.save_state("c-1", "shop", {"step": "cart"})
    ...     await manager.save_messages("c-1", [{"role": "user", "content": "Hello"}])
    ...     context = await manager.load_context("c-1", "shop")
    ...     return context.state, context.get_message_dicts()
    >>> asyncio.run(main())
    ({'step': 'cart'}, [{'role': 'user', 'content': 'Hello'}])
    """

    def __init__(
        self, state_store: StateStore | None = None, conversation_store: ConversationStore | None = None
    ) -> None:
        self.state_store = StateStore() if state_store is None else state_store
        self.conversation_store = ConversationStore() if conversation_store is None else conversation_store

    async def load_context(
        self, conversation_id: str | UUID, agent_key: str, message_limit: int | None = None
    ) -> MemoryContext:
        """Return the state and the messages of a conversation; with a limit so many of the newest messages."""
        return await build_memory_context(
            conversation_id, agent_key, self.state_store, self.conversation_store, message_limit
        )

    async def save_state(self, conversation_id: str | UUID, agent_key: str, state: Mapping[str, Any] | object) -> None:
        """Store a state: a dict, or any state object; see `StateStore.save_state`."""
        await self.state_store.save_state(conversation_id, agent_key, state)

    async def save_messages(self, conversation_id: str | UUID, messages: Iterable[Message]) -> None:
        """Add messages to those that are there; see `ConversationStore.add_messages`."""
        await self.conversation_store.add_messages(conversation_id, messages)

    async def clear_conversation(self, conversation_id: str | UUID) -> None:
        """Forget the messages of a conversation; its states stay."""
        await self.conversation_store.clear_conversation(conversation_id)

    async def delete_state(self, conversation_id: str | UUID, agent_key: str) -> None:
        """Forget the state of a conversation; its messages stay."""
        await self.state_store.delete_state(conversation_id, agent_key)

"""Memory: states and messages that an author keeps, in memory or in any other store."""

from .context import MemoryContext, build_memory_context
from .conversation_store import ConversationStore, StoredMessage
from .manager import MemoryManager
from .state_store import StateStore
from .store import InMemoryStore, MemoryStore

__all__ = [
    "ConversationStore",
    "InMemoryStore",
    "MemoryContext",
    "MemoryManager",
    "MemoryStore",
    "StateStore",
    "StoredMessage",
    "build_memory_context",
]

"""The messages of conversations: a list each, which only grows until it is cleared."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias, cast
from uuid import UUID
from weakref import WeakValueDictionary

from ...actors.journey import AgentMessage, StateSerializer
from ...events import InvalidInput
from .store import BackedStore, MemoryStore, conversation_text, not_written


@dataclass
class StoredMessage:
    """Is one message as it is kept.

    >>> from agent_runtime_framework import StoredMessage
    >>> StoredMessage("user", "Hello").to_dict()
    {'role': 'user', 'content': 'Hello'}
    """

    role: str
    content: str | None
    metadata: dict[str, Any] = field(default_factory=dict)
    tool_calls: list[dict[str, Any]] = field(default_factory=list, kw_only=True)
    tool_call_id: str | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the message without a content of None, and without other fields that are empty."""
        others = {
            "tool_calls": self.tool_calls,
            "tool_call_id": self.tool_call_id,
            "name": self.name,
            "metadata": self.metadata,
        }
        content = {} if self.content is None else {"content": self.content}
        return {"role": self.role, **content, **{name: value for name, value in others.items() if value}}

    @classmethod
    def of(cls, message: object) -> Self:
        """Return the message as it is kept; unknown keys of a dict are left out.

        Raises:
            InvalidInput: it is no message, or has no role.

        """
        if isinstance(message, cls):
            return message
        if isinstance(message, Mapping):
            message = AgentMessage.from_dict(message)
        if not isinstance(message, (AgentMessage, StoredMessage)):
            kind = type(message).__name__
            raise InvalidInput(f"a {kind} is no message: give a StoredMessage, an AgentMessage or a dict")
        return cls(
            message.role,
            message.content,
            message.metadata,
            tool_calls=message.tool_calls,
            tool_call_id=message.tool_call_id,
            name=message.name,
        )


Message: TypeAlias = StoredMessage | AgentMessage | Mapping[str, Any]


class ConversationStore(BackedStore[list[dict[str, Any]]]):
    """Keeps the messages of conversations, in memory or in any other store.

    Adding is one change of the backend at a time in this store; that those of other stores and processes are not lost
    is up to the backend's `modify`.

    >>> import asyncio
    >>> from agent_runtime_framework import ConversationStore, StoredMessage
    >>> async def main():
    ...     messages = ConversationStore()
    ...     await messages.add_message("c-1", StoredMessage("user", "Hello"))
    ...     await messages.add_message("c-1", {"role": "assistant", "content": "Hi!"})
    ...     return [message.content for message in await messages.get_messages("c-1", limit=1)]
    >>> asyncio.run(main())
    ['Hi!']
    """

    def __init__(self, backend: MemoryStore[list[dict[str, Any]]] | None = None) -> None:
        super().__init__(backend)
        self._changing: WeakValueDictionary[tuple[object, str], asyncio.Lock] = WeakValueDictionary()

    async def get_messages(self, conversation_id: str | UUID, limit: int | None = None) -> list[StoredMessage]:
        """Return the messages, the oldest first; with a limit so many of the newest.

        Raises:
            InvalidInput: the limit is below 0, or no whole number.
            FrameworkError: what the backend has is no list of messages.

        """
        if limit is not None:
            _check_limit(limit)
        key = _key(conversation_id)
        stored: object = await self.get(key) or []
        if not isinstance(stored, Sequence) or not all(isinstance(message, Mapping) for message in stored):
            raise not_written(key, stored, "ConversationStore")
        first = 0 if limit is None else max(len(stored) - limit, 0)
        return [StoredMessage.of(message) for message in stored[first:]]

    async def add_message(self, conversation_id: str | UUID, message: Message) -> None:
        """Add one message; see `add_messages`."""
        await self.add_messages(conversation_id, [message])

    async def add_messages(self, conversation_id: str | UUID, messages: Iterable[Message]) -> None:
        """Add messages in their order, all of them or none.

        Raises:
            InvalidInput: one of them is no message, or has no JSON form; or they are no list.

        """
        _check_list(messages)
        added = [
            cast("dict[str, Any]", StateSerializer.serialize(StoredMessage.of(each).to_dict())) for each in messages
        ]
        key = _key(conversation_id)
        if added:
            # a lock serves one loop only, and a store may be used from several, each in a thread of its own
            async with self._changing.setdefault((asyncio.get_running_loop(), key), asyncio.Lock()):
                await self.modify(key, lambda stored: [*(stored or []), *added])

    async def clear_conversation(self, conversation_id: str | UUID) -> None:
        """Forget the messages of a conversation; nothing happens if there are none."""
        await self.delete(_key(conversation_id))


def _check_limit(limit: object) -> None:
    if not isinstance(limit, int) or limit < 0:
        raise InvalidInput(f"{limit!r} messages cannot be given: use 0 or more, or None for all")


def _check_list(messages: object) -> None:
    if isinstance(messages, str | Mapping) or not isinstance(messages, Iterable):
        raise InvalidInput(f"messages come in a list, even one alone; this is a {type(messages).__name__}")


def _key(conversation_id: str | UUID) -> str:
    return f"messages/{conversation_text(conversation_id)}"

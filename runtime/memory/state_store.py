"""The states of journeys: one a conversation and agent."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from ...actors.journey import StateSerializer, state_to_dict
from ...events import InvalidInput
from .store import BackedStore, conversation_text, not_written


class StateStore(BackedStore[dict[str, Any]]):
    """Keeps states as dicts of plain JSON values, in memory or in any other store.

    >>> import asyncio
    >>> from agent_runtime_framework import StateStore
    >>> async def main():
    ...     states = StateStore()
    ...     await states.save_state("c-1", "shop", {"step": "cart", "items": ["tea"]})
    ...     return await states.load_state("c-1", "shop"), await states.load_state("c-2", "shop")
    >>> asyncio.run(main())
    ({'step': 'cart', 'items': ['tea']}, None)
    """

    async def save_state(self, conversation_id: str | UUID, agent_key: str, state: Mapping[str, Any] | object) -> None:
        """Store a state: a dict, or any state object.

        Raises:
            InvalidInput: the state has no JSON form; the message names the path to what has none.

        """
        data = state if isinstance(state, Mapping) else state_to_dict(state)
        await self.set(_key(conversation_id, agent_key), StateSerializer.serialize(data))

    async def load_state(self, conversation_id: str | UUID, agent_key: str) -> dict[str, Any] | None:
        """Return the state as a dict, or None if none was saved.

        Raises:
            FrameworkError: what the backend has is no dict.

        """
        key = _key(conversation_id, agent_key)
        stored = await self.get(key)
        if stored is not None and not isinstance(stored, Mapping):
            raise not_written(key, stored, "StateStore")
        return None if stored is None else dict(stored)

    async def delete_state(self, conversation_id: str | UUID, agent_key: str) -> None:
        """Forget the state; nothing happens if there is none."""
        await self.delete(_key(conversation_id, agent_key))


def _key(conversation_id: str | UUID, agent_key: str) -> str:
    # without a slash in the last part no two pairs of ids share a key
    conversation = conversation_text(conversation_id)
    if not isinstance(agent_key, str):
        raise InvalidInput(f"{agent_key!r} is no key of an agent: give a text")
    return f"state/{conversation}/{quote(agent_key, safe='', errors='surrogatepass')}"

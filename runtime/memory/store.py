"""Stores: values under keys, in memory or elsewhere.

A store gives values back as they were when they were set: changing an object afterwards, or one that was got, changes
nothing that is stored.  That holds for every store that writes its values down, so it holds in memory too.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from copy import deepcopy
from typing import Generic, TypeVar
from uuid import UUID

from ...events import FrameworkError, InvalidInput

T = TypeVar("T")


class MemoryStore(ABC, Generic[T]):
    """Keeps values under keys, which may be any texts; to subclass it, write `get`, `set` and `delete`.

    >>> import asyncio
    >>> from agent_runtime_framework import MemoryStore
    >>> class Shouting(MemoryStore[str]):
    ...     def __init__(self):
    ...         self.words = {}
    ...     async def get(self, key):
    ...         return self.words.get(key)
    ...     async def set(self, key, value):
    ...         self.words[key] = value.upper()
    ...     async def delete(self, key):
    ...         self.words.pop(key, None)
    >>> async def main():
    ...     store = Shouting()
    ...     await store.set("greeting", "hello")
    ...     return await store.get("greeting"), await store.exists("farewell")
    >>> asyncio.run(main())
    ('HELLO', False)
    """

    @abstractmethod
    async def get(self, key: str) -> T | None:
        """Return the value, or None if there is none."""

    @abstractmethod
    async def set(self, key: str, value: T) -> None:
        """Store the value in place of the one that is there."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Remove the value; nothing happens if there is none."""

    async def erase(self, key: str) -> bool:
        """Remove the value; return whether nothing is left of its bytes, also on a disk.

        A store that can overwrite what it removes overrides this.
        """
        await self.delete(key)
        return False

    async def exists(self, key: str) -> bool:
        """Say whether there is a value."""
        return await self.get(key) is not None

    async def modify(self, key: str, change: Callable[[T | None], T]) -> None:
        """Store what `change` makes of the value that is there, None if there is none.

        A store that several write to at once overrides this, so that no write comes in between; `change` is then called
        again with the newer value.
        """
        await self.set(key, change(await self.get(key)))

    def values(self) -> AsyncGenerator[T, None]:
        """Yield all values, in no order; a store that can list what it keeps overrides this.

        Raises:
            FrameworkError: this one cannot.

        """
        raise FrameworkError(f"{type(self).__name__} cannot list its values: write `values` for it")


class InMemoryStore(MemoryStore[T]):
    """Keeps values in this process.

    >>> import asyncio
    >>> from agent_runtime_framework import InMemoryStore
    >>> async def main():
    ...     store = InMemoryStore[dict]()
    ...     await store.set("cart", {"tea": 2})
    ...     return await store.get("cart")
    >>> asyncio.run(main())
    {'tea': 2}
    """

    def __init__(self) -> None:
        self._data: dict[str, T] = {}

    async def get(self, key: str) -> T | None:
        """Return a copy of the value, or None if there is none."""
        return _copied(key, self._data.get(key))

    async def set(self, key: str, value: T) -> None:
        """Store a copy of the value in place of the one that is there.

        Raises:
            InvalidInput: the value cannot be copied; the cause says why.

        """
        self._data[key] = _copied(key, value)

    async def erase(self, key: str) -> bool:
        """Remove the value; nothing is left of it."""
        await self.delete(key)
        return True

    async def delete(self, key: str) -> None:
        """Remove the value; nothing happens if there is none."""
        self._data.pop(key, None)

    async def values(self) -> AsyncGenerator[T, None]:
        """Yield copies of all values that are there now."""
        for key in tuple(self._data):
            value = await self.get(key)
            if value is not None:
                yield value

    def clear(self) -> None:
        """Remove everything."""
        self._data.clear()


class BackedStore(MemoryStore[T]):
    """Keeps its values in another store, the backend; without one in memory."""

    def __init__(self, backend: MemoryStore[T] | None = None) -> None:
        self.backend: MemoryStore[T] = InMemoryStore() if backend is None else backend

    async def get(self, key: str) -> T | None:
        """Return the backend's value, or None if there is none."""
        return await self.backend.get(key)

    async def set(self, key: str, value: T) -> None:
        """Store the value in the backend."""
        await self.backend.set(key, value)

    async def delete(self, key: str) -> None:
        """Remove the value from the backend."""
        await self.backend.delete(key)

    async def erase(self, key: str) -> bool:
        """Remove the value from the backend; return whether nothing is left of its bytes."""
        return await self.backend.erase(key)

    async def exists(self, key: str) -> bool:
        """Say whether the backend has a value."""
        return await self.backend.exists(key)

    async def modify(self, key: str, change: Callable[[T | None], T]) -> None:
        """Store in the backend what `change` makes of the value that is there."""
        await self.backend.modify(key, change)

    async def values(self) -> AsyncGenerator[T, None]:
        """Yield the backend's values."""
        async for value in self.backend.values():
            yield value


def not_written(key: str, stored: object, store: str) -> FrameworkError:
    """Return the error for a value in a backend that is not what the store keeps there."""
    return FrameworkError(
        f"key {key!r} holds a {type(stored).__name__}, so no {store} wrote it; delete the key, or use another backend"
    )


def _copied(key: str, value: T) -> T:
    try:
        return deepcopy(value)
    except Exception as error:  # also what stands in the value may raise, and anything
        kind = type(value).__name__
        raise InvalidInput(
            f"the value for key {key!r}, a {kind}, cannot be copied, and a store keeps copies: "
            f"{type(error).__name__}: {error}"
        ) from error


def conversation_text(conversation_id: str | UUID) -> str:
    """Return a conversation's id as text.

    Raises:
        InvalidInput: there is none; under one key for all who have none, people would see each other's conversations.

    """
    if not conversation_id:
        raise InvalidInput(f"{conversation_id!r} is no conversation id: give a text or a UUID")
    return str(conversation_id)

"""The framework's stores, in the project's database."""

from typing import Any

from journeys.models import Kept

from agent_runtime_framework import MemoryStore


class DatabaseStore(MemoryStore[Any]):
    """Keeps values in a table."""

    async def get(self, key: str) -> Any:
        found = await Kept.objects.filter(key=key).afirst()
        return None if found is None else found.value

    async def set(self, key: str, value: Any) -> None:
        await Kept.objects.aupdate_or_create(key=key, defaults={"value": value})

    async def delete(self, key: str) -> None:
        await Kept.objects.filter(key=key).adelete()

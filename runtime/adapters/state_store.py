"""Where the state of a journey is kept while it runs inside another runtime."""

from collections.abc import Mapping
from typing import Any, cast

from ...actors.journey import StateSerializer, state_to_dict
from ...events import InvalidInput
from ..memory import StateStore
from .run_context import RunContext, answered, conversation_of


class DjangoStateStore:
    """Keeps a run's state: as the run's checkpoint, and beyond the run in a store, by conversation and agent.

    A checkpoint belongs to one run, so without a store the next message of the conversation finds no state.

    >>> import asyncio
    >>> from types import SimpleNamespace
    >>> from agent_runtime_framework import DjangoStateStore, StateStore
    >>> class Run(SimpleNamespace):
    ...     async def checkpoint(self, state):
    ...         self.state = state
    ...     async def get_state(self):
    ...         return self.state
    >>> async def main():
    ...     states = StateStore()
    ...     first = Run(run_id="r-1", conversation_id="c-1", state=None)
    ...     await DjangoStateStore(first, "shop", states).save({"step": "cart"})
    ...     second = Run(run_id="r-2", conversation_id="c-1", state=None)
    ...     return await DjangoStateStore(second, "shop", states).load(), await DjangoStateStore(second, "shop").load()
    >>> asyncio.run(main())
    ({'step': 'cart'}, None)
    """

    def __init__(self, ctx: RunContext, agent_key: str, state_store: StateStore | None = None) -> None:
        self._ctx = ctx
        self._key = agent_key
        self._states = state_store

    async def load(self) -> dict[str, Any] | None:
        """Return the run's checkpoint, else what the store has of its conversation, else None.

        Raises:
            InvalidInput: the checkpoint is no dict.

        """
        checkpoint: object = await answered(self._ctx.get_state())
        if checkpoint:
            if not isinstance(checkpoint, Mapping):
                raise InvalidInput(
                    f"the checkpoint of run {self._ctx.run_id} is a {type(checkpoint).__name__}, not a dict"
                )
            return dict(checkpoint)
        conversation = conversation_of(self._ctx)
        if self._states is None or conversation is None:
            return None
        return await self._states.load_state(conversation, self._key)

    async def save(self, state: Mapping[str, Any] | object) -> None:
        """Checkpoint a state, a dict or any state object, and store it.

        Raises:
            InvalidInput: it has no JSON form; the message names the path to what has none.

        """
        given = state if isinstance(state, Mapping) else state_to_dict(state)
        data = cast("dict[str, Any]", StateSerializer.serialize(given))
        await answered(self._ctx.checkpoint(data))
        conversation = conversation_of(self._ctx)
        if self._states is not None and conversation is not None:
            await self._states.save_state(conversation, self._key, data)

"""A projection of one's own: what a person wants to know of each conversation, as a fold over its events."""

from typing import Protocol, TypeVar

from .timeline import Recorded

S = TypeVar("S")


class Projection(Protocol[S]):
    """Says what is kept of a conversation; `subscribe` folds it over all of them.

    A state is anything that msgspec can write as JSON and read again: a Struct, a dict, a list, a number.  What
    `initial` is annotated to return says how it is read, else the type of what it returns.  Both methods are plain
    functions of what they are given: they may be called again for the same event, after a crash or for a rebuild.

    An event that this release does not know is an `UnknownEvent`.  Where a conversation is erased, `evolve` is given
    `initial` and the `ConversationErased`, so nothing of what was kept before stays.

    >>> import asyncio
    >>> from agent_runtime_framework import MemorySink, Projection, Recorded
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM
    >>> class Words:
    ...     def initial(self, conversation_id: str) -> dict[str, int]:
    ...         return {"said": 0, "heard": 0}
    ...     def evolve(self, state: dict[str, int], recorded: Recorded) -> dict[str, int]:
    ...         kind = {"user.spoke": "said", "model.answered": "heard"}.get(recorded.type)
    ...         return {**state, kind: state[kind] + 1} if kind else state
    >>> words: Projection[dict[str, int]] = Words()
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(ScriptedLLM("Hello!"))) as rt:
    ...         await rt.send("onboarding", "c-1", "hi")
    ...         counted = rt.subscribe(words, "words", sink=MemorySink())
    ...         await counted.catch_up()
    ...         return await counted.state("c-1")
    >>> asyncio.run(main())
    {'said': 1, 'heard': 1}
    """

    def initial(self, conversation_id: str) -> S:
        """Return what is kept of a conversation before its first event."""

    def evolve(self, state: S, recorded: Recorded) -> S:
        """Return what is kept after one more event; `state` may be changed and returned."""

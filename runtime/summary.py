"""What a listing says of a conversation, by its last frame alone."""

from msgspec import Struct

from ..events import Stored, Unreadable


class Summary(Struct, frozen=True):
    """Is a conversation in a listing; `time` is its last activity in Unix milliseconds.

    `parent` is the conversation that it was forked from, empty for none.  One whose last stored bytes are damaged has
    the status `unreadable`.

    >>> import asyncio
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(ScriptedLLM("Hello!"))) as rt:
    ...         await rt.send("onboarding", "c-1", "hi")
    ...         return [summary async for summary in rt.conversations()]
    >>> [summary] = asyncio.run(main())
    >>> summary.conversation, summary.agent, summary.step, summary.status, summary.turns
    ('c-1', 'onboarding', 'welcome', 'idle', 1)
    """

    conversation: str
    agent: str
    step: str
    status: str
    time: int
    turns: int
    version: int
    parent: str = ""


UNREADABLE = "unreadable"
"""The status of a conversation whose last stored bytes are damaged."""


def summary_of(stored: Stored | Unreadable) -> Summary:
    """Return what the last frame of a conversation says of it."""
    if isinstance(stored, Unreadable):
        return Summary(stored.conversation, "", "", UNREADABLE, 0, 0, 0)
    frame = stored.frame
    return Summary(
        stored.conversation, frame.agent, frame.step, frame.status, frame.time, frame.turn, frame.last, frame.parent
    )

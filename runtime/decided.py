"""The tool decisions of many conversations, one after another.

Whoever audits takes them from here, so that where they come from can change without it.
"""

from collections.abc import AsyncGenerator, Callable, Collection

from ..events import FrameworkError
from ..projections import ToolDecision
from .reader import Reader
from .summary import UNREADABLE, Summary

Damaged = Callable[[str, FrameworkError], None]
"""Hears of a conversation that cannot be read, or not to its end."""


async def decisions_of_all(
    reader: Reader, damaged: Damaged, *, agents: Collection[str] = (), active_since: int = 0
) -> AsyncGenerator[ToolDecision, None]:
    """Yield the decisions of all conversations, each call once: what a fork has from before its cut is its parent's.

    With `agents` only of those that belong to one of them; those that were not active since `active_since`, in Unix
    milliseconds, are passed over.  What cannot be read hides no other.
    """
    async for summary in reader.conversations():
        if _may_have(summary, agents, active_since):
            async for decision in decisions_in(reader, summary.conversation, damaged):
                yield decision


async def decisions_in(reader: Reader, conversation: str, damaged: Damaged) -> AsyncGenerator[ToolDecision, None]:
    """Yield the decisions that one conversation's own log has."""
    try:
        async for decision in reader.decisions(conversation):
            if decision.conversation == conversation:
                yield decision
    except FrameworkError as error:
        damaged(conversation, error)


def _may_have(summary: Summary, agents: Collection[str], active_since: int) -> bool:
    """Say whether a conversation may have what is wanted; one whose end cannot be read may have anything."""
    if summary.status == UNREADABLE:
        return True
    return (not agents or summary.agent in agents) and summary.time >= active_since

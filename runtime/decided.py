"""The tool decisions of many conversations.

Whoever audits takes them from here, so that where they come from can change without it.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from contextlib import aclosing

from ..events import CorruptLog, FrameworkError, Withheld, not_to_be_had
from ..projections import Accounting, ToolDecision, TurnAccount, account, decisions_of, initial, unfinished
from .reader import Reader
from .substrate import Substrate
from .summary import UNREADABLE, Summary
from .whole import Whole, whole_conversations

Damaged = Callable[[str, FrameworkError], None]
"""Hears of a conversation that cannot be read, or not to its end, or whose content is withheld (`Withheld`)."""


async def decisions_of_all(
    substrate: Substrate, damaged: Damaged, *, agents: Collection[str] = (), active_since: int = 0
) -> AsyncGenerator[ToolDecision, None]:
    """Yield the decisions of all conversations, each call once: what a fork has from before its cut is its parent's.

    With `agents` only of those that belong to one of them; those that were not active since `active_since`, in Unix
    milliseconds, are passed over.  What cannot be read hides no other.
    """

    def wants(summary: Summary) -> bool:
        return _may_have(summary, agents, active_since)

    async with aclosing(whole_conversations(substrate, wants if agents or active_since else None)) as found:
        async for whole in found:
            for decision in _decisions(whole):
                yield decision
            lack = whole.damage or _withheld(whole)
            if lack is not None:
                damaged(whole.conversation, lack)


def _withheld(whole: Whole) -> Withheld | None:
    """Return why what was called in a conversation is not known, None where it is."""
    if whole.summary.status == "erased":
        return not_to_be_had(f"conversation {whole.conversation!r}", erased=True)
    if any(stored.frame.sealed for stored in whole.frames):
        return not_to_be_had(f"the content of {whole.conversation!r}")
    return None


def _decisions(whole: Whole) -> Iterator[ToolDecision]:
    """Yield the decisions that a conversation's own log has, those of a turn in progress last."""
    now, inherited = Accounting(initial(whole.conversation)), False
    for stored in whole.frames:
        now, over = account(now, stored.frame)
        inherited = stored.inherited
        if not inherited:
            for each in over:
                if isinstance(each, TurnAccount):
                    yield from decisions_of(each)
    if not inherited and (whole.damage is None or isinstance(whole.damage, CorruptLog)):
        for each in unfinished(now):
            if isinstance(each, TurnAccount):
                yield from decisions_of(each)


async def decisions_in(reader: Reader, conversation: str, damaged: Damaged) -> AsyncGenerator[ToolDecision, None]:
    """Yield the decisions that one conversation's own log has."""
    lack: FrameworkError | None
    try:
        async for decision in reader.decisions(conversation):
            if decision.conversation == conversation:
                yield decision
        lack = await reader.withheld(conversation)
    except FrameworkError as error:
        lack = error
    if lack is not None:
        damaged(conversation, lack)


def _may_have(summary: Summary, agents: Collection[str], active_since: int) -> bool:
    """Say whether a conversation may have what is wanted; one whose end cannot be read may have anything."""
    if summary.status == UNREADABLE:
        return True
    return (not agents or summary.agent in agents) and summary.time >= active_since

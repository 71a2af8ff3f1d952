"""Reading for a report: the conversations of a namespace, one after another, each turn once."""

from collections.abc import AsyncIterator

from msgspec.structs import replace

from ...events import CorruptLog, NewerRelease, NotFound
from ...projections import Account, Accounting, TurnAccount, account, initial, unfinished
from ..checking import as_id
from ..reader import Reader
from ..summary import UNREADABLE, Summary
from .counting import Audit, Chapter
from .report import ConversationLine, Scope


async def survey(reader: Reader, conversations: AsyncIterator[Summary], scope: Scope, audit: Audit) -> list[str]:
    """Count what is in these conversations, and return what cannot be read of them, a line each.

    What a fork has from before its cut is its parent's, and counted there.
    """
    damaged: list[str] = []
    async for summary in conversations:
        if not _may_have(summary, scope):
            continue
        chapter = audit.begin(_line(summary), erased=summary.status == "erased")
        damage = ""
        try:
            if not await _read(reader, chapter, scope, audit):
                continue
        except NotFound:
            damage = "" if chapter.erased else "it is gone since it was listed"
        except (CorruptLog, NewerRelease) as error:
            damage = str(error)
        audit.end(chapter, damage=damage)
        if damage:
            damaged.append(f"{summary.conversation} cannot be read, or not to its end: {damage}")
    return damaged


def _may_have(summary: Summary, scope: Scope) -> bool:
    """Say whether a conversation may have something; one whose end cannot be read may have anything."""
    if summary.status == UNREADABLE:
        return True
    return scope.agent in ("", summary.agent) and (scope.since is None or summary.time >= scope.since)


def _line(summary: Summary) -> ConversationLine:
    return ConversationLine(
        conversation=summary.conversation, agent=summary.agent, parent=summary.parent, last=summary.time
    )


async def _read(reader: Reader, chapter: Chapter, scope: Scope, audit: Audit) -> bool:
    """Count the turns of a conversation, and say whether it is one that is wanted."""
    now = Accounting(initial(as_id(chapter.line.conversation)))
    inherited = False
    try:
        async for stored in reader.frames(chapter.line.conversation):
            now, over = account(now, stored.frame)
            agent, inherited = chapter.line.agent or stored.frame.agent, stored.inherited
            chapter.line = replace(chapter.line, agent=agent, last=max(chapter.line.last, stored.frame.time))
            if scope.agent not in ("", agent):
                return False
            if not inherited:
                _count(over, chapter, audit)
    except (CorruptLog, NewerRelease):
        if not inherited:  # what stands before the damage can be told
            _count(unfinished(now), chapter, audit)
        raise
    if not inherited:
        _count(unfinished(now), chapter, audit)
    return True


def _count(accounts: tuple[Account, ...], chapter: Chapter, audit: Audit) -> None:
    for each in accounts:
        if isinstance(each, TurnAccount):
            audit.turn(chapter, each)

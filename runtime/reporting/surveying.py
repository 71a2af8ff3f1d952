"""Reading for a report: the conversations of a namespace, each turn once."""

from collections.abc import AsyncIterator

from msgspec.structs import replace

from ...events import CorruptLog, NewerRelease, NotFound
from ...projections import Account, Accounting, TurnAccount, account, initial, unfinished
from ..summary import UNREADABLE, Summary
from ..whole import Wants, Whole
from .counting import Audit, Chapter
from .report import ConversationLine, Scope


async def survey(conversations: AsyncIterator[Whole], scope: Scope, audit: Audit) -> list[str]:
    """Count what is in these conversations, and return what cannot be read of them, a line each.

    What a fork has from before its cut is its parent's, and counted there.
    """
    damaged: list[str] = []
    async for whole in conversations:
        chapter = audit.begin(_line(whole.summary), erased=whole.summary.status == "erased")
        if not _count_turns(whole, chapter, scope, audit):
            continue
        damage = _damage(whole, chapter)
        audit.end(chapter, damage=damage)
        if damage:
            damaged.append(f"{whole.conversation} cannot be read, or not to its end: {damage}")
    return damaged


def within(scope: Scope) -> Wants | None:
    """Return what says whether a conversation may have something in the scope; None where each may."""
    if not scope.agent and scope.since is None:
        return None

    def wants(summary: Summary) -> bool:
        if summary.status == UNREADABLE:  # one whose end cannot be read may have anything
            return True
        return scope.agent in ("", summary.agent) and (scope.since is None or summary.time >= scope.since)

    return wants


def _line(summary: Summary) -> ConversationLine:
    return ConversationLine(
        conversation=summary.conversation, agent=summary.agent, parent=summary.parent, last=summary.time
    )


def _damage(whole: Whole, chapter: Chapter) -> str:
    """Return what is damaged of a conversation, in words; raise what is no fault of it."""
    match whole.damage:
        case None:
            return ""
        case NotFound():
            return "" if chapter.erased else "it is gone since it was listed"
        case CorruptLog() | NewerRelease():
            return str(whole.damage)
        case error:
            raise error


def _count_turns(whole: Whole, chapter: Chapter, scope: Scope, audit: Audit) -> bool:
    """Count the turns of a conversation, and say whether it is one that is wanted."""
    now = Accounting(initial(whole.conversation))
    inherited = False
    for stored in whole.frames:
        now, over = account(now, stored.frame)
        agent, inherited = chapter.line.agent or stored.frame.agent, stored.inherited
        chapter.line = replace(chapter.line, agent=agent, last=max(chapter.line.last, stored.frame.time))
        if scope.agent not in ("", agent):
            return False
        if not inherited:
            _count(over, chapter, audit)
    if not inherited:  # what stands before a damage can be told
        _count(unfinished(now), chapter, audit)
    return True


def _count(accounts: tuple[Account, ...], chapter: Chapter, audit: Audit) -> None:
    for each in accounts:
        if isinstance(each, TurnAccount):
            audit.turn(chapter, each)

"""Forks of chains of frames, for tests of logs."""

from agent_runtime_framework.events import (
    ConversationId,
    ConversationStarted,
    EventLog,
    Frame,
    Head,
    Lineage,
    Stored,
)


def cut_at(stored: Stored) -> Head:
    """Return where the log of a fork begins that is cut after this frame."""
    return Head(stored.head.version, 0, stored.head.hash)


def first_of_fork(head: Head, parent: str, *, version: int | None = None, hash_: str | None = None) -> Frame:
    """Return the first frame of a fork, whose lineage may say something else than the frame."""
    lineage = Lineage(
        parent=parent, version=head.version if version is None else version, frame=head.hash if hash_ is None else hash_
    )
    began = ConversationStarted(agent="agent", journey_hash="", state={}, lineage=lineage)
    return Frame(
        first=head.version + 1, time=2_000, writer="w-f", agent="agent", prev=head.hash, parent=parent, events=(began,)
    )


async def fork(log: EventLog, cut: Stored, child: ConversationId) -> Stored:
    """Begin a fork after a frame of another log."""
    return await log.append(child, first_of_fork(cut_at(cut), cut.conversation), cut_at(cut))


def as_of(child: ConversationId, *written: Stored) -> list[Stored]:
    """Return frames of a parent as the child has them."""
    return [Stored(child, one.frame, cut_at(one), one.data, one.conversation) for one in written]

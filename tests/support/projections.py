"""Projections for tests, and what they must come to."""

from typing import Any

from msgspec import Struct

from agent_runtime_framework.events import (
    START,
    ConversationErased,
    ConversationId,
    EventLog,
    Frame,
    Head,
    Stored,
    UnknownEvent,
    UserSpoke,
)
from agent_runtime_framework.projections import Recorded, timeline


class Heard(Struct):
    """Is what was heard in a conversation: each event's version and tag, so that nothing is doubled, lost or moved."""

    conversation: str
    tags: list[tuple[int, str]] = []
    words: str = ""
    unknown: int = 0


class Listening:
    """Keeps everything; changes its state in place, as an author may."""

    def initial(self, conversation_id: str) -> Heard:
        return Heard(conversation_id)

    def evolve(self, state: Heard, recorded: Recorded) -> Heard:
        assert recorded.conversation == state.conversation
        state.tags = [*state.tags, (recorded.version, recorded.type)]
        if isinstance(recorded.event, UserSpoke):
            state.words += recorded.event.text
        state.unknown += isinstance(recorded.event, UnknownEvent)
        return state


def heard(*frames: Stored) -> Heard:
    """Return what `Listening` must have of a log, folded at once."""
    state = Heard(frames[0].conversation)
    for frame in frames:
        for recorded in timeline(frame):
            if isinstance(recorded.event, ConversationErased):
                state = Heard(frame.conversation)
            state = Listening().evolve(state, recorded)
    return state


async def append(log: EventLog, conversation: str, *events: Any, head: Head = START) -> Stored:
    """Append these events as one frame."""
    frame = Frame(first=head.version + 1, time=1, writer="w-1", agent="agent", prev=head.hash, events=events)
    return await log.append(ConversationId(conversation), frame, head)

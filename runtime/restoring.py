"""Restoring: a conversation that was recorded elsewhere is stored here, byte for byte.

Nothing is published and nobody is woken: the conversation goes on when somebody says something in it.  What is there
already is left, so that what was interrupted can be done again, and goes on.
"""

from collections.abc import AsyncGenerator

from ..events import START, Conflict, EventLog, Stored
from ..events.codec import in_clear
from ..events.log import not_taken
from .logfiles import Recording


async def restoring(log: EventLog, recording: Recording, *, encrypted: bool = False) -> AsyncGenerator[Stored, None]:
    """Store the frames of a conversation that are not there yet, and yield each when it is stored.

    Where the namespace is encrypted, only what is there in clear already goes on in clear.

    Raises:
        Refused: it is in clear, and the namespace is encrypted; nothing was stored.
        Conflict: the conversation is there with other frames, and nothing was stored; or somebody wrote meanwhile.
        CorruptLog: the frames are no chain, or those that are there are none.
        Unavailable: the server is away; doing it again goes on.

    """
    head, there, clear = START, 0, not encrypted
    async for stored in log.read(recording.conversation):
        if there == len(recording.frames):
            return  # it went on after it was recorded
        if stored.head.hash != recording.frames[there].head.hash:
            raise Conflict(
                f"conversation {recording.conversation!r} is there with other events from version "
                f"{stored.frame.first} on, and stays as it is: use another namespace for this one"
            )
        head, there = stored.head, there + 1
        clear = clear or (not stored.inherited and in_clear(stored.frame, stored.data))
    if not clear and any(in_clear(stored.frame, stored.data) for stored in recording.frames[there:]):
        raise not_taken(recording.conversation)
    for frame in recording.frames[there:]:
        stored = await log.restore(recording.conversation, frame.data, head)
        head = stored.head
        yield stored

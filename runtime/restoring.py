"""Restoring: a conversation that was recorded elsewhere is stored here, byte for byte.

Nothing is published and nobody is woken: the conversation goes on when somebody says something in it.  What is there
already is left, so that what was interrupted can be done again, and goes on.
"""

from collections.abc import AsyncGenerator

from ..events import START, Conflict, EventLog, Stored
from .logfiles import Recording


async def restoring(log: EventLog, recording: Recording) -> AsyncGenerator[Stored, None]:
    """Store the frames of a conversation that are not there yet, and yield each when it is stored.

    Raises:
        Conflict: the conversation is there with other frames, and nothing was stored; or somebody wrote meanwhile.
        CorruptLog: the frames are no chain, or those that are there are none.
        Unavailable: the server is away; doing it again goes on.

    """
    head, there = START, 0
    async for stored in log.read(recording.conversation):
        if there == len(recording.frames):
            return  # it went on after it was recorded
        if stored.head.hash != recording.frames[there].head.hash:
            raise Conflict(
                f"conversation {recording.conversation!r} is there with other events from version "
                f"{stored.frame.first} on, and stays as it is: use another namespace for this one"
            )
        head, there = stored.head, there + 1
    for frame in recording.frames[there:]:
        stored = await log.restore(recording.conversation, frame.data, head)
        head = stored.head
        yield stored

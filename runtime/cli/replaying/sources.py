"""Where recorded conversations come from: the place that the options name, or log files."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from ....events import Stored
from ....events.ids import TOKEN
from ...logfiles import Recording, read_logs
from ...reader import Reader
from ..console.options import Options
from ..console.place import reading


class Source(Struct, frozen=True):
    """Is a recorded conversation: its name, the key of its agent, and its frames."""

    conversation: str
    agent: str
    frames: AsyncIterator[Stored]


@asynccontextmanager
async def sources(options: Options, names: Sequence[str]) -> AsyncIterator[AsyncIterator[Source]]:
    """Give the conversations of these names, each once; what is no id is a log file, and all that is in it is meant.

    A place is only looked for if there is an id.

    Raises:
        NotFound: there is no such conversation, or file.
        CorruptLog, InvalidInput: as `read_logs`.

    """
    async with AsyncExitStack() as stack:
        wanted = tuple(dict.fromkeys(names))
        needed = any(TOKEN.fullmatch(name) for name in wanted)
        client = await stack.enter_async_context(reading(options)) if needed else None
        yield _each(client, wanted)


async def _each(client: Reader | None, names: Sequence[str]) -> AsyncIterator[Source]:
    for name in names:
        if client is not None and TOKEN.fullmatch(name):
            last = await client.last(name)
            yield Source(name, last.frame.agent, client.frames(name))
        else:
            for recording in await asyncio.to_thread(read_logs, name):
                yield Source(recording.conversation, recording.frames[-1].frame.agent, _frames(recording))


async def _frames(recording: Recording) -> AsyncIterator[Stored]:
    for stored in recording.frames:
        yield stored

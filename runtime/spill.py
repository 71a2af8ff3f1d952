"""Sorting a stream by conversation, in files, with no more in memory than one part of it.

The files have no name, so that nobody else opens them, and they are gone with whoever has them open, however it ends.
"""

import contextlib
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final
from zlib import crc32

from ..events import ConversationId, FrameworkError
from .feed import Entry, Feed

PARTS: Final = 128
"""So many files a stream is divided into; each is read whole."""

_HEAD: Final = struct.Struct("<HIQ")


class Spill:
    """Keeps what stands in a stream in files of a directory, by default the one for what is temporary."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = tempfile.gettempdir() if directory is None else str(directory)
        self._files: dict[int, IO[bytes]] = {}

    def add(self, entry: Entry) -> None:
        """Keep one entry.

        Raises:
            FrameworkError: there is no room for it.

        """
        name = entry.conversation.encode()
        part = crc32(name) % PARTS
        try:
            file = self._files.get(part)
            if file is None:
                file = self._files[part] = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  `close` does it
            file.write(_HEAD.pack(len(name), len(entry.data), entry.position) + name + entry.data)
        except OSError as error:
            raise self._no_room(error) from error

    def conversations(self) -> Iterator[tuple[ConversationId, list[Entry]]]:
        """Yield what was kept of each conversation, in the order of the stream, and keep it no longer.

        Raises:
            FrameworkError: there was no room for all of it.

        """
        for part in sorted(self._files):
            try:
                with self._files.pop(part) as file:
                    file.seek(0)
                    data = file.read()
            except OSError as error:
                raise self._no_room(error) from error
            found: dict[ConversationId, list[Entry]] = {}
            for entry in _entries(data):
                found.setdefault(entry.conversation, []).append(entry)
            del data
            yield from found.items()

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            with contextlib.suppress(OSError):  # what is written on closing needs room, and nobody reads it
                file.close()

    def _no_room(self, error: OSError) -> FrameworkError:
        return FrameworkError(f"what is stored cannot be sorted in {self._directory}: {error.strerror}")


async def spill_stream(feed: Feed, shard: int, spill: Spill, *, after: int = 0, to: int | None = None) -> int:
    """Keep what stands in a stream after a position, up to its end or to `to`; return the position of the last.

    Raises:
        CorruptLog: the stream ends before `after`.
        Unavailable: the server did not answer.
        FrameworkError: there is no room for it.

    """
    async with contextlib.aclosing(feed.read(shard, after)) as batches:
        async for batch in batches:
            for entry in batch:
                if to is not None and entry.position > to:
                    return after
                spill.add(entry)
                after = entry.position
    return after


def _entries(data: bytes) -> Iterator[Entry]:
    at = 0
    while at < len(data):
        name, size, position = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        conversation = ConversationId(data[at : at + name].decode())
        at += name
        yield Entry(conversation, position, data[at : at + size])
        at += size

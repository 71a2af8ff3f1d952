"""Sorting a stream by conversation, in files, with no more in memory than one part of it."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final
from zlib import crc32

from ...events import ConversationId
from ..feed import Entry

PARTS: Final = 128
"""So many files a stream is divided into; each is read whole."""

_HEAD: Final = struct.Struct("<HIQ")


class Spill:
    """Keeps what stands in a stream in the files of a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[int, IO[bytes]] = {}

    def add(self, entry: Entry) -> None:
        """Keep one entry."""
        name = entry.conversation.encode()
        part = crc32(name) % PARTS
        file = self._files.get(part)
        if file is None:
            file = self._files[part] = (self._directory / f"part-{part}").open("w+b")
        file.write(_HEAD.pack(len(name), len(entry.data), entry.position) + name + entry.data)

    def conversations(self) -> Iterator[tuple[ConversationId, list[Entry]]]:
        """Yield what was kept of each conversation, in the order of the stream, and keep it no longer."""
        for part in sorted(self._files):
            with self._files.pop(part) as file:
                file.seek(0)
                data = file.read()
            (self._directory / f"part-{part}").unlink()
            found: dict[ConversationId, list[Entry]] = {}
            for entry in _entries(data):
                found.setdefault(entry.conversation, []).append(entry)
            del data
            yield from found.items()

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()


def _entries(data: bytes) -> Iterator[Entry]:
    at = 0
    while at < len(data):
        name, size, position = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        conversation = ConversationId(data[at : at + name].decode())
        at += name
        yield Entry(conversation, position, data[at : at + size])
        at += size

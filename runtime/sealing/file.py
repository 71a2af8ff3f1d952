"""Appending to the file of seals: one writer at a time, and on the disk before it counts."""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from msgspec.structs import replace

from ...events import CorruptLog, InvalidInput, Seal, SealedHead
from ..crypto.signing import SealKey
from .lines import Folded, decode_line, encode_line


class SealFile:
    """Is a file of seals that is appended to; several processes of one machine may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folded = Folded()
        self._read = 0
        self._identity = (0, 0)

    def check(self) -> None:
        """Check that it can be written, and make it if it is not there.

        Raises:
            InvalidInput: it cannot.

        """
        try:
            with self.path.open("ab"):
                pass
        except OSError as error:
            raise InvalidInput(f"seal file {self.path} cannot be written: {error.strerror}") from error

    def append(self, seal: Seal, heads: Mapping[str, SealedHead], key: SealKey) -> list[str]:
        """Append a seal over these heads; return, in words, what of the line before is not there any more.

        Raises:
            OSError: it is not known to be on the disk.

        """
        with self.path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # closing it lets go
            torn = self._catch_up(file)
            line = self._folded.next_line(seal, heads)
            lost = self._folded.lost(seal, heads)
            data = encode_line(replace(line, link=key.sign(line.linked)))
            file.write(b"\n" + data if torn else data)
            file.flush()
            os.fsync(file.fileno())
            self._folded.take(line)
            self._read = file.tell()
        if line.after == "":
            _sync_directory(self.path)
        return lost

    def _catch_up(self, file: IO[bytes]) -> bool:
        """Read what was appended since; return whether the file ends within a line."""
        found = os.fstat(file.fileno())
        identity = (found.st_dev, found.st_ino)
        if identity != self._identity or found.st_size < self._read:
            self._folded, self._read, self._identity = Folded(), 0, identity
        file.seek(self._read)
        torn = False
        for data in file:
            torn = not data.endswith(b"\n")
            try:
                self._folded.take(decode_line(data))
            except CorruptLog:
                self._folded.broken = True
        self._folded.broken = self._folded.broken or torn
        return torn


def _sync_directory(path: Path) -> None:
    directory = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

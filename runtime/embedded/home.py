"""The directory `.arf/` of an embedded server: its settings, its files, and the locks by which processes share it.

server.json        port and token, chosen once and kept
jetstream/         what the server stores
server.conf .log .pid        written at each start, by the server itself, by the server itself
start.lock         held while a server is looked for, started or stopped: one process does so at a time
users.lock         held in common by all who use the server; whoever can have it alone was the last
server.lock        held by the server process itself, so it is free if and only if the server is dead; holds its id

The locks are flock's: they end with the processes that hold them, however those end.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from ...events import InvalidInput
from .process import free_port

NAME = ".arf"
SETTINGS = "server.json"


def find_home(start: Path) -> Path | None:
    """Return the nearest `.arf/` in `start` or above it, or None."""
    start = start.absolute()
    return next((path for directory in (start, *start.parents) if (path := directory / NAME).is_dir()), None)


class Settings(Struct, frozen=True):
    """Says where the server listens and what it asks its clients for."""

    port: int
    token: str


class Home:
    """Is one user's hold on a `.arf/`, created if need be, readable by its owner only.

    Raises:
        OSError: the directory cannot be created or used.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, exist_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
        if not (path / ".gitignore").exists():
            (path / ".gitignore").write_text("*\n", encoding="utf-8")
        self._start, self._users, self._server = (
            os.open(path / name, os.O_RDWR | os.O_CREAT, 0o600) for name in ("start.lock", "users.lock", "server.lock")
        )

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other process looks for, starts or stops the server, and keep them waiting."""
        fcntl.flock(self._start, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._start, fcntl.LOCK_UN)

    def join(self) -> None:
        """Become a user; call it in `turn`."""
        fcntl.flock(self._users, fcntl.LOCK_SH)

    def leave(self) -> bool:
        """Stop being a user; call it in `turn`.  Return True if this was the last one."""
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            last = False
        else:
            last = True
        fcntl.flock(self._users, fcntl.LOCK_UN)
        return last

    def server_runs(self) -> bool:
        """Say whether the server process is alive, ready or not."""
        try:
            fcntl.flock(self._server, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._server, fcntl.LOCK_UN)
        return False

    def wait_for_the_servers_end(self) -> None:
        """Return once the server process is gone."""
        fcntl.flock(self._server, fcntl.LOCK_SH)
        fcntl.flock(self._server, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def server_lock(self) -> Iterator[int]:
        """Take the server's lock, as an open file for the server to inherit: it is the server's when the block ends."""
        lock = os.open(self.path / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            yield lock
        finally:
            os.close(lock)

    def note_server(self, pid: int) -> None:
        """Keep the id of the process that has the server's lock now."""
        os.pwrite(self._server, str(pid).encode(), 0)

    def server_pid(self) -> int | None:
        """Return the id of the process that has the server's lock, if it runs, or None if that was not kept.

        It stands in the file that is locked, so it is right even where the directory was deleted and made anew.
        """
        kept = os.pread(self._server, 20, 0)
        return int(kept) if kept.isdigit() else None

    def settings(self) -> Settings | None:
        """Return the settings, or None if none were chosen yet.

        Raises:
            InvalidInput: the file is not what was written there.

        """
        path = self.path / SETTINGS
        try:
            return msgspec.json.decode(path.read_bytes(), type=Settings)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"{path} cannot be read ({error}): end the processes that use it and delete this one file; a new port "
                "and token will be chosen, and the recorded conversations stay"
            ) from error

    def choose_settings(self, token: str | None = None) -> Settings:
        """Choose a free port and, unless it is given, a token, and keep them."""
        settings = Settings(free_port(), token or secrets.token_hex(24))
        draft = self.path / f"{SETTINGS}.new"
        draft.touch(mode=0o600)
        draft.write_bytes(msgspec.json.encode(settings))
        draft.replace(self.path / SETTINGS)
        return settings

    def close(self) -> None:
        """Give up all locks."""
        for lock in (self._start, self._users, self._server):
            os.close(lock)

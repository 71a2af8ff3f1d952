"""One nats-server for all processes that use one `.arf/`: found, started, restarted and stopped.

Everything here blocks, for 20 ms as a rule, and runs in threads.
"""

import threading
from pathlib import Path
from subprocess import Popen

from ...events import Unavailable
from . import process
from .home import Home, Settings

_STARTS = 5


class SharedServer:
    """Is one user's share of the server; `open` first, `close` last, both once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._home: Home | None = None
        self._settings: Settings | None = None
        self._child: Popen[bytes] | None = None
        self._mutex = threading.Lock()  # flock keeps processes apart, and not the threads that use one open file

    @property
    def settings(self) -> Settings:
        """Where the server listens; what `open` and `ensure_running` found or chose."""
        if self._settings is None:
            raise Unavailable(f"the server of {self._path} is not open")
        return self._settings

    def open(self) -> None:
        """Become a user of the server, and return once it answers."""
        with self._mutex:
            try:
                home = self._home = Home(self._path)
                with home.turn():
                    home.join()
                    self._bring_up(home)
            except OSError as error:
                raise Unavailable(f"{self._path} cannot be used: {error}") from error

    def ensure_running(self) -> None:
        """Start the server again if it is dead, and return once it answers."""
        with self._mutex:
            if self._home is None:
                raise Unavailable(f"the server of {self._path} is not open")
            try:
                with self._home.turn():
                    self._bring_up(self._home)
            except OSError as error:
                raise Unavailable(f"{self._path} cannot be used: {error}") from error

    def close(self) -> None:
        """Stop being a user; the last one stops the server and returns once it is gone."""
        with self._mutex:
            home, self._home, self._settings = self._home, None, None
            if home is None:
                return
            try:
                with home.turn():
                    if home.leave():
                        self._stop(home)
            finally:
                home.close()

    def _bring_up(self, home: Home) -> None:
        settings = home.settings()
        if settings is None:
            self._stop(home)  # one that runs has a token that nobody knows any more
            settings = home.choose_settings()
        if home.server_runs():
            self._adopt(home, settings)
        else:
            settings = self._start(home, settings)
        self._settings = settings

    def _adopt(self, home: Home, settings: Settings) -> None:
        if not process.wait_until_it_answers(settings.port, settings.token, alive=home.server_runs):
            pid = home.server_pid()
            raise Unavailable(
                f"the nats-server of {home.path}, process {pid}, does not answer at port {settings.port}: "
                f"{process.last_words(home.path)}; end it with `kill {pid}` and try again"
            )

    def _start(self, home: Home, settings: Settings) -> Settings:
        for _ in range(_STARTS):
            if not process.port_comes_free(settings.port):
                settings = home.choose_settings(settings.token)
            config = process.configuration(settings.port, token=settings.token, sync="always")
            with home.server_lock() as lock:
                self._child = process.spawn(home.path, config, held=(lock,))
                home.note_server(self._child.pid)
            if process.wait_until_it_answers(settings.port, settings.token, alive=home.server_runs):
                return settings
            self._stop(home)
            if process.port_comes_free(settings.port):
                break
        raise Unavailable(f"nats-server did not come up in {home.path}: {process.last_words(home.path)}")

    def _stop(self, home: Home) -> None:
        pid = home.server_pid() or process.read_pid(home.path)
        if pid is not None and home.server_runs():
            killer = process.terminate(pid)
            home.wait_for_the_servers_end()
            if self._child is not None:
                self._child.wait()
            killer.cancel()

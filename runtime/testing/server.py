"""A real nats-server for tests: started on a directory and a port of its own, stopped, killed, started again."""

import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from ...events import Unavailable
from ..embedded import process


class NatsServer:
    """Runs one nats-server with JetStream; ended when the `with` block ends.

    `settings` are further lines of its configuration file, such as `max_payload: 64KB`.  The methods block for some
    milliseconds, so in a test that is a coroutine call them with `asyncio.to_thread`.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as directory, NatsServer(Path(directory)) as server:
    ...     server.url.startswith("nats://127.0.0.1:")
    True
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        token: str | None = None,
        sync: str | None = None,
        settings: str = "",
    ) -> None:
        self.directory = directory
        self.port = process.free_port() if port is None else port
        self.token = token
        self._config = f"{process.configuration(self.port, token=token, sync=sync)}{settings}\n"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"nats://{process.HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id, or None while it does not run."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Start it and return once it answers; its streams are those that the directory holds.

        Raises:
            Unavailable: it did not come up.

        """
        if self.pid is not None:
            return
        self._process = process.spawn(self.directory, self._config)
        if not process.wait_until_it_answers(self.port, self.token, alive=lambda: self.pid is not None):
            self.kill()
            raise Unavailable(f"nats-server did not come up on port {self.port}: {process.last_words(self.directory)}")

    def stop(self) -> None:
        """End it in good order, and return once it is gone."""
        if self._process is not None and self._process.poll() is None:
            killer = process.terminate(self._process.pid)
            self._process.wait()
            killer.cancel()

    def kill(self) -> None:
        """End it as a crash would, and return once it is gone."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGSTOP and SIGCONT."""
        if self._process is not None:
            self._process.send_signal(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

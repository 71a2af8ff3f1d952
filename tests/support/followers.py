"""A process whose stdout is read while it runs, such as `arf follow`."""

import json
import os
import re
import select
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from support.processes import ARF, environment

PATIENCE = 30.0


class Follower:
    """Runs `arf` with these words while the block runs; its stdout and stderr are read as they come."""

    def __init__(self, command: str, directory: Path) -> None:
        self.text = ""
        self._seen = 0
        self._process = subprocess.Popen(
            [*ARF, *shlex.split(command)],
            cwd=directory,
            env={**environment(), "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self._stdout = self._process.stdout.fileno()

    def read_until(self, pattern: str) -> str:
        """Return what was written up to the pattern and with it, after what was read before."""
        until = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.text[self._seen :], re.MULTILINE)):
            assert time.monotonic() < until, f"{pattern!r} did not come:\n{self.text}"
            ready, _, _ = select.select([self._stdout], [], [], 0.1)
            if ready:
                piece = os.read(self._stdout, 65536)
                assert piece, f"it ended before {pattern!r}:\n{self.text}"
                self.text += piece.decode()
        began, self._seen = self._seen, self._seen + found.end()
        return self.text[began : self._seen]

    def objects(self) -> list[Any]:
        """Return the lines that were written, as JSON."""
        return [json.loads(line) for line in self.text.splitlines()]

    def interrupt(self) -> tuple[int, str]:
        """Send what Ctrl-C sends; return the exit code and all that was said on stderr."""
        self._process.send_signal(signal.SIGINT)
        out, said = self._process.communicate(timeout=PATIENCE)
        self.text += out.decode()
        return self._process.returncode, said.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.communicate(timeout=PATIENCE)

"""`arf` at a terminal of its own: a real one, with a size, that keys are pressed at."""

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from support.processes import ARF, environment

PATIENCE = 30.0
"""Seconds until something that is awaited must have been shown."""

TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def _environment() -> dict[str, str]:
    """Return the environment without what says of another terminal how large it is."""
    return {name: value for name, value in environment().items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}


def fits(terminal: "Terminal", columns: int) -> bool:
    """Say whether something was shown, and no line of it was longer than that."""
    lines = terminal.text.splitlines()
    return bool(lines) and max(len(line.rstrip()) for line in lines) <= columns


class Terminal:
    """Runs `arf` with these words at a terminal while the block runs; `stdout` is a file that stdout goes to instead.

    Attributes:
        shown: all that came to the terminal.
        text: the same without the escape sequences for colours.

    """

    def __init__(
        self,
        command: str,
        directory: Path,
        *,
        columns: int = 100,
        env: Mapping[str, str] | None = None,
        stdout: int | None = None,
    ) -> None:
        self.shown = self.text = ""
        self._read = b""
        self._seen = 0
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self._before = termios.tcgetattr(self._ours)
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *ARF, *shlex.split(command)],
            cwd=directory,
            env={**_environment(), "TERM": "xterm-256color", **(env or {})},
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def press(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._ours, keys.encode())

    def read_until(self, pattern: str) -> "re.Match[str]":
        """Return once the pattern stands in the text, after what was read before."""
        until = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.text[self._seen :], re.MULTILINE)):
            assert time.monotonic() < until, f"{pattern!r} did not come:\n{self.shown}"
            assert self._more(0.1) or self.process.poll() is None, f"it ended before {pattern!r}:\n{self.shown}"
        self._seen += found.end()
        return found

    def read_for(self, seconds: float) -> None:
        """Read for so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self._more(left) and self.process.poll() is not None:
                return

    def say(self, words: str) -> None:
        """Type words at the prompt."""
        self.read_until("^you> ")
        self.press(f"{words}\n")

    def end(self, within: float = PATIENCE) -> int:
        """Read until the process has ended; return its exit code, and check that the terminal is as it was."""
        until = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < until, f"it does not end:\n{self.shown}"
            self._more(0.05)
        while self._more(0):
            pass
        assert termios.tcgetattr(self._ours) == self._before
        return self.process.returncode

    def _more(self, wait: float) -> bool:
        """Read what is there within so many seconds."""
        ready, _, _ = select.select([self._ours], [], [], wait)
        if not ready:
            return False
        try:
            piece = os.read(self._ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            return False
        self._read += piece
        self.shown = self._read.decode(errors="replace").replace("\r\n", "\n")
        self.text = ESCAPE.sub("", self.shown)
        return bool(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self._ours)

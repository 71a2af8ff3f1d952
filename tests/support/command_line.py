"""The command line as a person uses it: run to its end, or a worker beside it, in a directory of its own."""

import fcntl
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.processes import ARF, environment

PATIENCE = 40


def bots(directory: Path) -> Path:
    """Put the agents of `cli_bots.py` into a directory, as `bot.py`, and return it."""
    shutil.copyfile(Path(__file__).with_name("cli_bots.py"), directory / "bot.py")
    return directory


def run(
    command: str, cwd: Path, *, stdin: str = "", env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `arf` with these words to its end."""
    return subprocess.run(
        [*ARF, *shlex.split(command)],
        cwd=cwd,
        env={"COLUMNS": "100", **environment(), **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def data(command: str, cwd: Path) -> Any:
    """Return what a command that succeeds gives as JSON."""
    done = run(f"{command} -o json", cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def error(command: str, cwd: Path, *, stdin: str = "", env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Return exit code and message of a command that fails with one line, and nothing on stdout."""
    done = run(command, cwd, stdin=stdin, env=env)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return done.returncode, line.removeprefix("error: ")


class WorkerOfTest:
    """Is `arf worker`, ready; `first` is the line that said so."""

    def __init__(self, process: "subprocess.Popen[str]", first: str) -> None:
        self.process = process
        self.first = first

    def line(self) -> str:
        """Return its next line on stderr."""
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def rest(self) -> str:
        """Return what it says until it ends."""
        assert self.process.stderr is not None
        return self.process.stderr.read()


@contextmanager
def worker(words: str, cwd: Path, env: Mapping[str, str] | None = None) -> Iterator[WorkerOfTest]:
    """Run `arf worker` with these words while the block runs."""
    process = subprocess.Popen(
        [*ARF, "worker", *shlex.split(words)],
        cwd=cwd,
        env={**environment(), **(env or {})},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first.startswith("ready"), first + process.stderr.read()
        yield WorkerOfTest(process, first)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def in_use(home: Path) -> list[str]:
    """Return which of a `.arf/`'s locks are held: `users` by clients and workers, `server` by the server that runs."""
    held = []
    for name in ("users", "server"):
        with (home / f"{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.append(name)
    return held

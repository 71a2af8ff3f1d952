"""The ledger: a process that writes down each start of a tool, durably, before it answers.

A line in, a line out, both JSON.  A tool that cannot reach it fails, so whatever a tool did is in the ledger.
As a process: `python -m ops.chaos.ledger FILE`; it prints its port, and ends when its standard input does.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from agent_runtime_framework.events import ConversationId, Effect

HOST = "127.0.0.1"

PORT = "CHAOS_LEDGER"
"""The variable that tells workers where the ledger is."""


class Start(Struct, frozen=True, kw_only=True):
    """Is one start of a tool.

    Attributes:
        key: the call's idempotency key, `<conversation>@<answer version>.<index>`.
        ticket: the call as the model meant it: message, round, index; the same whoever runs it.
        tool, effect: its name and its class.
        seen: the state that the tool was given.
        pid: the process that it runs in.
        time: Unix milliseconds, set by the ledger.

    """

    key: str
    ticket: str
    tool: str
    effect: Effect
    seen: dict[str, Any]
    pid: int
    time: int = 0

    @property
    def conversation(self) -> ConversationId:
        """The conversation of the call."""
        return ConversationId(self.key.partition("@")[0])


class Ledger:
    """Appends starts to a file and answers how often that key has started."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._starts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, to its end."""
        try:
            while line := await reader.readline():
                start = msgspec.json.decode(line, type=Start)
                self._file.write(msgspec.json.encode(msgspec.structs.replace(start, time=_now())) + b"\n")
                self._file.flush()
                os.fsync(self._file.fileno())
                self._starts[start.key] += 1
                writer.write(b"%d\n" % self._starts[start.key])
                await writer.drain()
        except (ConnectionError, msgspec.DecodeError):
            pass  # whoever said it is gone, or was cut off in mid-line; nothing was written
        finally:
            writer.close()


async def tell(port: int, start: Start) -> int:
    """Write a start into the ledger and return how often that key has started, this time included; what a tool calls.

    Raises:
        OSError: the ledger does not answer; the start may be in it.

    """
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(msgspec.json.encode(start) + b"\n")
        await writer.drain()
        answer = await reader.readline()
        if not answer:
            raise ConnectionResetError("the ledger hung up")
        return int(answer)
    finally:
        writer.close()


def starts(path: Path) -> list[Start]:
    """Return what the ledger holds, in the order in which it was written."""
    decoder = msgspec.json.Decoder(Start)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


async def until_stdin_closes() -> None:
    """Wait until whoever started this process is gone."""
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    await stdin.read()


def _now() -> int:
    return time.time_ns() // 1_000_000


async def _main(path: Path) -> None:
    with path.open("ab") as file:
        server = await asyncio.start_server(Ledger(file).serve, HOST, 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await until_stdin_closes()
        server.close()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))

"""A model server that answers as OpenAI does, as a function of the request, and writes down what it was asked.

The last user message is a `Script`; the answers that follow it say which round is next.  A transcript that a provider
would refuse is written down as invalid.  With `--faults` some requests get a 429 with Retry-After, a 500, a cut
connection, or a stream without a finish reason: which ones, the seed and the request say.
As a process: `python -m ops.chaos.model FILE [--faults SHARE --seed N]`; it prints its port, and ends when its standard
input does.
"""

import argparse
import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from agent_runtime_framework.runtime.testing.chat import problem_of

from .ledger import HOST, until_stdin_closes
from .script import Script, read

FAULTS = ("429", "500", "cut", "cut_within", "unfinished")


class Asked(Struct, frozen=True, kw_only=True):
    """Is one request: for which round of which message, when (Unix milliseconds), what went wrong on purpose.

    `invalid` says why a provider would refuse the transcript; empty if none would.
    """

    message: str
    round: int
    time: int
    fault: str = ""
    invalid: str = ""


def asked(path: Path) -> list[Asked]:
    """Return the requests that a model server wrote down, in order."""
    decoder = msgspec.json.Decoder(Asked)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


class ModelServer:
    """Answers requests and appends each to a file."""

    def __init__(self, file: IO[bytes], faults: float, seed: str) -> None:
        self._file = file
        self._faults = faults
        self._seed = seed
        self._counts: Counter[tuple[str, int]] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, to its end."""
        try:
            while body := await _request(reader):
                if not await self._answer(msgspec.json.decode(body), writer):
                    writer.transport.abort()
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a killed worker, or the end
        finally:
            writer.close()

    async def _answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return False where the connection is to be cut."""
        messages: list[dict[str, Any]] = body["messages"]
        script, done = _place(messages)
        self._counts[script.id, done] += 1
        nth = self._counts[script.id, done]
        chance = random.Random(f"{self._seed}-{script.id}-{done}-{nth}")
        fault = chance.choice(FAULTS) if chance.random() < self._faults else ""
        request = Asked(message=script.id, round=done, time=_now(), fault=fault, invalid=problem_of(messages) or "")
        self._file.write(msgspec.json.encode(request) + b"\n")
        self._file.flush()
        await asyncio.sleep(script.thinks if nth == 1 else 0)
        match fault:
            case "429":
                await _send(writer, 429, {"error": {"message": "slow down"}}, "Retry-After: 1")
            case "500":
                await _send(writer, 500, {"error": {"message": "broken"}})
            case "cut":
                return False
            case _:
                await _stream(writer, list(_chunks(script, done, nth)), fault)
                return fault != "cut_within"
        return True


def _place(messages: Sequence[dict[str, Any]]) -> tuple[Script, int]:
    """Return the last script, and how many rounds of it are done."""
    last = max(at for at, message in enumerate(messages) if message["role"] == "user")
    done = sum(message["role"] == "assistant" for message in messages[last:])
    return read(messages[last]["content"]), done


def _chunks(script: Script, done: int, nth: int) -> Iterator[dict[str, Any]]:
    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {"id": f"{script.id}-{done}-{nth}", "object": "chat.completion.chunk", "created": 0} | {
            "model": "gpt-chaos",
            "choices": [choice],
        }

    yield chunk({"role": "assistant", "content": ""})
    if done >= len(script.rounds):
        for word in script.reply.partition(" "):
            yield chunk({"content": word})
        yield chunk({}, "stop")
        return
    for index, call in enumerate(script.rounds[done]):
        ticket = f"{script.id}/{done}.{index}"
        arguments = json.dumps({"ticket": ticket, "first": call.first, "again": call.again})
        function = {"name": call.tool, "arguments": arguments}
        yield chunk({"tool_calls": [{"index": index, "id": ticket, "type": "function", "function": function}]})
    yield chunk({}, "tool_calls")


async def _stream(writer: asyncio.StreamWriter, chunks: list[dict[str, Any]], fault: str) -> None:
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    sent = chunks[:-1] if fault in {"unfinished", "cut_within"} else chunks
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in sent]
    for line in lines if fault == "cut_within" else [*lines, "data: [DONE]\n\n"]:
        writer.write(b"%x\r\n%s\r\n" % (len(line), line.encode()))
        await writer.drain()
    if fault != "cut_within":
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _send(writer: asyncio.StreamWriter, status: int, body: dict[str, Any], *headers: str) -> None:
    data = json.dumps(body)
    lines = [f"HTTP/1.1 {status} Status", "Content-Type: application/json", f"Content-Length: {len(data)}", *headers]
    writer.write(("\r\n".join(lines) + "\r\n\r\n" + data).encode())
    await writer.drain()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """Return the body of the next request; nothing where the client is done."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return b""
    return await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))


def _now() -> int:
    return time.time_ns() // 1_000_000


async def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--seed", default="")
    options = parser.parse_args()
    with options.file.open("ab") as file:
        server = await asyncio.start_server(ModelServer(file, options.faults, options.seed).serve, HOST, 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await until_stdin_closes()
        server.close()


if __name__ == "__main__":
    asyncio.run(_main())

"""A server on 127.0.0.1 that answers `POST /v1/chat/completions` as OpenAI does, from a script.

An entry of the script is a text, or an object with any of these keys:

    text, calls       what the model says; `calls` is a list of `[name, arguments]`, arguments an object or a text
    usage             the token counts; null sends none
    finish_reason     null sends none
    chunks            instead of all that: what a streamed answer sends, each an object or a raw text
    done              false leaves out `data: [DONE]`
    status, error     an error answer; `error` is what stands under that key of its body
    headers           further headers of the answer
    body              instead of JSON: this text, with `content_type`
    split             bytes in one piece of a streamed answer, 61 unless told, so that lines and characters are cut
    delay             seconds to wait first
    hold, hold_after  a name: wait until it is released, after so many chunks of a streamed answer (0: before any byte)
    cut               break the connection after so many chunks; 0 before any byte
    when, times       a rule: answers each request that it fits, at most `times` times; rules come before the others

Entries without `when` are used up in order.  `when` has `messages` (how many there are), `last` (the role of the last)
and `contains` (a text in the last); all that are given must fit.  A request that finds no entry gets a 400.

Beside it: `GET /requests?wait=N` gives the requests as a JSON list once there are N, `GET /holding/NAME` answers once a
request is held under that name, `POST /release/NAME` lets it go on, now and ever after.

As a process: `python tests/support/openai_server.py --port-file F --script F`; it ends at SIGTERM, or with
`--until-stdin-closes` when whoever started it is gone.
"""

import argparse
import asyncio
import contextlib
import json
import re
import signal
import sys
import urllib.parse
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeAlias

Entry: TypeAlias = str | dict[str, Any]

COUNTS = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
USAGE = {**COUNTS, "prompt_tokens_details": {"cached_tokens": 0}}


class OpenAIServer:
    """Serves while its context is entered: `requests` came (`headers`, `body`), `hangups` clients left unserved."""

    def __init__(self, script: Sequence[Entry] = ()) -> None:
        self.requests: list[dict[str, Any]] = []
        self.hangups = 0
        self.port = 0
        self.script = Script(script)
        self._changed = asyncio.Condition()
        self._holding: set[str] = set()
        self._released: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def until(self, true: Callable[["OpenAIServer"], bool]) -> None:
        """Wait until `true(self)`, looked at whenever a request comes, is held, or is hung up."""
        async with self._changed:
            await self._changed.wait_for(lambda: true(self))

    async def holding(self, name: str) -> None:
        """Wait until a request is held under this name."""
        await self.until(lambda _: name in self._holding)

    def release(self, name: str) -> None:
        """Let requests held under this name go on, now and ever after."""
        self._released.setdefault(name, asyncio.Event()).set()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader)) is not None:
                await self._route(request, Connection(reader, writer))
        except HungUp:
            writer.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hangups += 1
            await self._notify()
        finally:
            writer.close()

    async def _route(self, request: dict[str, Any], connection: "Connection") -> None:
        path = urllib.parse.urlsplit(request["path"])
        match request["method"], path.path.strip("/").split("/"):
            case "POST", ["v1", "chat", "completions"]:
                await self._complete(request, connection)
            case "GET", ["requests"]:
                wait = int(dict(urllib.parse.parse_qsl(path.query)).get("wait", "0"))
                await self.until(lambda server: len(server.requests) >= wait)
                await connection.send(200, json.dumps(self.requests))
            case "GET", ["holding", name]:
                await self.holding(name)
                await connection.send(200, "{}")
            case "POST", ["release", name]:
                self.release(name)
                await connection.send(200, "{}")
            case _:
                await connection.send(404, json.dumps({"error": {"message": f"no such path: {path.path}"}}))

    async def _complete(self, request: dict[str, Any], connection: "Connection") -> None:
        body = json.loads(request["body"])
        self.requests.append({"headers": request["headers"], "body": body})
        number = len(self.requests)
        await self._notify()
        entry = self.script.choose(body, number)
        await asyncio.sleep(entry.get("delay", 0))
        await self._pause(entry, 0, connection)
        headers = entry.get("headers", {})
        if "body" in entry:
            content_type = entry.get("content_type", "application/json")
            await connection.send(entry.get("status", 200), entry["body"], headers, content_type)
        elif "status" in entry:
            await connection.send(entry["status"], json.dumps({"error": entry.get("error")}), headers)
        elif body.get("stream"):
            await self._stream(entry, body, number, connection)
        else:
            await connection.send(200, json.dumps(completion(entry, body, number)), headers)

    async def _stream(self, entry: dict[str, Any], body: dict[str, Any], number: int, connection: "Connection") -> None:
        await connection.start(entry.get("headers", {}))
        for sent, chunk in enumerate(entry.get("chunks") or chunks(entry, body, number), 1):
            text = chunk if isinstance(chunk, str) else f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
            await connection.pieces(text.encode(), entry.get("split", 61))
            await self._pause(entry, sent, connection)
        if entry.get("done", True):
            await connection.pieces(b"data: [DONE]\n\n", entry.get("split", 61))
        await connection.end()

    async def _pause(self, entry: dict[str, Any], sent: int, connection: "Connection") -> None:
        """Hold, or break the connection, if that is what the entry wants after `sent` chunks."""
        if "hold" in entry and entry.get("hold_after", 0) == sent:
            name = entry["hold"]
            self._holding.add(name)
            await self._notify()
            await connection.wait(self._released.setdefault(name, asyncio.Event()))
        if entry.get("cut") == sent:
            raise HungUp


class HungUp(Exception):
    """Raised where the script breaks the connection."""


class Script:
    """Chooses the entry that answers a request."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._rules: list[dict[str, Any]] = []
        self.queue: deque[dict[str, Any]] = deque()
        self.add(*entries)

    def add(self, *entries: Entry) -> None:
        for entry in ({"text": entry} if isinstance(entry, str) else dict(entry) for entry in entries):
            (self._rules if "when" in entry else self.queue).append(entry)

    def choose(self, body: dict[str, Any], number: int) -> dict[str, Any]:
        """Return the first rule that fits, else the next entry, else one that says that there is none."""
        for rule in self._rules:
            if rule.get("times", 1) > 0 and _fits(rule["when"], body["messages"]):
                if "times" in rule:
                    rule["times"] -= 1
                return rule
        if self.queue:
            return self.queue.popleft()
        return {"status": 400, "error": {"message": f"the script has no answer for request {number}"}}


def _fits(when: dict[str, Any], messages: list[dict[str, Any]]) -> bool:
    last = messages[-1] if messages else {}
    return (
        when.get("messages", len(messages)) == len(messages)
        and when.get("last", last.get("role")) == last.get("role")
        and when.get("contains", "") in str(last.get("content"))
    )


class Connection:
    """Writes answers to one client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(
        self, status: int, body: str, headers: dict[str, str] | None = None, content_type: str = "application/json"
    ) -> None:
        data = body.encode()
        self._head(status, {"Content-Type": content_type, "Content-Length": str(len(data)), **(headers or {})})
        self._writer.write(data)
        await self._writer.drain()

    async def start(self, headers: dict[str, str]) -> None:
        self._head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked", **headers})
        await self._writer.drain()

    async def pieces(self, data: bytes, size: int) -> None:
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            self._writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await self._writer.drain()

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def wait(self, event: asyncio.Event) -> None:
        """Wait for `event`; a client that hangs up meanwhile is a ConnectionError."""
        released = asyncio.ensure_future(event.wait())
        gone = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait({released, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise ConnectionResetError("the client hung up")
        finally:
            for task in (released, gone):
                task.cancel()
            await asyncio.gather(released, gone, return_exceptions=True)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())


async def _read_request(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """Return method, path, headers (names in lower case) and body, or None where the client is done."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return {"method": method, "path": path, "headers": headers, "body": body.decode()}


def completion(entry: dict[str, Any], body: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the JSON of an answer that is not streamed."""
    message = {"role": "assistant", "content": entry.get("text"), "refusal": None}
    if calls := _calls(entry, number):
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(entry)}
    usage = {"usage": entry.get("usage", USAGE)}
    return {**_common(body, number, "chat.completion"), "choices": [choice], **(usage if usage["usage"] else {})}


def chunks(entry: dict[str, Any], body: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """Yield the chunks of a streamed answer: role, words, calls in pieces, finish reason, usage if it was asked for."""
    common = _common(body, number, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

    yield chunk({"role": "assistant", "content": "" if entry.get("text") else None})
    for word in re.findall(r"\S+\s*|\s+", entry.get("text") or ""):
        yield chunk({"content": word})
    for index, call in enumerate(_calls(entry, number)):
        arguments = call["function"]["arguments"]
        opening = {**call, "function": {**call["function"], "arguments": ""}}
        yield chunk({"tool_calls": [{"index": index, **opening}]})
        for start in range(0, len(arguments), 5):
            piece = arguments[start : start + 5]
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    if (reason := _finish_reason(entry)) is not None:
        yield chunk({}, reason)
    usage = entry.get("usage", USAGE)
    if usage is not None and (body.get("stream_options") or {}).get("include_usage"):
        yield {**common, "choices": [], "usage": usage}


def _common(body: dict[str, Any], number: int, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 0, "model": body.get("model", "")}


def _finish_reason(entry: dict[str, Any]) -> Any:
    return entry.get("finish_reason", "tool_calls" if entry.get("calls") else "stop")


def _calls(entry: dict[str, Any], number: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{number}_{index}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for index, (name, given) in enumerate(entry.get("calls", ()))
    ]


class ServerProcess:
    """Is the server as a process of its own, seen from the one that started it."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid
        self.url = f"http://127.0.0.1:{port}/v1"

    async def requests(self, wait: int = 0) -> list[dict[str, Any]]:
        """Return the requests so far, once there are `wait` of them."""
        listed: list[dict[str, Any]] = json.loads(await self._ask("GET", f"/requests?wait={wait}"))
        return listed

    async def holding(self, name: str) -> None:
        """Wait until a request is held under this name."""
        await self._ask("GET", f"/holding/{name}")

    async def release(self, name: str) -> None:
        """Let requests held under this name go on."""
        await self._ask("POST", f"/release/{name}")

    async def _ask(self, method: str, path: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            return await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
        finally:
            writer.close()
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def server_process(folder: Path, script: Sequence[Entry]) -> AsyncIterator[ServerProcess]:
    """Run the server as a process of its own, which ends with the context, or with this process."""
    script_file, port_file = folder / "openai-script.json", folder / "openai-port"
    script_file.write_text(json.dumps(list(script)))
    arguments = ["--port-file", str(port_file), "--script", str(script_file), "--until-stdin-closes"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield ServerProcess(int(port_file.read_text()), process.pid)
    finally:
        process.stdin.close()
        await process.wait()


async def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--until-stdin-closes", action="store_true")
    options = parser.parse_args()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    waits = [asyncio.ensure_future(stop.wait())]
    if options.until_stdin_closes:
        stdin = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
        waits.append(asyncio.ensure_future(stdin.read()))  # type: ignore[arg-type]
    async with OpenAIServer(json.loads(options.script.read_text())) as server:
        fresh = options.port_file.with_suffix(".new")
        fresh.write_text(str(server.port))
        fresh.rename(options.port_file)
        print(server.port, flush=True)  # noqa: T201
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


if __name__ == "__main__":
    asyncio.run(_main())

"""A town of processes: a nats-server, a model server, the world outside, and workers as a test asks for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from agent_runtime_framework.testing import NatsServer
from support.openai_server import ServerProcess, server_process
from support.outside import Outside
from support.processes import Running, arf, environment, output_of

AGENT = f"{Path(__file__).with_name('booking_agent.py')}:agent"
CONCIERGE = AGENT.replace(":agent", ":concierge")
NAMED = {"calls": [["save_name", {"name": "Ada"}]]}
HELLO = {"text": "Hello Ada, which room?"}
BOOKED = {"text": "All done."}


def book(tool: str) -> dict[str, Any]:
    """Return the answer that calls this tool."""
    return {"calls": [[tool, {"room": "7"}]]}


class Town:
    """Holds the processes of one test: a nats-server, a model server, the world outside, and workers as asked for."""

    def __init__(self, path: Path, nats: NatsServer, models: ServerProcess, outside: Outside) -> None:
        self.path = path
        self.nats = nats
        self.models = models
        self.outside = outside
        self.env = environment(
            ARF_NATS_URL=nats.url,
            OPENAI_BASE_URL=models.url,
            BOOKING_OUTSIDE=str(outside.port),
        )

    @asynccontextmanager
    async def worker(self, agent: str = AGENT, **changed: str) -> AsyncIterator[Running]:
        """Run a worker that owns its partitions."""
        async with arf("worker", agent, cwd=self.path, env=self.env | changed) as worker:
            await worker.line_with("ready")
            yield worker

    async def events(self, conversation: str) -> list[dict[str, Any]]:
        """Return the conversation's events as `arf log` tells them."""
        code, out, err = await output_of("log", conversation, "-o", "jsonl", cwd=self.path, env=self.env)
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    async def state(self, conversation: str) -> dict[str, Any]:
        """Return what `arf state` tells."""
        code, out, err = await output_of("state", conversation, "-o", "json", cwd=self.path, env=self.env)
        assert code == 0, err
        state: dict[str, Any] = json.loads(out)
        return state


@asynccontextmanager
async def town(path: Path, script: list[Any]) -> AsyncIterator[Town]:
    """Run a town whose model answers from the script."""
    async with AsyncExitStack() as stack:
        (path / "nats").mkdir()
        nats = NatsServer(path / "nats", sync="always")
        await asyncio.to_thread(nats.start)
        stack.push_async_callback(asyncio.to_thread, nats.stop)
        models = await stack.enter_async_context(server_process(path, script))
        outside = await stack.enter_async_context(Outside())
        yield Town(path, nats, models, outside)


def of(events: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    """Return the events of these types."""
    return [event for event in events if event["type"] in kinds]

"""Three nats-servers that hold everything together, on this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from agent_runtime_framework.runtime.embedded.process import HOST, free_port
from agent_runtime_framework.testing import NatsServer


@asynccontextmanager
async def cluster(path: Path) -> AsyncIterator[list[NatsServer]]:
    """Run a cluster; its streams can be created once its servers have agreed on who leads."""
    routes = [free_port() for _ in range(3)]
    others = ", ".join(f'"nats://{HOST}:{port}"' for port in routes)
    servers = []
    async with AsyncExitStack() as stack:
        for number, port in enumerate(routes):
            home = path / f"nats-{number}"
            home.mkdir()
            group = f'cluster {{ name: test, listen: "{HOST}:{port}", routes: [{others}] }}'
            servers.append(NatsServer(home, settings=f"server_name: test-{number}\n{group}"))
            stack.push_async_callback(asyncio.to_thread, servers[-1].stop)
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        yield servers

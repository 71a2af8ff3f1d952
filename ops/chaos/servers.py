"""The nats-servers under chaos: one with every message synced, or a cluster of three on this machine.

Each server has a port of its own, and in a cluster a proxy before it, which it advertises: whoever learns from one
server where the others are still goes through their proxies.
"""

import asyncio
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from agent_runtime_framework.runtime.embedded.process import free_port
from agent_runtime_framework.testing import NatsServer

from .ledger import HOST

HEALTHY = 60.0
"""Seconds until a server must have caught up."""


class Node(Struct, frozen=True):
    """Is one server, and where it says how it is."""

    server: NatsServer
    monitoring: int

    async def start(self) -> None:
        """Start it on what it had kept, and return once it answers."""
        await asyncio.to_thread(self.server.start)

    async def kill(self) -> None:
        """End it as a crash would."""
        await asyncio.to_thread(self.server.kill)

    async def healthy(self) -> None:
        """Wait until it has all that it should have.

        Raises:
            TimeoutError: it has not.

        """
        until = time.monotonic() + HEALTHY
        while not await asyncio.to_thread(_ok, self.monitoring):
            if time.monotonic() > until:
                raise TimeoutError(f"nats-server on port {self.server.port} is not healthy after {HEALTHY:g} s")
            await asyncio.sleep(0.1)


def single(directory: Path) -> Node:
    """Return a server of its own, which writes each message through to the disk as the embedded one does."""
    directory.mkdir()
    monitoring = free_port()
    return Node(NatsServer(directory, sync="always", settings=f'http: "{HOST}:{monitoring}"'), monitoring)


def cluster(directory: Path, advertised: Sequence[int]) -> list[Node]:
    """Return the servers of a cluster, each of which tells clients to come to the port that is advertised for it."""
    routes = [free_port() for _ in advertised]
    others = ", ".join(f'"nats://{HOST}:{port}"' for port in routes)
    nodes = []
    for number, (route, port) in enumerate(zip(routes, advertised, strict=True)):
        home = directory / f"nats-{number}"
        home.mkdir()
        monitoring = free_port()
        settings = [
            f"server_name: chaos-{number}",
            f'http: "{HOST}:{monitoring}"',
            f'client_advertise: "{HOST}:{port}"',
            f'cluster {{ name: chaos, listen: "{HOST}:{route}", routes: [{others}] }}',
        ]
        nodes.append(Node(NatsServer(home, settings="\n".join(settings)), monitoring))
    return nodes


def _ok(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

"""One run's processes and places: servers, proxies, the model, the ledger, and the directory of it all."""

import asyncio
import logging
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from agent_runtime_framework.events import FrameworkError
from agent_runtime_framework.runtime.nats import connect
from agent_runtime_framework.runtime.nats.topology import ensure

from .ledger import HOST, PORT, Start, starts
from .model import Asked, asked
from .processes import Worker, environment, outside
from .proxy import Proxy
from .servers import Node, cluster, single

NAMESPACE = "chaos"

ELECTED = 60.0
"""Seconds until a new cluster must have created the streams."""


class Town:
    """Holds what a run stands on.

    Attributes:
        nodes: the servers.
        proxies: between them and who is said to go through one.
        workers: every life of a worker, the ended ones too.

    """

    def __init__(self, path: Path, nodes: list[Node], proxies: list[Proxy], env: dict[str, str]) -> None:
        self.path = path
        self.nodes = nodes
        self.proxies = proxies
        self.workers: list[Worker] = []
        self._env = env
        self._clustered = len(nodes) > 1

    @property
    def direct(self) -> str:
        """The URL of a server, past every proxy."""
        return self.nodes[0].server.url

    def url(self, number: int) -> str:
        """Return the URL that number so-and-so of many takes: in a cluster each through a proxy, else every other."""
        if self._clustered:
            return self.proxies[number % len(self.proxies)].url
        return self.proxies[number // 2 % len(self.proxies)].url if number % 2 and self.proxies else self.direct

    def start_worker(self, *agents: str, options: Sequence[str] = ()) -> Worker:
        """Start one more worker."""
        number = len(self.workers)
        env = {**self._env, "ARF_NATS_URL": self.url(number)}
        worker = Worker.start(self.path, number, env, *agents, options=options)
        self.workers.append(worker)
        return worker

    @property
    def alive(self) -> list[Worker]:
        """The workers that run."""
        return [worker for worker in self.workers if worker.alive]

    def starts(self) -> list[Start]:
        """Return what the ledger holds."""
        return starts(self.path / "ledger.jsonl")

    def asked(self) -> list[Asked]:
        """Return what the model was asked."""
        return asked(self.path / "model.jsonl")

    async def end_workers(self) -> None:
        """Let every worker leave."""
        await asyncio.gather(*(worker.end() for worker in self.alive))


@asynccontextmanager
async def town(
    *, nodes: int = 1, proxies: int = 0, faults: float = 0.0, seed: str = "0", master_key: str = ""
) -> AsyncIterator[Town]:
    """Build a town in a temporary directory; it is removed at the end, unless a file `keep` is in it.

    With a master key its workers encrypt.
    """
    path = Path(tempfile.mkdtemp(prefix="arf-chaos-"))
    async with AsyncExitStack() as stack:
        stack.callback(_remove, path)
        stack.enter_context(_logged(path / "clients.log"))
        ledger = await stack.enter_async_context(outside("ledger", str(path / "ledger.jsonl")))
        arguments = ("--faults", str(faults), "--seed", seed)
        model = await stack.enter_async_context(outside("model", str(path / "model.jsonl"), *arguments))
        servers, between = await _served(stack, path, nodes, proxies, seed)
        sealed = {"ARF_ENCRYPT": "1", "ARF_MASTER_KEY": master_key} if master_key else {}
        model_url = f"http://{HOST}:{model}/v1"
        env = environment(OPENAI_BASE_URL=model_url, ARF_NAMESPACE=NAMESPACE, **{PORT: str(ledger)}, **sealed)
        here = Town(path, servers, between, env)
        await _prepare(here)
        stack.push_async_callback(here.end_workers)
        yield here


async def _served(
    stack: AsyncExitStack, path: Path, nodes: int, proxies: int, seed: str
) -> tuple[list[Node], list[Proxy]]:
    count = proxies if nodes == 1 else nodes
    between = [Proxy(random.Random(f"{seed}-proxy-{at}")) for at in range(count)]
    for proxy in between:
        await stack.enter_async_context(proxy)
    servers = [single(path / "nats")] if nodes == 1 else cluster(path, [proxy.port for proxy in between])
    for at, proxy in enumerate(between):
        proxy.target = servers[at % nodes].server.port
    for node in servers:
        stack.push_async_callback(asyncio.to_thread, node.server.stop)
    await asyncio.gather(*(node.start() for node in servers))
    await asyncio.gather(*(node.healthy() for node in servers))
    return servers, between


async def _prepare(here: Town) -> None:
    """Create the namespace, with as many replicas as there are servers."""
    client = await connect(here.direct, name="prepare")
    try:
        async with asyncio.timeout(ELECTED):
            while True:
                try:
                    await ensure(client, NAMESPACE, replicas=len(here.nodes))
                except FrameworkError:  # the servers of a cluster must agree first on who leads
                    await asyncio.sleep(0.5)
                else:
                    return
    finally:
        await client.close()


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Write what the framework says in this process into a file."""
    logger, handler = logging.getLogger("agent_runtime_framework"), logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _remove(path: Path) -> None:
    if not (path / "keep").exists():
        shutil.rmtree(path, ignore_errors=True)

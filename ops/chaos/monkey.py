"""The monkey: what it does to workers, servers and proxies, in an order and at times that the seed says."""

import asyncio
import contextlib
import random
import signal
from collections.abc import Coroutine
from typing import Any

from agent_runtime_framework.runtime.testing.rules import Broken

from .book import Book
from .processes import POLL, READY, Worker
from .town import Town

DEEDS = {
    "kill": 8,
    "pause": 2,
    "leave": 2,
    "join": 1,
    "server": 3,
    "freeze": 1,
    "stall": 2,
    "cut": 2,
    "half_close": 1,
    "delay": 1,
}
"""What is done, and how often in a round of so many deeds."""

EVERY = 1.9
"""Seconds between two deeds, on average."""

LEASE = 2.0
GRACE = 10.0
FIRST = 0.5


class Monkey:
    """Harms a town, and mends it at the end."""

    def __init__(self, town: Town, book: Book, chance: random.Random, *, workers: int) -> None:
        self._town = town
        self._book = book
        self._chance = chance
        self._workers = workers
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = asyncio.Lock()
        self._asked: set[int] = set()
        self._bag: list[str] = []

    async def begin(self) -> None:
        """Start the workers, and wait until they are ready."""
        self._tend()
        await asyncio.gather(*(worker.until_ready() for worker in self._town.workers))

    async def run(self, seconds: float) -> None:
        """Do harm for so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.sleep(FIRST)
                self._do("kill")
                while True:
                    await asyncio.sleep(self._chance.uniform(0.2, 2 * EVERY - 0.2))
                    self._tend()
                    self._do(self._next())

    async def mend(self) -> None:
        """Wait for the ends of what was begun, and see to it that everything runs."""
        await asyncio.gather(*self._tasks)
        for worker in self._town.alive:
            if worker.pid in self._asked and not await worker.ended(GRACE + 5):
                self._book.broken.append(Broken(8, "", f"worker {worker.pid} does not leave: {worker.log}"))
        for worker in self._town.alive:
            worker.signal(signal.SIGCONT)
        for node in self._town.nodes:
            await node.start()
        await asyncio.gather(*(node.healthy() for node in self._town.nodes))
        async with asyncio.timeout(READY):
            self._tend()
            while not all(worker.ready for worker in self._staying()):
                await asyncio.sleep(POLL)
                self._tend()  # one that found no server at its start has left

    def _next(self) -> str:
        if not self._bag:
            self._bag = [what for what, times in DEEDS.items() for _ in range(times)]
            self._chance.shuffle(self._bag)
        return self._bag.pop()

    def _tend(self) -> None:
        """Start workers for those that are gone, and write down which of these nobody ended."""
        for worker in self._town.workers:
            if not worker.alive and worker.pid not in self._asked:
                self._asked.add(worker.pid)
                if worker.ready:
                    self._book.broken.append(
                        Broken(
                            8, "", f"worker {worker.pid} ended by itself ({worker.process.returncode}): {worker.log}"
                        )
                    )
        while len(self._staying()) < self._workers:
            self._start()

    def _start(self) -> Worker:
        """Start a worker; every other one runs few turns at once, so that some have to wait."""
        few = ("--concurrency", "5") if len(self._town.workers) % 2 else ()
        return self._town.start_worker(options=("--grace", str(GRACE), *few))

    def _staying(self) -> list[Worker]:
        return [worker for worker in self._town.alive if worker.pid not in self._asked]

    def _do(self, what: str) -> None:
        match what:
            case "kill":
                self._kill()
            case "pause":
                self._begin(self._pause())
            case "leave":
                self._leave()
            case "join":
                self._join()
            case "server":
                self._begin(self._kill_server())
            case "freeze":
                self._begin(self._freeze_server())
            case _:
                self._begin(self._fault(what))

    def _begin(self, deed: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(deed)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _victim(self) -> Worker:
        """Return a worker that is not about to leave, one that is ready if there is any."""
        staying = self._staying()
        return self._chance.choice([worker for worker in staying if worker.ready] or staying)

    def _kill(self) -> None:
        worker = self._victim()
        self._asked.add(worker.pid)
        self._book.do("kill", worker.pid)
        worker.signal(signal.SIGKILL)
        worker.process.wait()
        self._tend()

    async def _pause(self) -> None:
        worker = self._victim()
        self._book.do("pause", worker.pid)
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(self._chance.uniform(LEASE + 0.5, LEASE + 4))
        worker.signal(signal.SIGCONT)

    def _leave(self) -> None:
        worker = self._victim()
        self._asked.add(worker.pid)
        self._book.do("leave", worker.pid)
        worker.signal(signal.SIGCONT)
        worker.signal(signal.SIGTERM)
        self._tend()

    def _join(self) -> None:
        if len(self._staying()) < self._workers + 2:
            self._book.do("join", self._start().pid)
        else:
            self._leave()

    async def _kill_server(self) -> None:
        """Kill one server; another one only once this one is whole again."""
        async with self._server:
            node = self._chance.choice(self._town.nodes)
            self._book.do("server")
            await node.kill()
            await asyncio.sleep(self._chance.choice((0.0, 1.0, 2.5)))
            await node.start()
            await node.healthy()

    async def _freeze_server(self) -> None:
        """Let one server stand still, and then go on with what it last knew."""
        async with self._server:
            node = self._chance.choice(self._town.nodes)
            self._book.do("freeze")
            node.server.signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(self._chance.uniform(0.5, 5))
            finally:
                node.server.signal(signal.SIGCONT)
            await node.healthy()

    async def _fault(self, what: str) -> None:
        proxy = self._chance.choice(self._town.proxies)
        self._book.do(what)
        match what:
            case "stall":
                await proxy.stall(self._chance.uniform(1, 6))
            case "delay":
                await proxy.delay(self._chance.uniform(2, 6), self._chance.uniform(0.02, 0.2))
            case "cut":
                proxy.cut()
            case _:
                proxy.half_close()

"""One run: a town, clients, a monkey; then everything is mended, waited for, and judged."""

import asyncio
import os
import random
import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from agent_runtime_framework.runtime.testing.rules import Broken

from .book import Book
from .counts import Evidence, judged
from .figures import Figures, figures
from .history import read, waiting
from .monkey import Monkey
from .talk import Talker, clients
from .town import Town, town

SETTLED = 100.0
"""Seconds after the harm until every acknowledged command must have its outcome."""


class Chaos(Struct, frozen=True, kw_only=True):
    """Says what one run is.

    Attributes:
        seconds: how long harm is done.
        seed: says what is done when, and what is said.
        servers: 1, or 3 for a cluster.
        workers: so many at a time.
        talkers: so many conversations at a time.
        doors: so many connections the talkers share.
        faults: the share of requests to the model that go wrong on purpose.
        keep: leave the directory with the logs, also where nothing is broken.
        master_key: under which the workers encrypt, and what they wrote is read; empty to leave it in clear.

    """

    seconds: float = 60.0
    seed: str = "1"
    servers: int = 1
    workers: int = 4
    talkers: int = 24
    doors: int = 4
    faults: float = 0.05
    keep: bool = False
    master_key: str = ""


class Verdict(Struct, frozen=True):
    """Is what a run came to; `path` is what it left, or empty."""

    figures: Figures
    broken: list[Broken]
    path: str = ""


async def run(chaos: Chaos) -> Verdict:
    """Run, and judge."""
    book = Book()
    if chaos.master_key:
        os.environ["ARF_MASTER_KEY"] = chaos.master_key  # for the clients of this process
    async with town(
        nodes=chaos.servers, proxies=2, faults=chaos.faults, seed=chaos.seed, master_key=chaos.master_key
    ) as here:
        monkey = Monkey(here, book, random.Random(f"{chaos.seed}-monkey"), workers=chaos.workers)
        await monkey.begin()
        await _harm(chaos, here, book, monkey)
        evidence = await _evidence(here, book)
        await here.end_workers()
        broken = [*book.broken, *judged(evidence)]
        told = figures(
            evidence,
            book,
            seconds=chaos.seconds,
            seed=chaos.seed,
            servers=chaos.servers,
            workers=chaos.workers,
            broken=len(broken),
        )
        kept = bool(broken) or chaos.keep
        if kept:
            _keep(here, evidence, book)
        return Verdict(told, broken, str(here.path) if kept else "")


async def _harm(chaos: Chaos, here: Town, book: Book, monkey: Monkey) -> None:
    async with clients(here, chaos.doors) as doors:
        talkers = [
            Talker(str(number), doors[number % chaos.doors], book, random.Random(f"{chaos.seed}-talker-{number}"))
            for number in range(chaos.talkers)
        ]
        talking = [asyncio.ensure_future(talker.run()) for talker in talkers]
        try:
            await monkey.run(chaos.seconds)
            for talker in talkers:
                talker.stop()
            await monkey.mend()
            await _settled(here, talking)
        finally:
            for task in talking:
                task.cancel()
            await asyncio.gather(*talking, return_exceptions=True)


async def _settled(here: Town, talking: Sequence["asyncio.Future[None]"]) -> None:
    """Wait until all that was said has its reply and no command waits; or for as long as anybody could."""
    until = time.monotonic() + SETTLED
    await asyncio.wait(talking, timeout=SETTLED)
    while await waiting(here) and time.monotonic() < until:  # noqa: ASYNC110  a stream tells nobody when it is empty
        await asyncio.sleep(0.5)


async def _evidence(here: Town, book: Book) -> Evidence:
    """Read everything, twice: reading changes nothing."""
    starts, asked = here.starts(), here.asked()
    logs, unreadable = await read(here)
    again, _ = await read(here)
    book.broken += unreadable
    book.broken += [Broken(7, name, "reading it changed it") for name in logs if logs[name] != again.get(name)]
    if (len(here.starts()), len(here.asked())) != (len(starts), len(asked)):
        book.broken.append(Broken(7, "", "a tool ran or the model was asked while logs were read"))
    left = await waiting(here)
    if left:
        book.broken.append(Broken(1, "", f"stuck: {left} commands are not acknowledged"))
    return Evidence(logs, list(book.sent.values()), starts, asked)


def _keep(here: Town, evidence: Evidence, book: Book) -> None:
    """Leave what is needed to find out why."""
    folder = here.path / "logs"
    folder.mkdir()
    for name, log in evidence.logs.items():
        (folder / f"{name}.jsonl").write_bytes(b"".join(stored.data + b"\n" for stored in log))
    (here.path / "deeds.jsonl").write_bytes(b"".join(msgspec.json.encode(deed) + b"\n" for deed in book.deeds))
    (here.path / "sent.jsonl").write_bytes(b"".join(msgspec.json.encode(sent) + b"\n" for sent in book.sent.values()))
    (here.path / "keep").touch()

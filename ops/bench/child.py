"""`python -m ops.bench.child HOME NAMESPACE`: a worker in a process of its own, which says what memory it takes.

It reads lines: `look` is answered with a line of JSON, and so is `collect`, once garbage is collected; at `idle MS` the
conversations leave the memory that nobody spoke to for so many milliseconds.  It ends with its standard input.
"""

import asyncio
import ctypes
import gc
import logging
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from agent_runtime_framework import Runtime
from agent_runtime_framework.actors import Directory
from agent_runtime_framework.runtime.garbage import collect_seldom

from .work import Clerk, Model

NEVER = 24 * 3_600.0
"""Seconds: none leaves the memory by itself."""


class Look(Struct, frozen=True):
    """Is what one sees: resident bytes, blocks that Python has given out, and how many conversations are in memory.

    Bytes that are resident without blocks in them are what the allocator could not give back.
    """

    resident: int
    blocks: int
    live: int


def collect() -> None:
    """Collect what is garbage, and give back what is free; of very many objects this takes seconds."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


async def main(home: str, namespace: str) -> None:
    """Work until nobody says anything any more."""
    async with Runtime([Clerk(Model())], home=home, namespace=namespace, idle=NEVER) as runtime:
        worker = runtime.worker()
        (directory,) = (each for each in gc.get_objects() if isinstance(each, Directory))
        collect_seldom()  # as `arf worker` does
        work = asyncio.ensure_future(worker.run())
        await worker.owned(work)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            word, *rest = line.split()
            if word == "idle":
                await directory.passivate(int(rest[0]))
                continue
            if word == "collect":
                collect()
            print(msgspec.json.encode(Look(resident(), sys.getallocatedblocks(), len(directory))).decode(), flush=True)
        worker.stop()
        await work


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    asyncio.run(main(*sys.argv[1:]))

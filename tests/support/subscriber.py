"""A process of its own that runs a subscription into a SQLite file, until it is killed."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from agent_runtime_framework import Client, FrameworkError, Recorded, SQLiteSink


class Sum:
    """Adds up the versions of the events of a conversation, and counts them."""

    def initial(self, conversation_id: str) -> dict[str, int]:
        return {"events": 0, "sum": 0}

    def evolve(self, state: dict[str, int], recorded: Recorded) -> dict[str, int]:
        return {"events": state["events"] + 1, "sum": state["sum"] + recorded.version}


async def subscriber(url: str, namespace: str, path: Path) -> Process:
    """Start such a process."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, url, namespace, str(path)), stdout=PIPE, stderr=PIPE
    )


async def subscribe(url: str, namespace: str, path: Path) -> None:
    async with Client.connect(url, namespace=namespace) as client:
        await client.subscribe(Sum(), "sum", sink=SQLiteSink(path)).run()


if __name__ == "__main__":
    try:
        asyncio.run(subscribe(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
    except FrameworkError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)

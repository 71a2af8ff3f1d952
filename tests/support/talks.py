"""What the tests of talks have in common."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent_runtime_framework.runtime.cli.reading.log import as_data
from agent_runtime_framework.runtime.client import Client
from agent_runtime_framework.runtime.embedded.shared import SharedServer
from support.command_line import bots, in_use

PATIENCE = 20.0


def talk_bots(directory: Path) -> Path:
    """Put all agents of the tests into a directory, as `bot.py` and `talks.py`, and return it."""
    shutil.copyfile(Path(__file__).with_name("talk_bots.py"), directory / "talks.py")
    return bots(directory)


@contextmanager
def served(directory: Path) -> Iterator[Path]:
    """Keep the server of the directory's `.arf/` running while the block runs, and check that nothing runs after it."""
    server = SharedServer(directory / ".arf")
    server.open()
    try:
        yield directory
    finally:
        server.close()
    assert nothing_runs(directory)


async def logs_of(directory: Path, *conversations: str) -> list[list[dict[str, Any]]]:
    """Return the events of these conversations in the directory's `.arf/`, as `arf log -o json` gives them."""
    async with Client.connect(home=directory / ".arf", create=False) as client:
        return [[as_data(event) async for event in client.events(conversation)] for conversation in conversations]


def log_of(directory: Path, conversation: str) -> list[dict[str, Any]]:
    """Return the events of one conversation."""
    (events,) = asyncio.run(logs_of(directory, conversation))
    return events


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Return once it happened in another process."""
    until = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.01)


def nothing_runs(directory: Path) -> bool:
    """Say whether neither a server nor a user of it runs for the directory's `.arf/`."""
    return not (directory / ".arf").exists() or in_use(directory / ".arf") == []

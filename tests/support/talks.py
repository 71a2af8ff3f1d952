"""What the tests of talks have in common."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from support.command_line import bots, in_use

PATIENCE = 20.0


def talk_bots(directory: Path) -> Path:
    """Put all agents of the tests into a directory, as `bot.py` and `talks.py`, and return it."""
    shutil.copyfile(Path(__file__).with_name("talk_bots.py"), directory / "talks.py")
    return bots(directory)


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Return once it happened in another process."""
    until = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.01)


def nothing_runs(directory: Path) -> bool:
    """Say whether neither a server nor a user of it runs for the directory's `.arf/`."""
    return not (directory / ".arf").exists() or in_use(directory / ".arf") == []

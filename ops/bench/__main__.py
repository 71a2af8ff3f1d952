"""`python -m ops.bench [ROW ...]`: each figure beside the floor of the same run; all rows, or those that are named.

It is a benchmark, not a test: what is missed is shown, and the exit code is 0 all the same.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nats.errors
from msgspec import structs
from rich.console import Console

from agent_runtime_framework.events import FrameworkError
from agent_runtime_framework.runtime.garbage import collect_seldom

from .machine import commit, machine
from .place import FULL, QUICK, Settings, placed, said_on_stderr
from .results import Page, Row, Run
from .rows import MEASUREMENTS

INTERRUPTED = 130

SIZES = {
    "rounds": "of each figure",
    "long": "turns of the long conversation",
    "live": "conversations that are live at once",
    "remembered": "conversations over which the memory of one is measured",
}


def main() -> int:
    """Do what the command line says, and return the exit code."""
    options = _parser().parse_args()
    given = {name: value for name in SIZES if (value := getattr(options, name)) is not None}
    settings = structs.replace(FULL if options.full else QUICK, **given)
    try:
        page = None if options.write is None else Page(options.write)
        collect_seldom()  # most rows have the worker in this process, which does as `arf worker` then
        run = asyncio.run(_until_signalled(options.rows or list(MEASUREMENTS), settings))
        if page is not None:
            page.put(run)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted; everything is ended, nothing is kept", file=sys.stderr)
        return INTERRUPTED
    except (FrameworkError, OSError, nats.errors.Error) as error:
        print(f"error: {error or type(error).__name__}", file=sys.stderr)
        return 1
    if options.output == "json":
        print(run.json())
    elif options.output == "md":
        print(run.markdown())
    else:
        console = Console()
        run.show(console if console.is_terminal else Console(width=180))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", type=_row, help=f"of {', '.join(MEASUREMENTS)}")
    parser.add_argument("--full", action="store_true", help="in full size, which takes long")
    for name, of_what in SIZES.items():
        parser.add_argument(f"--{name}", type=_count, metavar="N", help=of_what)
    parser.add_argument("-o", dest="output", choices=("table", "json", "md"), default="table")
    parser.add_argument(
        "--write", type=Path, metavar="PAGE", help="put the tables into a page, in place of the last run's"
    )
    return parser


def _row(name: str) -> str:
    if name not in MEASUREMENTS:
        raise argparse.ArgumentTypeError(f"there is no row {name!r}: choose of {', '.join(MEASUREMENTS)}")
    return name


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is too few: give at least 1")
    return count


async def measured(names: Sequence[str], settings: Settings) -> Run:
    """Measure the rows of these names, on a server of their own."""
    began, rows = time.perf_counter(), list[Row]()
    async with placed(settings, said_on_stderr) as place:
        where = machine(place.plain)
        for name in dict.fromkeys(names):
            for row in await MEASUREMENTS[name](place):
                rows.append(row)
                place.say(": ".join(("found", "; ".join(row.cells()))))
    return Run(
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        commit=commit(),
        machine=where,
        settings=settings.shown(),
        seconds=time.perf_counter() - began,
        rows=tuple(rows),
    )


async def _until_signalled(names: Sequence[str], settings: Settings) -> Run:
    """Measure; SIGTERM ends it as Ctrl-C does, and everything that it started, in order."""
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await measured(names, settings)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    sys.exit(main())

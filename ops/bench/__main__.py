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

from msgspec import structs
from rich.console import Console

from agent_runtime_framework.events import FrameworkError

from .machine import commit, machine
from .place import FULL, QUICK, Settings, placed, said_on_stderr
from .results import Row, Run, written_into
from .rows import MEASUREMENTS

INTERRUPTED = 130


def main() -> int:
    """Do what the command line says, and return the exit code."""
    options = _parser().parse_args()
    settings = FULL if options.full else QUICK
    if options.rounds:
        settings = structs.replace(settings, rounds=options.rounds)
    try:
        run = asyncio.run(_until_signalled(options.rows or list(MEASUREMENTS), settings))
        if options.write is not None:
            page = options.write.read_text(encoding="utf-8")
            options.write.write_text(written_into(page, run), encoding="utf-8")
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted; everything is ended, nothing is kept", file=sys.stderr)
        return INTERRUPTED
    except (FrameworkError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
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
    parser.add_argument("--rounds", type=int, default=0, help="of each figure")
    parser.add_argument("-o", dest="output", choices=("table", "json", "md"), default="table")
    parser.add_argument(
        "--write", type=Path, metavar="PAGE", help="put the tables into a page, in place of the last run's"
    )
    return parser


def _row(name: str) -> str:
    if name not in MEASUREMENTS:
        raise argparse.ArgumentTypeError(f"there is no row {name!r}: choose of {', '.join(MEASUREMENTS)}")
    return name


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

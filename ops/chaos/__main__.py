"""`python -m ops.chaos`: one line of figures, and exit code 1 if something is not as it must be.

run        harm is done for some seconds, then the eight rules are checked
failover   how long a conversation waits when its worker is killed or leaves
sweep      a turn whose worker is killed at every commit in turn
"""

import argparse
import asyncio
import base64
import contextlib
import secrets
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec

from .failover import ROUNDS, failover
from .run import Chaos, run
from .sweep import sweep

SHOWN = 40
INTERRUPTED = 130

T = TypeVar("T")


def main() -> int:
    """Do what the command line says, and return the exit code."""
    options = _parser().parse_args()
    try:
        return {"run": _run, "failover": _failover, "sweep": _sweep}[options.command](options)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted; everything is ended, nothing is kept", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", nargs="?", choices=("run", "failover", "sweep"), default="run")
    parser.add_argument("--json", action="store_true", help="a record instead of a line")
    parser.add_argument("--seconds", type=float, default=60.0, help="of harm")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--cluster", type=int, choices=(1, 3), default=1, help="so many servers")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--talkers", type=int, default=24, help="so many conversations at a time")
    parser.add_argument("--keep", action="store_true", help="the directory with the logs, though nothing is broken")
    parser.add_argument("--encrypt", action="store_true", help="conversations, under a key of this run")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each figure of failover")
    return parser


def _run(options: argparse.Namespace) -> int:
    chaos = Chaos(
        seconds=options.seconds,
        seed=options.seed,
        servers=options.cluster,
        workers=options.workers,
        talkers=options.talkers,
        keep=options.keep,
        master_key=base64.b64encode(secrets.token_bytes(32)).decode() if options.encrypt else "",
    )
    verdict = _until_signalled(run(chaos))
    _say(verdict, verdict.figures.line(), as_json=options.json)
    for broken in verdict.broken[:SHOWN]:
        print(broken, file=sys.stderr)
    if len(verdict.broken) > SHOWN:
        print(f"and {len(verdict.broken) - SHOWN} more", file=sys.stderr)
    if verdict.path:
        print(f"what is left of it: {verdict.path}", file=sys.stderr)
    return 1 if verdict.broken else 0


def _failover(options: argparse.Namespace) -> int:
    found = _until_signalled(failover(options.rounds))
    _say(found, found.line(), as_json=options.json)
    return 0 if found.good else 1


def _sweep(options: argparse.Namespace) -> int:
    found = _until_signalled(sweep())
    _say(found, found.line(), as_json=options.json)
    for broken in found.broken:
        print(broken, file=sys.stderr)
    return 1 if found.broken else 0


def _say(record: object, line: str, *, as_json: bool) -> None:
    print(msgspec.json.encode(record).decode() if as_json else line, flush=True)


def _until_signalled(work: Coroutine[Any, Any, T]) -> T:
    """Run the work to its end; SIGTERM and Ctrl-C end it, and everything that it started, in order."""

    async def signalled() -> T:
        task = asyncio.current_task()
        if task is not None:
            with contextlib.suppress(NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    return asyncio.run(signalled())


if __name__ == "__main__":
    sys.exit(main())

"""`python -m ops.chaos`: run chaos and say in one line what came of it; exit code 1 if a rule does not hold."""

import argparse
import asyncio
import contextlib
import signal
import sys

import msgspec

from .run import Chaos, Verdict, run

SHOWN = 40
INTERRUPTED = 130


def main() -> int:
    """Do what the command line says, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ops.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--cluster", type=int, choices=(1, 3), default=1, help="so many servers")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--talkers", type=int, default=24, help="so many conversations at a time")
    parser.add_argument("--json", action="store_true", help="a record instead of a line")
    options = parser.parse_args()
    chaos = Chaos(
        seconds=options.seconds,
        seed=options.seed,
        servers=options.cluster,
        workers=options.workers,
        talkers=options.talkers,
    )
    try:
        verdict = asyncio.run(_until_signalled(chaos))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
    _say(verdict, as_json=options.json)
    return 1 if verdict.broken else 0


async def _until_signalled(chaos: Chaos) -> Verdict:
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(chaos)


def _say(verdict: Verdict, *, as_json: bool) -> None:
    print(msgspec.json.encode(verdict).decode() if as_json else verdict.figures.line(), flush=True)
    for broken in verdict.broken[:SHOWN]:
        print(broken, file=sys.stderr)
    if len(verdict.broken) > SHOWN:
        print(f"and {len(verdict.broken) - SHOWN} more", file=sys.stderr)
    if verdict.path:
        print(f"what is left of it: {verdict.path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

"""A process that exports streams: see `processes.py`."""

import asyncio
import os
import queue
import signal
import sys
import threading
from typing import Final

import msgspec

from ...events import FrameworkError, WriterId
from ..clock import SystemClock
from ..opening import Place, opened
from .processes import Came, Done, Failed, Heard
from .shard import Job, export_shard

PACE: Final = 0.1
"""Seconds from one word of how far it is to the next."""

_encoder = msgspec.json.Encoder()
_place: msgspec.json.Decoder[Place] = msgspec.json.Decoder(Place, dec_hook=lambda kind, value: kind(value))
_job: msgspec.json.Decoder[Job] = msgspec.json.Decoder(Job)


class _Progress:
    """Says now and then how far it is."""

    def __init__(self) -> None:
        self._frames = self._events = 0
        self._clock = SystemClock()
        self._said = 0.0

    def add(self, frames: int, events: int) -> None:
        self._frames += frames
        self._events += events
        if self._clock.monotonic() - self._said > PACE:
            self.say()

    def say(self) -> None:
        _say(Done(self._frames, self._events))
        self._frames = self._events = 0
        self._said = self._clock.monotonic()


def _say(heard: Heard) -> None:
    sys.stdout.buffer.write(_encoder.encode(heard) + b"\n")
    sys.stdout.buffer.flush()


def _listen(heard: "queue.SimpleQueue[bytes]") -> None:
    """Hand on each line of stdin, and end the process with it."""
    for line in iter(sys.stdin.buffer.readline, b""):
        heard.put(line)
    os._exit(0)


async def work(heard: "queue.SimpleQueue[bytes]") -> None:
    """Do one job after another."""
    place = _place.decode(await asyncio.to_thread(heard.get))
    progress = _Progress()
    try:
        async with opened(place, WriterId(f"export-{os.getpid()}"), create=False) as there:
            while True:
                job = _job.decode(await asyncio.to_thread(heard.get))
                exported = await export_shard(there.substrate, job, progress.add)
                progress.say()
                _say(Came(exported))
    except FrameworkError as error:
        _say(Failed(type(error).__name__, str(error)))
        raise SystemExit(error.exit_code) from error


def main() -> None:
    """Work until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for whoever started this
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(heard,), daemon=True).start()
    asyncio.run(work(heard))


if __name__ == "__main__":
    main()

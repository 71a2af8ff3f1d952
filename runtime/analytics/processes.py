"""Exporting streams in processes of their own, one a core: folding is Python's work, and one Python uses one core.

A process hears on stdin where the streams are, and then of one job after another; on stdout it says how far it is, and
what came of each.  Its stdin ends with whoever started it, and it ends with its stdin, whatever it is about.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from ...events import FrameworkError, Unavailable, errors
from ..opening import Place
from ..substrate import Substrate
from .shard import Exported, Job, Told, export_shard

FEW: Final = 5_000
"""So many frames are exported sooner than a process is started."""

_LINE: Final = 64 * 1024 * 1024


class Done(Struct, frozen=True, tag=True):
    """Says how many frames and events more are done."""

    frames: int
    events: int


class Failed(Struct, frozen=True, tag=True):
    """Says why a job came to nothing: by the name of the error, and its message."""

    error: str
    message: str


class Came(Struct, frozen=True, tag=True):
    """Says what came of a job."""

    exported: Exported


Heard = Done | Failed | Came

_encoder = msgspec.json.Encoder(enc_hook=str)  # paths
_heard: msgspec.json.Decoder[Heard] = msgspec.json.Decoder(Heard)


async def export_all(
    substrate: Substrate, place: Place | None, jobs: Sequence[Job], behind: int, told: Told
) -> dict[int, Exported]:
    """Do these jobs, and return what came of each, by stream; in processes, where there is much to do and a place.

    Raises:
        CorruptLog, Unavailable: as `export_shard`; what else was being done is ended.

    """
    processes = min(os.cpu_count() or 1, len(jobs))
    if place is None or behind <= FEW or processes < 2:
        return {job.shard: await export_shard(substrate, job, told) for job in jobs}
    waiting, came = list(reversed(jobs)), dict[int, Exported]()
    tasks = [asyncio.create_task(_process(place, waiting, came, told)) for _ in range(processes)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return came


async def _process(place: Place, waiting: list[Job], came: dict[int, Exported], told: Told) -> None:
    """Do jobs in a process until none waits."""
    pipe = asyncio.subprocess.PIPE
    words = (sys.executable, "-P", "-m", f"{__package__}.child")
    # in a session of its own, so that Ctrl-C at the terminal is for the command alone, which ends it
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, limit=_LINE, start_new_session=True)
    try:
        await _tell(process, place)
        while waiting:
            job = waiting.pop()
            await _tell(process, job)
            came[job.shard] = await _came(process, told)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _tell(process: asyncio.subprocess.Process, message: Place | Job) -> None:
    assert process.stdin is not None  # noqa: S101  it is a pipe
    try:
        process.stdin.write(_encoder.encode(message) + b"\n")
        await process.stdin.drain()
    except OSError as error:
        raise _ended() from error


async def _came(process: asyncio.subprocess.Process, told: Told) -> Exported:
    assert process.stdout is not None  # noqa: S101  it is a pipe
    while line := await process.stdout.readline():
        match _heard.decode(line):
            case Done(frames, events):
                told(frames, events)
            case Came(exported):
                return exported
            case Failed(error, message):
                kind = getattr(errors, error, FrameworkError)
                raise kind(message)
    raise _ended()


def _ended() -> Unavailable:
    return Unavailable("a process of the export ended before its work was done: export again")

"""`arf export` and `arf import`: conversations out of a place and into another, as log files."""

import asyncio
import itertools
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any, Final, Protocol

from msgspec import Struct

from ....events import (
    Conflict,
    ConversationId,
    CorruptLog,
    FrameworkError,
    NewerRelease,
    NotFound,
    TooLarge,
    check_token,
    not_found,
)
from ...client import Client
from ...logfiles import Recording, lines_of, opened, recordings, written
from ...restoring import restoring
from ..console import output
from ..console.options import Options
from ..console.place import client_at, place_of, reading
from ..reading.progress import Progress, progress

STDIN: Final = "-"
IN_MEMORY: Final = 8 * 1024 * 1024
"""So many bytes of stdin are kept in memory; more go to a temporary file."""


class Faults:
    """Says what goes wrong with one of several, and keeps the exit code that the first comes to."""

    def __init__(self) -> None:
        self.code = 0

    def say(self, error: FrameworkError) -> None:
        """Write the error to stderr, as if it ended the command."""
        output.say(f"error: {error}")
        self.code = self.code or error.exit_code


# --- export


class _Target(Protocol):
    def write(self, data: bytes, /) -> object: ...


class _Stdout:
    def write(self, data: bytes, /) -> None:
        output.write_bytes(data)


async def export_logs(options: Options, names: Sequence[str] | None, file: str | None) -> int:
    """Write conversations, or all for None, to a file or to stdout, and return the exit code.

    Of all, one that is damaged is said and left out.
    """
    for name in names or ():
        check_token(name, "conversation id")
    faults = Faults()
    at_terminal = file is None and sys.stdout.isatty()
    async with progress("exporting events", shown=not at_terminal) as read, reading(options) as client:
        chosen = await _chosen(client, names)
        count = 0
        with _target(file) as target:
            async for recording in _recorded(client, chosen, read, None if names else faults):
                for line in lines_of(recording):
                    target.write(line)
                count += 1
            if not count:
                raise NotFound("there are no conversations to export")
    if file is not None:
        output.say(f"{count} conversation{'' if count == 1 else 's'} exported to {file}")
    return faults.code


def _target(file: str | None) -> AbstractContextManager[_Target]:
    return nullcontext(_Stdout()) if file is None else written(Path(file))


async def _chosen(client: Client, names: Sequence[str] | None) -> list[str]:
    """Return which conversations are to be exported, each once.

    Raises:
        NotFound: one that was named is not there; so that is said before anything is written.

    """
    if names is None:
        return sorted([summary.conversation async for summary in client.conversations()])
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        if await client.substrate.log.last(ConversationId(name)) is None:
            raise not_found(name)
    return chosen


async def _recorded(
    client: Client, names: Sequence[str], read: Progress, faults: Faults | None
) -> AsyncIterator[Recording]:
    for name in names:
        try:
            recording = await client.recording(name)
        except (CorruptLog, NewerRelease) as error:
            if faults is None:
                raise
            read.wipe()
            faults.say(error)
            continue
        read.count += recording.head.version
        yield recording


# --- import


class Source(Struct, frozen=True):
    """Is a file to import, under the name that errors call it; `taken` is what of it can be read only once."""

    name: str
    taken: IO[bytes] | None

    def open(self) -> IO[bytes]:
        """Return what is in it, to be read once."""
        return opened(Path(self.name)) if self.taken is None else self.taken


def sources(files: Sequence[str]) -> list[Source]:
    """Return what to import, each once.

    Stdin and pipes are read to their end at once, because waiting for them would hold up whatever else runs.

    Raises:
        NotFound: a file is not there.
        InvalidInput: one cannot be read.

    """
    found = []
    for file in dict.fromkeys(files):
        if file == STDIN:
            found.append(Source("stdin", _taken(sys.stdin.buffer)))
            continue
        with opened(Path(file)) as source:
            once = None if Path(file).is_file() else _taken(source)
        found.append(Source(file, once))
    return found


def _taken(source: IO[bytes]) -> IO[bytes]:
    kept = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  closed by who reads it
    shutil.copyfileobj(source, kept)
    kept.seek(0)
    return kept


async def import_logs(options: Options, found: Sequence[Source]) -> int:
    """Store the conversations in files, write to stdout what was done with each, and return the exit code.

    What is wrong with one file, or with one conversation, is said, and the others are imported.
    """
    place = place_of(options, create=True)
    faults, done = Faults(), list[dict[str, Any]]()
    every = _all_in(found, faults)
    first = next(every, None)  # nothing is created for what is no log file
    if first is None:
        return faults.code
    try:
        async with progress("importing events") as stored, client_at(place) as client:
            for recording in itertools.chain([first], every):
                await _import(client, recording, options, stored, faults, done)
    finally:
        if options.output == "json":
            output.write_json(done, "json")
    return faults.code


def _all_in(found: Sequence[Source], faults: Faults) -> Iterator[Recording]:
    for source in found:
        try:
            with source.open() as file:
                yield from recordings(file, source.name)
        except FrameworkError as error:
            faults.say(error)


async def _import(
    client: Client,
    recording: Recording,
    options: Options,
    stored: Progress,
    faults: Faults,
    done: list[dict[str, Any]],
) -> None:
    """Store one conversation, and write what was done with it."""
    new = 0
    await asyncio.sleep(0)  # reading a file never gives anybody else a turn
    try:
        async for frame in restoring(client.substrate.log, recording):
            new += 1
            stored.count += len(frame.frame.events)
    except (Conflict, CorruptLog, TooLarge) as error:
        stored.wipe()
        faults.say(error)
        return
    stored.wipe()
    data = _as_data(recording, new)
    if options.output == "json":
        done.append(data)
    else:
        output.write_either(_words(recording, new), data, options.output)


def _as_data(recording: Recording, new: int) -> dict[str, Any]:
    return {
        "conversation": recording.conversation,
        "agent": recording.frames[-1].frame.agent,
        "status": recording.frames[-1].frame.status,
        "version": recording.head.version,
        "frames": len(recording.frames),
        "imported": new,
    }


def _words(recording: Recording, new: int) -> str:
    what = f"{recording.conversation}: "
    if not new:
        return f"{what}there already, with all {recording.head.version} events"
    first = recording.frames[-new].frame.first
    before = f", the {first - 1} before were there already" if first > 1 else ""
    return f"{what}{recording.head.version - first + 1} events imported{before}"

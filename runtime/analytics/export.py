"""An export of all conversations: a directory of Parquet files, which each run brings up to date.

    DIR/current -> generation-000002       what holds; the link is changed last, and at once
    DIR/generation-000002/<table>/*.parquet
    DIR/generation-000002/state.json       how far each stream is exported

A run makes the next generation: what is new as new files, what stays as links to the same files.  When all of it is
there, `current` is changed, which is one step of the file system, and the generation before is removed.  So a run that
is broken off changes nothing, whoever reads `DIR/current/turns/*.parquet` gets each row once, and what was erased is in
no file any more.
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...events import Conflict, InvalidInput, NotFound
from ...projections.tables import TABLES
from ..feed import check_reaches
from ..substrate import Substrate
from . import duck
from .shard import Exported, Job, ShardState, check_same_stream
from .writer import Files, link

FORMAT: Final = 1
"""The revision of tables and layout; one of another revision is not added to."""

CURRENT, STATE, LOCK = "current", "state.json", ".lock"

_GENERATION = re.compile(r"generation-\d{6,}")
_OURS = re.compile(rf"{_GENERATION.pattern}|current|current\.new|\.lock")


class State(Struct, frozen=True):
    """Says what is in an export, and how far it is."""

    format: int
    namespace: str
    run: int
    shards: tuple[ShardState, ...]


def read_state(directory: Path) -> State | None:
    """Return the state of an export, None where there is none.

    Raises:
        InvalidInput: it is an export of another release, or no export.

    """
    path = directory / CURRENT / STATE
    try:
        data = path.read_bytes()
    except OSError:
        return None
    try:
        state = msgspec.json.decode(data, type=State)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is damaged ({error}): export to another DIR") from error
    if state.format != FORMAT:
        raise InvalidInput(
            f"{directory} has format {state.format}, and this release writes {FORMAT}: export to another DIR"
        )
    return state


def files_of(directory: Path) -> dict[str, list[Path]]:
    """Return the files of each table of an export.

    Raises:
        NotFound: there is none.

    """
    if read_state(directory) is None:
        raise NotFound(f"{directory} is no export: `arf export --parquet {directory}` makes one")
    return tables_in((directory / CURRENT).resolve())


def tables_in(generation: Path) -> dict[str, list[Path]]:
    """Return the files of each table."""
    return {name: sorted((generation / name).glob("*.parquet")) for name in TABLES}


class Export:
    """Is a run of an export, which holds its directory meanwhile.

    Attributes:
        state: how far the export was.
        new: the directory of the next generation.
        jobs: the export of each stream in which something is new.
        behind: how many frames are new, at most.

    """

    def __init__(self, state: State, new: Path, jobs: Sequence[Job], behind: int) -> None:
        self.state = state
        self.new = new
        self.jobs = tuple(jobs)
        self.behind = behind

    def finish(self, exported: Mapping[int, Exported]) -> None:
        """Let what was exported hold."""
        before = (self.new.parent / CURRENT).resolve()
        for shard in {*range(len(self.state.shards))} - exported.keys():
            for name in TABLES:
                for file in Files(before, shard).all(name):
                    link(file, self.new / name / file.name)
        shards = tuple(
            exported[shard].state if shard in exported else state for shard, state in enumerate(self.state.shards)
        )
        with (self.new / STATE).open("wb") as written:
            written.write(msgspec.json.format(msgspec.json.encode(replace(self.state, shards=shards)), indent=1))
            written.flush()
            os.fsync(written.fileno())
        current = self.new.parent / f"{CURRENT}.new"
        current.unlink(missing_ok=True)
        current.symlink_to(self.new.name)
        current.replace(self.new.parent / CURRENT)


@asynccontextmanager
async def exporting(substrate: Substrate, namespace: str, directory: Path) -> AsyncIterator[Export]:
    """Give a run of the export in a directory, which is made if it is not there; only what is finished holds.

    Raises:
        Conflict: another run holds the directory.
        CorruptLog: a stream is not the one that was exported.
        InvalidInput: the directory is that of another namespace or release, or no export.

    """
    duck.check_installed()
    directory = _made(directory)
    _check_ours(directory)
    with _held(directory):
        state = _state(directory, namespace, substrate.feed.shards)
        _tidy(directory)
        new, old = directory / f"generation-{state.run:06}", directory / CURRENT
        try:
            _make(new)
            yield await begun(substrate, state, new, old.resolve() if old.exists() else None)
        finally:
            _tidy(directory)


async def begun(
    substrate: Substrate,
    state: State,
    new: Path,
    old: Path | None,
    tables: Collection[str] = tuple(TABLES),
    *,
    structure: bool = False,
) -> Export:
    """Return a run that begins from a state: what it has to do is said by where the streams end."""
    jobs, behind = [], 0
    for shard, before in enumerate(state.shards):
        end = await substrate.feed.end(shard)
        check_same_stream(before, end.stream)
        check_reaches(end, before.position)
        if end.position > before.position or before.left_out:
            behind += end.position - before.position
            earlier = None if old is None else str(old)
            jobs.append(Job(shard, tuple(tables), before, state.run, str(new), earlier, structure))
    return Export(state, new, jobs, behind)


@asynccontextmanager
async def in_passing(substrate: Substrate, tables: Collection[str]) -> AsyncIterator[Export]:
    """Give a run that exports some tables to a directory which is removed after the block.

    What is sealed and cannot be opened is in them without its content.
    """
    with tempfile.TemporaryDirectory(prefix="arf-sql-") as directory:
        new = Path(directory)
        _make(new)
        state = State(FORMAT, "", 1, (ShardState(),) * substrate.feed.shards)
        yield await begun(substrate, state, new, None, tables, structure=True)


def _made(directory: Path) -> Path:
    """Return the directory as an absolute path, once it is there; what is in it is for nobody else to read."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{directory} cannot be made: {error.strerror}") from error
    return directory.absolute()


def _check_ours(directory: Path) -> None:
    strange = [path.name for path in sorted(directory.iterdir()) if not _OURS.fullmatch(path.name)]
    if strange and read_state(directory) is None:
        raise InvalidInput(f"{directory} is no export, and not empty ({strange[0]}): export to another DIR")


def _make(generation: Path) -> None:
    for name in TABLES:
        (generation / name).mkdir(parents=True)


def _state(directory: Path, namespace: str, shards: int) -> State:
    """Return the state to go on from, under the number of the next run."""
    state = read_state(directory)
    if state is None:
        return State(FORMAT, namespace, 1, (ShardState(),) * shards)
    if (state.namespace, len(state.shards)) != (namespace, shards):
        raise InvalidInput(
            f"{directory} is an export of namespace {state.namespace!r} with {len(state.shards)} streams, not of "
            f"{namespace!r} with {shards}: export to another DIR"
        )
    return replace(state, run=state.run + 1)


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    with (directory / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"another export to {directory} is running") from None
        yield


def _tidy(directory: Path) -> None:
    """Remove what does not hold."""
    current = (directory / CURRENT).resolve()
    for path in directory.iterdir():
        if _GENERATION.fullmatch(path.name) and path != current:
            shutil.rmtree(path)

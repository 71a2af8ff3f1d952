"""A sink in a SQLite file: rows and marks are written in one transaction, so each event is folded exactly once.

    states(projection, conversation, version, state)      state is JSON: select state ->> 'refunds' from states
    marks(projection, shard, stream, position, run)        how far each shard was read

Who reads the file meanwhile sees all of a batch or nothing (WAL).  What a rebuild has so far stands under
`<name>~rebuild`, and takes the place of the old rows in one transaction.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ...events import Conflict, InvalidInput, Unavailable
from .protocol import Mark, Row, moved

PATIENCE = 30.0
"""Seconds to wait for another process that writes the same file."""

LOOKS = 300
"""So often it is tried in that time where SQLite does not wait by itself."""

_TABLES = """
create table if not exists states (
    projection text not null, conversation text not null, version integer not null, state text not null,
    primary key (projection, conversation)
) without rowid;
create table if not exists marks (
    projection text not null, shard integer not null, stream text not null, position integer not null,
    run text not null, primary key (projection, shard)
) without rowid;
"""

T = TypeVar("T")


class SQLiteSink:
    """Keeps rows in a SQLite file, which any other program may read meanwhile; several projections may share it.

    >>> import asyncio, tempfile
    >>> from pathlib import Path
    >>> from agent_runtime_framework import SQLiteSink
    >>> async def main(path):
    ...     sink = SQLiteSink(path)
    ...     marks = await sink.begin("words")
    ...     await sink.close()
    ...     return marks
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     asyncio.run(main(Path(directory) / "words.db"))
    {}
    """

    def __init__(self, path: str | Path) -> None:
        if not str(path) or str(path).startswith(":"):
            raise InvalidInput(f"{str(path)!r} is no file: a SQLiteSink keeps a file, a MemorySink keeps nothing")
        self.path = Path(path)
        self._file: _File | None = None

    async def begin(self, name: str, *, anew: bool = False) -> Mapping[int, Mark]:
        """Return how far each shard was read; see `Sink.begin`."""
        return await self._run(lambda database: _begin(database, name, anew=anew))

    async def load(self, name: str, conversations: Collection[str]) -> Mapping[str, Row]:
        """Return the rows of these conversations that are there."""
        return await self._run(lambda database: _load(database, name, conversations))

    async def write(self, name: str, shard: int, before: Mark | None, after: Mark, rows: Sequence[Row]) -> None:
        """Write rows and mark in one transaction; see `Sink.write`."""
        await self._run(lambda database: _write(database, name, shard, before, after, rows))

    async def replace(self, name: str, by: str) -> None:
        """Put what is under `by` in the place of what is under `name`, in one transaction."""
        await self._run(lambda database: _replace(database, name, by))

    async def close(self) -> None:
        """Close the file, and end the thread."""
        file, self._file = self._file, None
        if file is not None:
            await file.close()

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._file is None:
            self._file = _File(self.path)
        return await self._file.run(work)


class _File:
    """Is a file and the thread that has it open: SQLite blocks, and a connection belongs to its thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="arf-sqlite")
        self._database: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what the work gives.

        Raises:
            Unavailable: the file cannot be read or written now.

        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(self._opened()))
        except sqlite3.Error as error:
            raise Unavailable(f"the SQLite file {self._path} cannot be used: {error}") from error

    async def close(self) -> None:
        """Close the file when what was begun is done, and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
        self._thread.shutdown()

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            database = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)
            try:
                _write_ahead(database)
                database.execute("pragma synchronous = normal")
                # what an erased conversation left is overwritten; where pages were merged a `vacuum` does the rest
                database.execute("pragma secure_delete = on")
                database.executescript(_TABLES)
            except BaseException:
                database.close()
                raise
            self._database = database
        return self._database

    def _let_go(self) -> None:
        if self._database is not None:
            self._database.close()


def _write_ahead(database: sqlite3.Connection) -> None:
    """Turn WAL on; a file that is being made is locked in a way that SQLite itself does not wait for."""
    for left in reversed(range(LOOKS)):
        try:
            database.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if not left or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(PATIENCE / LOOKS)
        else:
            return


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("begin immediate")
    try:
        yield
    except BaseException:
        database.execute("rollback")
        raise
    database.execute("commit")


def _begin(database: sqlite3.Connection, name: str, *, anew: bool) -> dict[int, Mark]:
    if anew:
        with _transaction(database):
            _drop(database, name)
    found = database.execute("select shard, stream, position, run from marks where projection = ?", (name,))
    return {shard: Mark(stream, position, run) for shard, stream, position, run in found}


def _load(database: sqlite3.Connection, name: str, conversations: Collection[str]) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    wanted = list(conversations)
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        holes = ", ".join("?" * len(some))
        query = f"select conversation, version, state from states where projection = ? and conversation in ({holes})"  # noqa: S608
        for conversation, version, state in database.execute(query, (name, *some)):
            rows[conversation] = Row(conversation, version, state.encode())
    return rows


def _write(
    database: sqlite3.Connection, name: str, shard: int, before: Mark | None, after: Mark, rows: Sequence[Row]
) -> None:
    with _transaction(database):
        found = database.execute(
            "select stream, position, run from marks where projection = ? and shard = ?", (name, shard)
        ).fetchone()
        mark = None if found is None else Mark(*found)
        if mark != before:
            raise Conflict(moved(name, shard, before, mark))
        database.executemany(
            "insert or replace into states values (?, ?, ?, ?)",
            [(name, row.conversation, row.version, row.state.decode()) for row in rows],
        )
        database.execute("insert or replace into marks values (?, ?, ?, ?, ?)", (name, shard, *after))


def _replace(database: sqlite3.Connection, name: str, by: str) -> None:
    with _transaction(database):
        _drop(database, name)
        database.execute("update states set projection = ? where projection = ?", (name, by))
        database.execute("update marks set projection = ? where projection = ?", (name, by))


def _drop(database: sqlite3.Connection, name: str) -> None:
    database.execute("delete from states where projection = ?", (name,))
    database.execute("delete from marks where projection = ?", (name,))

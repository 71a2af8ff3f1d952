"""Writing the files of one stream: rows as JSON lines first, which DuckDB makes into Parquet.

A file of a table holds rows that are final, and is never changed but by an erasure.  Rows that may still change are in
a file of their own, which each export writes anew.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec

from ...projections.tables import NAMES, TABLES, Row, Table
from . import duck

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHUNK: Final = 64 * 1024 * 1024
"""So many bytes of JSON lines become one Parquet file."""

_encoder = msgspec.json.Encoder()

_EMPTIED, _REPLACED = "emptied", "replaced"


class Files:
    """Holds the files of one stream in the directory of an export: a directory for each table."""

    def __init__(self, directory: Path, shard: int) -> None:
        self._directory = directory
        self._shard = shard

    def final(self, table: str, run: int, number: int) -> Path:
        """Return where rows that are final stand."""
        return self._directory / table / f"{self._shard}-{run:06}-{number:03}.parquet"

    def open(self, table: str) -> Path:
        """Return where the rows stand that may still change."""
        return self._directory / table / f"{self._shard}-open.parquet"

    def all(self, table: str) -> list[Path]:
        """Return all files of a table."""
        return sorted((self._directory / table).glob(f"{self._shard}-*.parquet"))

    def finals(self, table: str) -> list[Path]:
        """Return all files of a table whose rows are final."""
        return [path for path in self.all(table) if path != self.open(table)]


class Writer:
    """Writes the rows of one stream; what it needs meanwhile is in `work`."""

    def __init__(self, tables: Iterable[str], new: Files, old: Files | None, run: int, work: Path) -> None:
        self._tables = tuple(tables)
        self._new = new
        self._old = old
        self._run = run
        self._work = work
        self._finals = {name: _Lines(work / f"{name}.jsonl") for name in self._tables}
        self._open = {name: _Lines(work / f"{name}-open.jsonl") for name in self._tables}
        self._lists = {name: _Lines(work / f"{name}.jsonl") for name in (_EMPTIED, _REPLACED)}
        self._written = dict.fromkeys(self._tables, 0)
        self.rows = dict.fromkeys(self._tables, 0)

    def add(self, final: Iterable[Row], unfinished: Iterable[Row]) -> None:
        """Add rows that are final, and rows that may still change."""
        for row in final:
            self._add(row, self._finals)
        for row in unfinished:
            self._add(row, self._open)
        for name, lines in self._finals.items():
            if lines.size > CHUNK:
                self._convert(name)

    def _add(self, row: Row, to: "dict[str, _Lines]") -> None:
        name = NAMES[type(row)]
        if name in to:
            to[name].add(_encoder.encode(row))
            self.rows[name] += 1

    def replace(self, conversation: str) -> None:
        """Say that the earlier rows of a conversation that could still change are there anew."""
        self._lists[_REPLACED].add(_encoder.encode({"conversation": conversation}))

    def empty(self, conversation: str) -> None:
        """Say that the earlier rows of a conversation are to have no content any more."""
        self._lists[_EMPTIED].add(_encoder.encode({"conversation": conversation}))

    def exported(self, conversation: str) -> int:
        """Return up to which version a conversation was exported before."""
        earlier = None if self._old is None else self._old.open("conversations")
        if earlier is None or not earlier.exists():
            return 0
        with duck.writing(self._work) as connection:
            query = f"SELECT version FROM ({duck.parquet(earlier)}) WHERE conversation = {duck.text(conversation)}"
            found = connection.execute(query).fetchone()
        return 0 if found is None else int(found[0])

    def finish(self) -> None:
        """Write what is left, and what is in older files."""
        old = self._old
        for name in self._tables:
            self._convert(name)
        with duck.writing(self._work) as connection:
            for name in (_EMPTIED, _REPLACED):
                path = self._lists[name].done()
                connection.execute(
                    f"CREATE TABLE {name} AS SELECT * FROM "
                    f"read_json({duck.text(path)}, format = 'newline_delimited', columns = {{conversation: 'VARCHAR'}})"
                )
            for name in self._tables:
                self._finish_open(connection, TABLES[name], old)
                self._keep(connection, TABLES[name], [] if old is None else old.finals(name))

    def close(self) -> None:
        """Let go of the files."""
        for lines in (*self._finals.values(), *self._open.values(), *self._lists.values()):
            lines.done()

    def _convert(self, name: str) -> None:
        lines = self._finals[name]
        if lines.size:
            path = self._new.final(name, self._run, self._written[name])
            with duck.writing(self._work) as connection:
                _write(connection, duck.lines(TABLES[name], lines.done()), path)
            self._written[name] += 1
            lines.again()

    def _finish_open(self, connection: "DuckDBPyConnection", table: Table, old: Files | None) -> None:
        """Write the rows that may still change: those that came, and the earlier ones of other conversations."""
        lines, earlier = self._open[table.name], None if old is None else old.open(table.name)
        if earlier is not None and not earlier.exists():
            earlier = None
        if not lines.size and earlier is None:
            return
        query = duck.lines(table, lines.done())
        if earlier is not None:
            query = f"{_before(table, earlier)} UNION ALL {_now(table, query, earlier)}"
        _write(connection, query, self._new.open(table.name))

    def _keep(self, connection: "DuckDBPyConnection", table: Table, files: Sequence[Path]) -> None:
        """Take earlier files over: as they are, or without the content that is gone."""
        directory = self._new.open(table.name).parent
        for file in files:
            if table.content and _has(connection, file):
                _write(connection, _emptied(table, duck.parquet(file)), directory / file.name)
            else:
                link(file, directory / file.name)


def _before(table: Table, earlier: Path) -> str:
    """Return the query of the earlier rows that stay."""
    came = _EMPTIED if table.name == "conversations" else ""
    gone = f"SELECT conversation FROM {_REPLACED}" + (f" UNION ALL SELECT conversation FROM {came}" if came else "")
    return f"({_emptied(table, duck.parquet(earlier))} WHERE conversation NOT IN ({gone}))"


def _now(table: Table, query: str, earlier: Path) -> str:
    """Return the query of the rows that came; of a conversation, what is not known any more stays as it was."""
    if table.name != "conversations":
        return f"({query})"
    columns = ", ".join(f'coalesce(now."{each.name}", earlier."{each.name}")' for each in table.columns)
    return (
        f"(SELECT {columns} FROM ({query}) AS now LEFT JOIN ({duck.parquet(earlier)}) AS earlier USING (conversation))"
    )


def _emptied(table: Table, query: str) -> str:
    """Return the query of rows without the content of the conversations that are to have none."""
    if not table.content:
        return f"SELECT * FROM ({query})"
    gone = f"conversation IN (SELECT conversation FROM {_EMPTIED})"
    columns = ", ".join(f'CASE WHEN {gone} THEN NULL ELSE "{name}" END AS "{name}"' for name in table.content)
    return f"SELECT * REPLACE ({columns}) FROM ({query})"


def _has(connection: "DuckDBPyConnection", file: Path) -> bool:
    """Say whether a file has rows of a conversation that is to have no content."""
    query = f"SELECT 1 FROM ({duck.parquet(file)}) WHERE conversation IN (SELECT conversation FROM {_EMPTIED}) LIMIT 1"
    return connection.execute(query).fetchone() is not None


def link(file: Path, to: Path) -> None:
    """Take a file over as it is."""
    try:
        to.hardlink_to(file)
    except OSError:  # the file system has no links
        shutil.copyfile(file, to)


def _write(connection: "DuckDBPyConnection", query: str, to: Path) -> None:
    connection.execute(duck.copy(query, to))
    descriptor = os.open(to, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Lines:
    """Is a file of lines; `size` counts their bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] = path.open("wb")
        self.size = 0

    def add(self, line: bytes) -> None:
        self._file.write(line + b"\n")
        self.size += len(line) + 1

    def done(self) -> Path:
        self._file.close()
        return self._path

    def again(self) -> None:
        """Begin anew."""
        self._file = self._path.open("wb")
        self.size = 0

"""DuckDB, loaded when it is used: connections that write Parquet, and ones that can only read what they are given.

A connection for questions is closed to the world before the question is heard: no file but those of its tables, no
network, no extension, no variable of this process, and no setting that could open it again.
"""

import asyncio
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from ...events import FrameworkError, InvalidInput
from ...projections.tables import TABLES, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")

MEMORY: Final = "1GB"
"""So much memory a question may take; what is more goes to a temporary directory."""

WRITING_MEMORY: Final = "512MB"
"""So much the writing of one Parquet file may take."""


class NoDuckDB(FrameworkError):
    """Raised where DuckDB is not installed."""

    def __init__(self) -> None:
        super().__init__("DuckDB is not installed: pip install 'agent-runtime-framework[analytics]'")


def check_installed() -> None:
    """Raise NoDuckDB if DuckDB cannot be imported."""
    try:
        import duckdb  # noqa: F401, PLC0415  loaded when it is used
    except ImportError as missing:
        raise NoDuckDB from missing


def _connect(settings: Mapping[str, str]) -> "DuckDBPyConnection":
    check_installed()
    import duckdb  # noqa: PLC0415  loaded when it is used

    always = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    return duckdb.connect(":memory:", config={**always, **settings})


def writing(directory: Path) -> "AbstractContextManager[DuckDBPyConnection]":
    """Return a connection that writes Parquet in one thread; what does not fit into memory goes to the directory."""
    return _connect(
        {
            "threads": "1",
            "memory_limit": WRITING_MEMORY,
            "temp_directory": str(directory),
            "python_enable_replacements": "false",
        }
    )


@contextmanager
def asking(tables: Mapping[str, Sequence[Path]]) -> "Iterator[DuckDBPyConnection]":
    """Give a connection in which these tables are read from these Parquet files, and nothing else can be.

    A table without files is empty.
    """
    with tempfile.TemporaryDirectory(prefix="arf-sql-") as temporary:
        connection = _connect({"memory_limit": MEMORY, "temp_directory": temporary})
        try:
            connection.execute(f"SET allowed_paths = {listed(path for paths in tables.values() for path in paths)}")
            connection.execute(f"SET allowed_directories = {listed([temporary])}")
            for name, paths in tables.items():
                query = f"SELECT * FROM read_parquet({listed(paths)})"
                connection.execute(f"CREATE VIEW {name} AS {query}" if paths else empty(TABLES[name]))
            connection.execute("SET enable_external_access = false")
            connection.execute("SET python_enable_replacements = false")
            connection.execute("SET lock_configuration = true")
            yield connection
        finally:
            connection.close()


@contextmanager
def told() -> Iterator[None]:
    """Raise what DuckDB says is wrong as InvalidInput, in one line; what was interrupted is raised as it is."""
    import duckdb  # noqa: PLC0415  loaded when it is used

    try:
        yield
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        raise InvalidInput(_first_line(str(error))) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the answer is not UTF-8: {error}") from error


def _first_line(message: str) -> str:
    """Return what is useful of a message: not the place in the text, but what there is where a name is not known."""
    line, _, more = message.strip().partition("\n")
    kind, _, rest = line.strip().partition(" Error: ")
    said = rest if rest and " " not in kind.strip() else line.strip().removeprefix("Invalid Input Error: ")
    if said.startswith("Table with name "):
        return f"{said.rstrip('!')}; there are {', '.join(TABLES)}"
    near = more.strip().partition("\n")[0].removeprefix("Candidate bindings: ")
    return f"{said.rstrip('!')}; near it are {near}" if "Candidate bindings: " in more else said


async def interruptible(connection: "DuckDBPyConnection", work: Callable[[], T]) -> T:
    """Return what work in a thread comes to; where it is cancelled, DuckDB is interrupted, and the work ends."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        while not working.done():
            connection.interrupt()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working], timeout=0.05)
        working.exception()
        raise


def empty(table: Table) -> str:
    """Return the statement that makes an empty table."""
    columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
    return f"CREATE TABLE {table.name} ({columns})"


def lines(table: Table, path: Path) -> str:
    """Return the query that reads rows of a table from JSON lines."""
    types = ", ".join(
        f"{text(column.name)}: {text('BIGINT' if column.type == 'TIMESTAMP' else column.type)}"
        for column in table.columns
    )
    chosen = ", ".join(
        f'epoch_ms("{column.name}") AS "{column.name}"' if column.type == "TIMESTAMP" else f'"{column.name}"'
        for column in table.columns
    )
    return f"SELECT {chosen} FROM read_json({text(path)}, format = 'newline_delimited', columns = {{{types}}})"


def parquet(path: Path) -> str:
    """Return the query that reads a Parquet file."""
    return f"SELECT * FROM read_parquet({text(path)})"


def copy(query: str, to: Path) -> str:
    """Return the statement that writes what a query gives to a Parquet file."""
    return f"COPY ({query}) TO {text(to)} (FORMAT parquet, COMPRESSION zstd)"


def text(value: object) -> str:
    """Return a text as it is written in SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def listed(values: Iterable[object]) -> str:
    """Return a list of texts as it is written in SQL."""
    return f"[{', '.join(map(text, values))}]"

"""A question in SQL: looked at before it is asked, because it must only be able to read the tables.

It has to be one statement that gives rows.  What it is made of is read from DuckDB's own parser, never guessed from
its text: each part must be a SELECT, and each function that stands where a table can must be one that reads nothing.
Behind that stands what the connection itself is closed to (`duck.py`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from ...events import InvalidInput
from ...projections.tables import TABLES
from . import duck

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, Statement

ALLOWED: Final = frozenset(
    {"unnest", "range", "generate_series", "json_each", "json_tree", "repeat", "repeat_row", "pg_timezone_names"}
)
"""The table functions that a question may use."""

_PARTS = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_BLANK = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)"
_EXPLAIN = re.compile(rf"{_BLANK}*explain\b{_BLANK}*(?:analyze\b|\([^)]*\))?", re.IGNORECASE | re.DOTALL)
_SCHEMA = re.compile(rf"{_BLANK}*(?:describe|desc|show)\b", re.IGNORECASE | re.DOTALL)
_READS = "only one SELECT can be asked, or VALUES, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN of one"


class Question(Struct, frozen=True):
    """Is a question that may be asked: its text, and the tables whose rows it needs."""

    sql: str
    tables: tuple[str, ...]


def question(sql: str) -> Question:
    """Return the question that a text is.

    Raises:
        InvalidInput: it is no SQL, names what there is not, or would do something else than read the tables.

    """
    with duck.asking(dict.fromkeys(TABLES, ())) as connection, duck.told():
        asked = _selected(connection, sql)
        named = _named(connection, asked)
        connection.execute(f"EXPLAIN {asked}")  # names what there is not, before anything is read
        return Question(sql, () if _SCHEMA.match(asked) else tuple(name for name in TABLES if name in named))


def _selected(connection: "DuckDBPyConnection", sql: str) -> str:
    """Return the SELECT of a statement, without the EXPLAIN before it."""
    _check_text(sql)
    (statement,) = _one(connection.extract_statements(sql))
    kind, text = _kind(statement), statement.query.strip().rstrip(";")
    if kind == "EXPLAIN":
        explain = _EXPLAIN.match(text)
        text = text[explain.end() :] if explain is not None else text
        (statement,) = _one(connection.extract_statements(text))
        kind = _kind(statement)
    if kind != "SELECT":
        raise InvalidInput(f"{_READS}, not {kind.replace('_', ' ')}")
    return text


def _check_text(sql: str) -> None:
    if "\0" in sql or sql.encode(errors="replace").decode() != sql:
        raise InvalidInput("SQL is Unicode without NUL characters; here is something else")


def _kind(statement: "Statement") -> str:
    try:
        return statement.type.name
    except ValueError:  # one that DuckDB's own enumeration lacks
        return "this"


def _one(statements: "Sequence[Statement]") -> "Sequence[Statement]":
    if len(statements) != 1:
        raise InvalidInput(f"{_READS}; here {f'are {len(statements)} statements' if statements else 'is none'}")
    return statements


def _named(connection: "DuckDBPyConnection", select: str) -> frozenset[str]:
    """Return the names that stand in a SELECT where a table can.

    Raises:
        InvalidInput: it has parts that are no SELECT, or functions that could read something else.

    """
    found = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [select]).fetchone()
    try:
        tree = msgspec.json.decode(found[0] if found else b"{}")
    except RecursionError as error:
        raise InvalidInput("the question is nested too deep") from error
    if tree.get("error", True):
        raise InvalidInput(f"{_READS}: {tree.get('error_message', '')}")
    named = set()
    for part in _parts(tree):
        kind = str(part.get("type", ""))
        if kind.endswith("_NODE") and kind not in _PARTS:
            raise InvalidInput(f"{_READS}, not {kind.removesuffix('_NODE').removesuffix('_QUERY')}")
        if kind == "TABLE_FUNCTION":
            _check_function(str(part.get("function", {}).get("function_name", "")).lower())
        named.add(str(part.get("table_name", "")).lower())
    return frozenset(named)


def _check_function(name: str) -> None:
    if name not in ALLOWED:
        raise InvalidInput(f"the function {name!r} cannot be asked: it reads something else than the tables")


def _parts(tree: Any) -> Iterator[Mapping[str, Any]]:
    left = [tree]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
            left += part.values()
        elif isinstance(part, list):
            left += part


class Answer(Struct, frozen=True):
    """Is the beginning of an answer: its columns, each with its type in SQL."""

    columns: tuple[tuple[str, str], ...]


def begin(connection: "DuckDBPyConnection", asked: Question) -> Answer:
    """Ask, and return the columns of the answer; its rows are fetched from the connection.

    Raises:
        InvalidInput: it cannot be answered.

    """
    with duck.told():
        connection.execute(asked.sql)
    return Answer(tuple((str(column[0]), str(column[1])) for column in connection.description or ()))


def rows(connection: "DuckDBPyConnection", many: int) -> list[tuple[Any, ...]]:
    """Return the next rows of an answer.

    Raises:
        InvalidInput: it cannot be answered any further.

    """
    with duck.told():
        return connection.fetchmany(many)


def tables_of(files: Mapping[str, Sequence[Path]], asked: Question) -> dict[str, Sequence[Path]]:
    """Return the files of each table as a question needs them: those that it does not name are empty."""
    return {name: files.get(name, ()) if name in asked.tables else () for name in TABLES}

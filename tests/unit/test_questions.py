"""What may be asked in SQL, and what not: each way to do something else than read the tables is refused."""

from pathlib import Path

import duckdb
import pytest

from agent_runtime_framework import InvalidInput
from agent_runtime_framework.projections.tables import TABLES
from agent_runtime_framework.runtime.analytics import duck
from agent_runtime_framework.runtime.analytics.question import Question, begin, question, rows, tables_of

ASKED = {
    "select 1": (),
    "select count(*) from events": ("events",),
    "FROM Turns": ("turns",),
    "from turns join steps using (conversation) where true; -- done": ("turns", "steps"),
    "with mine as (select * from turns) select count(*) from mine": ("turns",),
    "select (select max(version) from conversations) from range(3)": ("conversations",),
    "select data->>'text' from events where time > '2026-01-01'": ("events",),
    "values (1), (2)": (),
    "summarize tool_calls": ("tool_calls",),
    "describe events": (),
    "show tables": (),
    "explain select * from model_calls": ("model_calls",),
    "/* why */ explain -- it\n analyze select * from turns": ("turns",),
    "select * from turns pivot (count(*) for outcome in ('completed', 'failed'))": ("turns",),
    "select unnest(offered) from tool_calls": ("tool_calls",),
    "select e.key from tool_calls, json_each(arguments) e": ("tool_calls",),
    "with recursive up as (select 1 n union all select n + 1 from up where n < 3) from up": (),
    "select 1 union all select turn from turns": ("turns",),
}

REFUSED = {
    "write": [
        "create table x (a int)",
        "create view x as select 1",
        "insert into events (version) values (1)",
        "with x as (insert into events (version) values (1) returning *) select * from x",
        "update events set turn = 1",
        "delete from events",
        "with x as (delete from events returning *) from x",
        "drop table events",
        "alter table events add column a int",
        "truncate events",
        "comment on table events is 'x'",
        "merge into events using turns on (1 = 1) when matched then delete",
        "explain analyze insert into events (version) values (1)",
    ],
    "files": [
        "copy events to '{file}'",
        "copy (select 1) to '{file}'",
        "explain analyze copy (select 1) to '{file}'",
        "export database '{file}'",
        "import database '{file}'",
        "attach '{file}'",
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from read_blob('/etc/passwd')",
        "select * from read_json('/etc/passwd')",
        "select * from read_parquet('/etc/passwd')",
        "select * from parquet_metadata('/etc/passwd')",
        "select * from sniff_csv('/etc/passwd')",
        "select * from glob('/etc/*')",
        "select * from '/etc/passwd'",
        "from '{file}.csv'",
        "describe select * from read_text('/etc/passwd')",
        "summarize '/etc/passwd'",
        "select * from events e, lateral (select * from read_blob(e.type))",
        "select (select content from read_text('/etc/passwd'))",
        "with x as (from read_text('/etc/passwd')) from x",
        "select * from query('select * from read_text(''/etc/passwd'')')",
        "select * from query_table('events')",
        "select * from json_execute_serialized_sql('x')",
    ],
    "world": [
        "select * from 'https://example.com/a.parquet'",
        "install httpfs",
        "load httpfs",
        "force install httpfs",
        "update extensions",
        "select getenv('HOME')",
        "create secret (type http)",
        "select * from which_secret('a', 'b')",
        "select * from duckdb_secrets()",
        "select * from secret_variable_of_the_test",
    ],
    "settings": [
        "set threads = 1",
        "set memory_limit = '100GB'",
        "reset threads",
        "set enable_external_access = true",
        "pragma version",
        "pragma table_info('events')",
        "pragma threads = 1",
        "call pragma_version()",
        "call enable_logging()",
        "select * from enable_logging(storage = 'file')",
        "select * from enable_profiling(save_location = '{file}')",
        "select * from python_map_function()",
        "select * from pandas_scan(1)",
        "select * from arrow_scan(1, 2, 3)",
        "select * from add_grammar_extension('x')",
        "set variable a = 1",
        "use memory",
        "checkpoint",
        "vacuum",
        "prepare p as select 1",
        "execute p",
        "begin",
        "commit",
        "detach memory",
    ],
    "no question": [
        "",
        "  -- nothing\n",
        "select 1; select 2",
        "select 1; drop table events",
        "selec 1",
        "select nope from events",
        "select * from nope",
        "select 'open",
        "select \0",
        "explain explain select 1",
        "\ud800",
        f"select {'1+' * 900}1",
        f"select {'(' * 5000}1{')' * 5000}",
    ],
}


@pytest.mark.parametrize("sql", ASKED)
def test_one_select_may_be_asked(sql: str) -> None:
    asked = question(sql)
    assert asked == Question(sql, tuple(name for name in TABLES if name in ASKED[sql]))
    with duck.asking(tables_of({}, asked)) as connection:
        begin(connection, asked)
        rows(connection, 10)


@pytest.mark.parametrize("sql", [sql for many in REFUSED.values() for sql in many])
def test_nothing_else_may_be(sql: str, tmp_path: Path) -> None:
    secret_variable_of_the_test = [1]
    (tmp_path / "x.csv").write_text("a\n1\n")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InvalidInput) as refused:
        question(sql.replace("{file}", str(tmp_path / "x")))

    assert str(refused.value).strip()
    assert "\n" not in str(refused.value)
    assert "Error:" not in str(refused.value)
    assert sorted(tmp_path.iterdir()) == before
    assert secret_variable_of_the_test == [1]


HARMLESS = ("prepare", "execute", "begin", "commit", "pragma version", "pragma table_info", "call pragma_version")
"""What begins so does nothing where nothing else can be done either."""

CLOSED = [
    sql
    for kind in ("files", "world", "settings")
    for sql in REFUSED[kind]
    if not sql.startswith((*HARMLESS, "set variable", "use ", "checkpoint", "vacuum", "select * from query_table"))
]


@pytest.mark.parametrize("sql", CLOSED)
def test_the_connection_itself_is_closed_too(sql: str, tmp_path: Path) -> None:
    # what a question is looked at for could miss something
    (tmp_path / "x.csv").write_text("a\n1\n")
    before = sorted(tmp_path.iterdir())
    with duck.asking(dict.fromkeys(TABLES, ())) as connection, pytest.raises(duckdb.Error):
        connection.execute(sql.replace("{file}", str(tmp_path / "x"))).fetchall()
    assert sorted(tmp_path.iterdir()) == before


def test_only_the_files_of_its_tables_can_be_read(tmp_path: Path) -> None:
    for name in ("mine", "other"):
        with duck.writing(tmp_path) as connection:
            connection.execute(duck.copy("SELECT 'c' AS conversation", tmp_path / f"{name}.parquet"))
    with duck.asking({"events": [tmp_path / "mine.parquet"]}) as connection:
        assert connection.execute("SELECT * FROM events").fetchall() == [("c",)]
        for sql in (f"SELECT * FROM read_parquet('{tmp_path}/other.parquet')", f"SELECT * FROM glob('{tmp_path}/*')"):
            with pytest.raises(duckdb.Error):
                connection.execute(sql).fetchall()
        for to in ("mine", "new"):
            with pytest.raises(duckdb.Error):
                connection.execute(f"COPY (SELECT 1) TO '{tmp_path}/{to}.parquet'")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.parquet", "other.parquet"]


def test_memory_has_a_limit() -> None:
    with duck.asking({}) as connection:
        found = connection.execute("SELECT current_setting('memory_limit')").fetchone()
    assert found == ("953.6 MiB",)


def test_what_cannot_be_answered_is_one_line() -> None:
    asked = question("select cast(type as int) from (values ('x')) t(type)")
    with duck.asking({}) as connection, pytest.raises(InvalidInput) as wrong:
        begin(connection, asked)
        rows(connection, 1)
    assert str(wrong.value).startswith("Could not convert string 'x'")
    assert "\n" not in str(wrong.value)


def test_what_does_not_fit_into_memory_goes_to_a_directory_that_is_removed() -> None:
    with duck.asking({}) as connection:
        (directory,) = connection.execute("SELECT current_setting('temp_directory')").fetchone() or ("",)
        assert Path(directory).stat().st_mode & 0o777 == 0o700
    assert not Path(directory).exists()

"""Questions in SQL at the command line, about a log and about an export of it."""

import csv
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework.events import ConversationId, FrameLog
from agent_runtime_framework.projections.tables import TABLES
from agent_runtime_framework.runtime.client import Client
from support.chains import put_raw, write
from support.command_line import bots, data, error, run, worker
from support.processes import environment
from support.terminal import Terminal, fits

HOSTILE = "\x1b[31mred \t\u202e=1+1"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with two conversations, and an export of them in `tables`."""
    directory = bots(tmp_path_factory.mktemp("place"))
    with worker("bot.py:Bot", directory):
        for text in ("hello", "save_name Ada", "burst"):
            assert run(f"send bot c-1 '{text}'", directory).returncode == 0
        assert run(f"send bot c-2 {shlex.quote(HOSTILE)}", directory).returncode == 0
    done = run("export --parquet tables", directory)
    assert (done.returncode, done.stdout) == (0, "")
    yield directory


def ask(sql: str, place: Path, *options: str) -> str:
    """Return what a question that is answered writes, the same from the log and from the export."""
    written = set()
    for source in ((), ("--parquet", "tables")):
        done = run(shlex.join(["sql", *source, *options, sql]), place)
        assert (done.returncode, done.stderr) == (0, "")
        written.add(done.stdout)
    (same,) = written
    return same


def test_an_answer_is_lines_of_values(place: Path) -> None:
    assert ask("select conversation, turns, erased from conversations order by 1", place) == (
        "c-1\t3\tfalse\nc-2\t1\tfalse\n"
    )
    assert ask("select tool, verdict, outcome from tool_calls order by call", place).splitlines() == [
        "save_name\trun\treturned",
        "burst\trun\terror",
    ]
    assert ask("select null, 'a\tb\\c' || chr(10) || 'd'", place) == "\ta\\tb\\\\c\\nd\n"


def test_what_people_said_is_not_interpreted(place: Path) -> None:
    sql = "select message from turns where conversation = 'c-2'"
    shown = ask(sql, place)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    with Terminal(f"sql {shlex.quote(sql)}", place) as terminal:
        assert terminal.end() == 0
        assert "\x1b[31mred" not in terminal.shown
        assert "\\x1b[31mred" in terminal.text
        assert "message" in terminal.text


def test_at_a_terminal_that_is_too_narrow_for_a_table_each_column_is_a_line(place: Path) -> None:
    with Terminal("sql 'select * from turns order by all limit 2'", place, columns=80) as terminal:
        assert terminal.end() == 0
    lines = [line.rstrip() for line in terminal.text.splitlines()]
    assert fits(terminal, 80)
    assert [line for line in lines if line.startswith("row ")] == ["row 1", "row 2"]
    assert "conversation       c-1" in lines
    assert "reply              You said: hello" in lines

    with Terminal("sql 'select turn, outcome from turns order by all limit 2'", place, columns=80) as terminal:
        assert terminal.end() == 0
    assert terminal.text.splitlines()[0].split() == ["turn", "outcome"]


def test_an_answer_without_rows_is_said(place: Path) -> None:
    done = run("sql 'select 1 where false'", place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no rows\n")


def test_an_answer_is_json_or_csv(place: Path) -> None:
    sql = "select turn, began_at, reply, tokens, 1.5 as cost from turns where conversation = 'c-1' order by turn"
    rows = json.loads(ask(sql, place, "-o", "json"))
    assert [row["turn"] for row in rows] == [1, 2, 3]
    assert rows[0]["reply"] == "You said: hello"
    assert rows[0]["cost"] == 1.5
    assert rows[0]["began_at"].endswith("Z")
    assert data("show c-1 --turn 1", place)["began"]["time"] == rows[0]["began_at"]
    assert [json.loads(line) for line in ask(sql, place, "-o", "jsonl").splitlines()] == rows
    (heading, *lines) = csv.reader(io.StringIO(ask(sql, place, "-o", "csv")))
    assert heading == ["turn", "began_at", "reply", "tokens", "cost"]
    assert [line[2] for line in lines] == [row["reply"] for row in rows]


def test_json_in_an_answer_is_json(place: Path) -> None:
    found = json.loads(ask("select data from events where type = 'user.spoke' limit 1", place, "-o", "json"))
    assert isinstance(found[0]["data"], dict)
    assert json.loads(ask("select 1 a, 2 a, 'nan'::double b", place, "-o", "json")) == [{"a": 1, "a_1": 2, "b": None}]


def test_events_are_those_of_the_log(place: Path) -> None:
    sql = "select version, type, turn, cause, data from events where conversation = 'c-1' order by version"
    rows = json.loads(ask(sql, place, "-o", "json"))
    assert rows == [
        {name: event[name] for name in ("version", "type", "turn", "cause", "data")} for event in data("log c-1", place)
    ]


def test_a_question_may_come_on_stdin(place: Path) -> None:
    done = run("sql -", place, stdin="select count(*)\nfrom turns -- all\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "4\n", "")


@pytest.mark.parametrize("words", ["sql", "sql --schema"])
def test_the_tables_are_told(words: str, tmp_path: Path) -> None:
    done = run(words, tmp_path)
    assert done.returncode == 0
    for name in ("events:", "turns:", "model_calls:", "tool_calls:", "steps:", "conversations:", "verdict"):
        assert name in done.stdout


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_as_it_is_told(name: str, place: Path) -> None:
    (table,) = [table for table in data("sql --schema", place) if table["table"] == name]
    described = json.loads(run(f"sql 'describe {name}' -o json", place).stdout)
    columns = [(column["name"], column["type"]) for column in table["columns"]]
    assert [(row["column_name"], row["column_type"]) for row in described] == columns
    heading, *rows = ask(f"select * from {name} limit 1", place, "-o", "csv").splitlines()
    assert heading.split(",") == [column for column, _ in columns]
    assert rows


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("sql 'selec 1'", 2, 'syntax error at or near "selec"'),
        ("sql 'select nope from turns'", 2, 'Referenced column "nope" not found in FROM clause; near it are "'),
        ("sql 'select * from nope'", 2, "Table with name nope does not exist; there are events, turns, model_calls, "),
        ("sql 'drop table events'", 2, "only one SELECT can be asked"),
        ("sql \"copy events to 'x.csv'\"", 2, "only one SELECT can be asked"),
        ("sql \"select * from read_csv('/etc/passwd')\"", 2, "the function 'read_csv' cannot be asked"),
        ("sql 'select 1' --schema", 2, "ask a question, or give --schema"),
        ("sql 'select 1' -o xml", 2, "'xml' is not one of"),
        ("sql 'select * from turns' --parquet nothing", 3, "nothing is no export"),
        ('sql "select cast(type as int) from events"', 2, "Could not convert string"),
        ("export --parquet", 2, "requires an argument"),
        ("export c-1 --parquet other", 2, "--parquet DIR takes every conversation"),
        ("export --parquet other -o x.jsonl", 2, "--parquet DIR takes every conversation"),
        ("export --parquet bot.py", 2, "cannot be made"),
        ("export --parquet .", 2, "is no export, and not empty"),
        ("export --parquet tables --namespace other", 3, "there is no namespace 'other'"),
        ("sql 'select * from turns' --namespace other", 3, "there is no namespace 'other'"),
    ],
)
def test_what_cannot_be_done_is_one_line(command: str, code: int, message: str, place: Path) -> None:
    before = sorted(place.iterdir())
    found, said = error(command, place)
    assert (found, message in said) == (code, True), said
    assert sorted(place.iterdir()) == before


def test_without_duckdb_it_says_what_to_install(place: Path, tmp_path: Path) -> None:
    (tmp_path / "duckdb.py").write_text("raise ImportError('there is none')")
    for command in ("sql 'select 1'", "export --parquet tables"):
        path = {"PYTHONPATH": f"{tmp_path}:{environment()['PYTHONPATH']}"}
        assert error(command, place, env=path) == (
            1,
            "DuckDB is not installed: pip install 'agent-runtime-framework[analytics]'",
        )


def test_a_long_question_is_interrupted(place: Path) -> None:
    sql = "select sum(a.range * b.range) from range(10000000) a, range(10000000) b"
    with Terminal(f"sql {shlex.quote(sql)}", place) as terminal:
        terminal.read_until("asking")
        terminal.press("\x03")
        assert terminal.end(within=20) == 130
        assert "Traceback" not in terminal.text


async def test_what_is_damaged_is_said_and_left_out(tmp_path: Path) -> None:
    async with Client.connect(home=tmp_path / ".arf") as client:
        log = client.substrate.log
        assert isinstance(log, FrameLog)
        await write(log, ConversationId("good"), 2)
        await put_raw(log._records, b"garbage", 0, ConversationId("bad"))
    asked = run("sql 'select conversation, version from conversations'", tmp_path)
    exported = [run("export --parquet tables", tmp_path) for _ in range(2)]

    assert (asked.returncode, asked.stdout) == (1, "good\t2\n")
    assert re.match("error: conversation 'bad', position [0-9]+: ", asked.stderr)
    for done, events in zip(exported, ("2 events", "0 events"), strict=True):
        damaged, said = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (1, "")
        assert re.match("error: conversation 'bad', position [0-9]+: ", damaged)
        assert damaged.endswith("; it is left out, and the next export tries it again")
        assert said == f"{events} exported to tables"
    assert run("sql --parquet tables 'select count(*) from events'", tmp_path).stdout == "2\n"


def test_nothing_is_left_behind_by_a_question(place: Path, tmp_path: Path) -> None:
    done = run("sql 'select count(*) from turns'", place, env={"TMPDIR": str(tmp_path)})
    assert done.stdout == "4\n"
    assert list(tmp_path.iterdir()) == []

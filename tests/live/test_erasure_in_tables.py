"""Tables, reports and audits of a sealed conversation have its words as long as it has; after its erasure none does."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from support.command_line import error, run
from support.words import KEYED, MASTER, WORDS, stopped, talk


def told(place: Path, words: str, code: int = 0) -> str:
    done = run(words, place, env=KEYED)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def rows_in(tables: Path) -> str:
    """Return all that stands in the tables of an export, as text."""
    files = sorted((tables / "current").rglob("*.parquet"))
    assert files
    return "\n".join(str(duckdb.read_parquet(str(path)).fetchall()) for path in files)


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARF_MASTER_KEY", MASTER)
    await talk(tmp_path, encrypt=True)
    return tmp_path


READERS = (
    "audit tools -o json",
    "sql 'select * from events' -o json",
    "sql 'select * from tool_calls' -o json",
    "sql 'select * from turns' -o json",
)


def test_what_reads_all_conversations_tells_the_words_of_one_only_until_it_is_erased(place: Path) -> None:
    told(place, "export --parquet tables")
    before = [told(place, words) for words in READERS]
    assert all("Zanzibaria" in each for each in (*before, rows_in(place / "tables")))
    structure = told(place, "sql 'select count(*) from events'")

    told(place, "erase c-1 --reason asked --yes")
    told(place, "export --parquet tables")

    after = [told(place, words) for words in (*READERS, "audit report -o -")]
    assert not any(word in each for each in (*after, rows_in(place / "tables")) for word in WORDS)
    assert int(told(place, "sql 'select count(*) from events'")) > int(structure)
    (row,) = json.loads(told(place, 'sql "select * from conversations where erased" -o json'))
    assert (row["conversation"], row["status"]) == ("c-1", "erased")
    told(place, "audit verify --all")
    shutil.rmtree(stopped(place))


def test_without_the_key_tables_are_not_kept_and_questions_are_answered_by_structure(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARF_MASTER_KEY")

    code, message = error("export --parquet tables", place)
    asked = run("sql 'select type, turn, data from events' -o json", place)

    assert (code, message.startswith("the content of 'c-")) == (1, True)
    assert "set ARF_MASTER_KEY" in message
    assert (asked.returncode, asked.stderr) == (
        0,
        "2 conversations are sealed: their content is not in the answer; set ARF_MASTER_KEY\n",
    )
    assert {row["data"] for row in json.loads(asked.stdout)} == {None}
    assert "user.spoke" in {row["type"] for row in json.loads(asked.stdout)}


def test_without_the_key_structure_can_be_audited(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARF_MASTER_KEY")
    page = run("audit report -o -", place)
    verified = run("audit verify --all", place)

    assert (page.returncode, verified.returncode) == (0, 0)
    assert not any(word in page.stdout for word in WORDS)

"""What holds for every sink: in memory, and in a SQLite file."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from agent_runtime_framework.events import Conflict, InvalidInput, Unavailable
from agent_runtime_framework.runtime.sinks import Mark, MemorySink, Row, Sink
from agent_runtime_framework.runtime.sinks.sqlite import SQLiteSink

FIRST, SECOND, THIRD = (Mark("stream-0", position, "run-1") for position in (3, 5, 9))


class SinkContract:
    """Every sink passes these; a subclass gives one."""

    async def test_a_new_sink_has_nothing(self, sink: Sink) -> None:
        assert await sink.begin("words") == {}
        assert await sink.load("words", ["c-1"]) == {}

    async def test_rows_and_mark_are_what_was_written_last(self, sink: Sink) -> None:
        await sink.write("words", 0, None, FIRST, [Row("c-1", 2, b'{"n":1}'), Row("c-2", 1, b'"\xc3\xa9"')])
        await sink.write("words", 0, FIRST, SECOND, [Row("c-1", 3, b'{"n":2}')])

        assert await sink.begin("words") == {0: SECOND}
        assert await sink.load("words", ["c-1", "c-2", "c-3"]) == {
            "c-1": Row("c-1", 3, b'{"n":2}'),
            "c-2": Row("c-2", 1, b'"\xc3\xa9"'),
        }

    async def test_each_shard_has_a_mark_of_its_own(self, sink: Sink) -> None:
        await sink.write("words", 0, None, FIRST, [])
        await sink.write("words", 7, None, SECOND, [])

        assert await sink.begin("words") == {0: FIRST, 7: SECOND}

    @pytest.mark.parametrize("wrong", [None, SECOND, FIRST._replace(run="run-2"), FIRST._replace(stream="stream-1")])
    async def test_what_does_not_stand_at_the_mark_is_refused_whole(self, sink: Sink, wrong: Mark | None) -> None:
        await sink.write("words", 0, None, FIRST, [Row("c-1", 2, b"1")])
        with pytest.raises(Conflict, match=r"'words' is .* position 3 in shard 0"):
            await sink.write("words", 0, wrong, THIRD, [Row("c-1", 4, b"9"), Row("c-2", 1, b"9")])

        assert await sink.begin("words") == {0: FIRST}
        assert await sink.load("words", ["c-1", "c-2"]) == {"c-1": Row("c-1", 2, b"1")}

    async def test_of_many_who_write_at_one_mark_one_wins(self, sink: Sink) -> None:
        outcomes = await asyncio.gather(
            *(sink.write("words", 0, None, FIRST, [Row("c-1", n, b"1")]) for n in range(1, 9)), return_exceptions=True
        )

        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict"] * 7 + ["NoneType"]

    async def test_projections_of_one_sink_do_not_mix(self, sink: Sink) -> None:
        await sink.write("words", 0, None, FIRST, [Row("c-1", 1, b"1")])
        await sink.write("turns", 0, None, SECOND, [Row("c-1", 2, b"2")])

        assert (await sink.begin("words"), await sink.begin("turns")) == ({0: FIRST}, {0: SECOND})
        assert (await sink.load("words", ["c-1"]))["c-1"].version == 1
        assert (await sink.load("turns", ["c-1"]))["c-1"].version == 2

    async def test_beginning_anew_throws_away_that_name_only(self, sink: Sink) -> None:
        for name in ("words", "turns"):
            await sink.write(name, 0, None, FIRST, [Row("c-1", 1, b"1")])

        assert await sink.begin("words", anew=True) == {}
        assert await sink.load("words", ["c-1"]) == {}
        assert await sink.begin("turns") == {0: FIRST}

    async def test_what_replaces_a_name_leaves_nothing_of_it(self, sink: Sink) -> None:
        await sink.write("words", 0, None, THIRD, [Row("c-1", 9, b"9"), Row("c-old", 9, b"9")])
        rebuilt = FIRST._replace(run="run-2")
        await sink.write("words~rebuild", 0, None, rebuilt, [Row("c-1", 1, b"1")])
        await sink.replace("words", "words~rebuild")

        assert await sink.begin("words") == {0: rebuilt}
        assert await sink.load("words", ["c-1", "c-old"]) == {"c-1": Row("c-1", 1, b"1")}
        assert await sink.begin("words~rebuild") == {}
        with pytest.raises(Conflict, match="or it was rebuilt"):
            await sink.write("words", 0, THIRD, THIRD._replace(position=10), [])

    async def test_more_conversations_than_a_query_takes_are_loaded(self, sink: Sink) -> None:
        rows = [Row(f"c-{number}", 1, b"%d" % number) for number in range(2_300)]
        await sink.write("words", 0, None, FIRST, rows)

        assert await sink.load("words", [row.conversation for row in rows]) == {row.conversation: row for row in rows}

    async def test_a_closed_sink_is_opened_by_its_next_use(self, sink: Sink) -> None:
        await sink.close()
        await sink.write("words", 0, None, FIRST, [Row("c-1", 1, b"1")])
        await sink.close()
        await sink.close()

        assert await sink.begin("words") == {0: FIRST}


class TestMemorySink(SinkContract):
    @pytest.fixture
    def sink(self) -> Sink:
        return MemorySink()


class TestSQLiteSink(SinkContract):
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "kept.db"

    @pytest.fixture
    async def sink(self, path: Path) -> AsyncIterator[Sink]:
        sink = SQLiteSink(path)
        yield sink
        await sink.close()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("arf-sqlite")]

    async def test_any_program_reads_the_states(self, sink: Sink, path: Path) -> None:
        await sink.write("words", 0, None, FIRST, [Row("c-1", 2, b'{"refunds":3}')])
        with closing(sqlite3.connect(path)) as database:
            found = database.execute("select conversation, version, state ->> 'refunds' from states").fetchall()

        assert found == [("c-1", 2, 3)]

    async def test_who_reads_meanwhile_is_not_disturbed_and_sees_all_or_nothing(self, sink: Sink, path: Path) -> None:
        await sink.write("words", 0, None, FIRST, [Row("c-1", 1, b"1")])
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("begin")
            before = reader.execute("select version from states").fetchall()
            await sink.write("words~rebuild", 0, None, SECOND, [Row("c-1", 2, b"1"), Row("c-2", 2, b"1")])
            await sink.replace("words", "words~rebuild")
            assert reader.execute("select version from states").fetchall() == before == [(1,)]
            reader.execute("commit")

            assert reader.execute("select version from states").fetchall() == [(2,), (2,)]

    async def test_two_sinks_on_one_file_are_one(self, sink: Sink, path: Path) -> None:
        other = SQLiteSink(path)
        outcomes = await asyncio.gather(
            *(one.write("words", 0, None, FIRST, [Row("c-1", 1, b"1")]) for one in (sink, other)),
            return_exceptions=True,
        )

        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "NoneType"]
        assert await other.begin("words") == await sink.begin("words") == {0: FIRST}
        await other.close()

    async def test_a_file_that_is_no_database_is_an_error_that_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("no database " * 500)
        for path, why in ((tmp_path / "notes.txt", "not a database"), (tmp_path / "gone" / "a.db", "unable to open")):
            sink = SQLiteSink(path)
            with pytest.raises(Unavailable, match=f"{path.name} cannot be used: .*{why}"):
                await sink.begin("words")
            await sink.close()

    @pytest.mark.parametrize("path", ["", ":memory:"])
    def test_what_is_no_file_is_refused(self, path: str) -> None:
        with pytest.raises(InvalidInput, match="a MemorySink keeps nothing"):
            SQLiteSink(path)

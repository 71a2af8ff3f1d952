"""Text and times, as the command line shows them."""

import logging
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime_framework.runtime.cli.console.logs import OneLine
from agent_runtime_framework.runtime.cli.console.text import one_line, visible, without_password
from agent_runtime_framework.runtime.cli.reading.times import iso, local


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 漢字 [bold]", "plain ä 漢字 [bold]"),
        ("two\nlines\tand tab", "two\nlines\tand tab"),
        ("\x1b[31mred\x07\x00", r"\x1b[31mred\x07\x00"),
        ("back\rwards\x7f\x9b", r"back\rwards\x7f\x9b"),
        ("turned \u202eround", r"turned \u202eround"),
        ("half \ud800", r"half \ud800"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_one_line_is_one_line_that_a_terminal_only_shows(text: str) -> None:
    line = one_line(text)
    assert line.isprintable() or not line.isascii()
    assert len(line.splitlines()) <= 1
    assert "\x1b" not in line
    assert one_line(line) == line


def test_a_long_text_is_cut_where_only_one_line_is_shown() -> None:
    assert one_line("word " * 10, 7) == "word wo…"
    assert one_line("word " * 10) == ("word " * 10).strip()


def test_times_are_utc_for_programs() -> None:
    assert iso(1_785_576_600_250) == "2026-08-01T09:30:00.250Z"
    assert iso(999) == "1970-01-01T00:00:00.999Z"


def test_times_are_local_and_short_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Etc/GMT-2")
    time.tzset()
    try:
        moment = 1_785_576_600_250
        assert local(moment, datetime(2026, 8, 1, 20, tzinfo=UTC).astimezone()) == "11:30:00"
        assert local(moment, datetime(2026, 8, 2, 20, tzinfo=UTC).astimezone()) == "08-01 11:30"
        assert local(moment, datetime(2027, 8, 1, 20, tzinfo=UTC).astimezone()) == "2026-08-01"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://user:secret@host:4222", "nats://host:4222"),
        ("nats://token@host:4222", "nats://host:4222"),
        ("tls://host:4222", "tls://host:4222"),
        ("no server at nats://a:b@host (ada@example.org)", "no server at nats://host (ada@example.org)"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_an_exception_in_the_log_is_one_line_with_its_place() -> None:
    def broken() -> None:
        raise ValueError("two\nlines")

    with pytest.raises(ValueError, match="two") as raised:
        broken()
    error = (raised.type, raised.value, raised.tb)
    record = logging.LogRecord("x", logging.WARNING, "", 0, "it %s", ("broke",), error)
    place = f"{Path(__file__).name} line {broken.__code__.co_firstlineno + 1}"
    assert OneLine().format(record).endswith(f" WARNING it broke (ValueError: two lines, {place})")

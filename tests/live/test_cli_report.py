"""The report at the command line: where the page goes, what it says, and what happens when it cannot be written."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework import Client
from agent_runtime_framework.events import ConversationId, FrameLog
from support.chains import put_raw
from support.command_line import bots, error, run, worker
from support.talks import served


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with two conversations that called tools, and one that called none."""
    directory = bots(tmp_path_factory.mktemp("place"))
    (directory / "prices.json").write_text('{"scripted": {"input": 1000, "output": 1000}}')
    with served(directory):
        with worker("bot.py:Bot", directory):
            for said in ("c-1 'save_name <b>Ada'", "c-2 burst", "c-3 hello"):
                assert run(f"send bot {said}", directory).returncode == 0
        (directory / "bot.py").unlink()
        yield directory


def test_a_page_takes_the_place_of_the_file_when_it_is_whole(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text("what was there")
    file.chmod(0o640)

    done = run(f"audit report --since 7d -o {file}", place)

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{file}: 3 conversations, 3 turns, 2 calls\n"
    assert (list(tmp_path.iterdir()), stat.S_IMODE(file.stat().st_mode)) == ([file], 0o640)
    text = file.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert text.endswith("</html>\n")
    assert 'id="c-c-1"' in text
    assert "&lt;b&gt;Ada" not in text  # arguments are only told of what wants a look
    assert re.search(r"arf why c-2 --call \d+\.0", text)
    assert "it burst" in text


def test_a_page_goes_to_stdout_and_has_cost_where_there_are_prices(place: Path) -> None:
    plain, priced = run("audit report -o -", place), run("audit report -o - --prices prices.json", place)

    assert (plain.returncode, plain.stderr, priced.returncode, priced.stderr) == (0, "", 0, "")
    assert "No price list was given" in plain.stdout
    assert "No price list was given" not in priced.stdout
    assert run("audit report -o -", place, env={"ARF_PRICES": "prices.json"}).stdout.count(">Cost<") > 1


def test_a_period_in_which_nothing_happened_has_a_page_too(place: Path) -> None:
    for words in ("--until 2020-01-01", "--agent nobody", "--namespace empty"):
        done = run(f"audit report -o - {words}", place)
        assert done.returncode == 0
        assert "Nothing happened in this period." in done.stdout


def test_what_cannot_be_is_one_line_and_changes_nothing(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    assert error("audit report", place) == (
        2,
        "Missing option '-o' / '--output'. (see `arf audit report --help`)",
    )
    assert error(f"audit report -o {tmp_path}/no/report.html", place) == (
        2,
        f"{tmp_path}/no/report.html cannot be written: No such file or directory",
    )
    assert error(f"audit report -o {tmp_path}", place)[0] == 2
    assert error(f"audit report -o {file} --since yesterday", place)[0] == 2
    assert error(f"audit report -o {file} --prices nowhere.json", place)[0] == 2
    assert error(f"audit report -o {file} --since 1d --until 2d", place) == (
        2,
        "--until '2d' is not after --since '1d': there is no time between",
    )
    assert error(f"audit report -o {file} --agent 'a b'", place)[0] == 2
    assert error(f"audit report -o {file}", tmp_path)[0] == 3
    assert list(tmp_path.iterdir()) == []


async def test_a_conversation_that_is_damaged_is_named_and_hides_no_other(place: Path, tmp_path: Path) -> None:
    for command in (f"export --all -o {tmp_path}/all.jsonl --home {place}/.arf", "import all.jsonl"):
        assert run(command, tmp_path).returncode == 0
    async with Client.connect(home=tmp_path / ".arf") as client:
        log = client.substrate.log
        assert isinstance(log, FrameLog)
        await put_raw(log._records, b"garbage", (await client.last("c-2")).head.position, ConversationId("c-2"))

    done = run("audit report --since 7d -o report.html", tmp_path)

    said = done.stderr.splitlines()
    assert (done.returncode, said[0]) == (1, "report.html: 3 conversations, 3 turns, 2 calls")
    assert said[1].startswith("c-2 cannot be read, or not to its end: ")
    assert "1 conversation cannot be read, or not to the end" in (tmp_path / "report.html").read_text()


def test_a_fork_counts_only_what_is_its_own(place: Path) -> None:
    before = run("audit report -o /dev/null", place).stderr
    assert run("fork c-1 --as f-1", place).returncode == 0

    assert before == "/dev/null: 3 conversations, 3 turns, 2 calls\n"
    assert run("audit report -o /dev/null", place).stderr == "/dev/null: 4 conversations, 3 turns, 2 calls\n"

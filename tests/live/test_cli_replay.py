"""Today's code is held to what is recorded, at the command line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework import Client
from agent_runtime_framework.events import ConversationId, FrameLog
from support.chains import put_raw
from support.command_line import bots, data, error, in_use, run, worker
from support.processes import environment

FROM_LOG = "what tools did was taken from the log: --tools run shows what they do today"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the conversations `c-1`, which is over, and `c-2`, which is open, and their agent."""
    directory = bots(tmp_path_factory.mktemp("place"))
    with worker("bot.py:Bot", directory):
        for command in ("send bot c-1 hello", "send bot c-1 'save_name Ada'", "send bot c-2 hello"):
            assert run(command, directory).returncode == 0
    yield directory
    assert in_use(directory / ".arf") == []


@pytest.fixture
def changed(place: Path) -> Iterator[Path]:
    """The file of the agent, which a test may change."""
    file = place / "bot.py"
    text = file.read_text()
    yield file
    file.write_text(text)


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_same_code_leads_to_the_same(place: Path) -> None:
    before = data("list", place)

    done = run("replay c-1 c-2 --agent bot.py:Bot", place)

    assert (done.returncode, done.stderr) == (0, f"2 conversations: 2 the same, 0 diverge\n{FROM_LOG}\n")
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == ["c-1", "c-2"]
    assert all(line.endswith(": the same") for line in done.stdout.splitlines())
    assert data("list", place) == before


def test_what_differs_is_told_and_is_exit_code_1(place: Path, changed: Path) -> None:
    replace(changed, 'name="save_name"' if 'name="save_name"' in changed.read_text() else "save_name", "keep_name")

    done = run("replay c-1 --agent bot.py:Bot", place)

    assert done.returncode == 1
    assert "save_name: renamed to keep_name" in done.stdout
    assert "now   refused (not_offered): Error: Tool 'save_name' is not available now" in done.stdout
    found = json.loads(run("replay c-1 --agent bot.py:Bot -o jsonl", place).stdout)
    assert not found["same"]
    assert {one["aspect"] for one in found["divergences"]} >= {"tools", "call", "step", "state"}


def test_a_log_file_is_replayed_where_nothing_else_is(place: Path, tmp_path: Path) -> None:
    assert run(f"export c-1 c-2 -o {tmp_path}/both.jsonl", place).returncode == 0

    done = run(f"replay both.jsonl --agent {place}/bot.py:Bot", tmp_path)

    assert (done.returncode, done.stderr) == (0, f"2 conversations: 2 the same, 0 diverge\n{FROM_LOG}\n")
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == ["c-1", "c-2"]
    assert [path.name for path in tmp_path.iterdir()] == ["both.jsonl"]
    assert error(f"replay ./c-9.jsonl --agent {place}/bot.py:Bot", tmp_path) == (3, "there is no file c-9.jsonl")


def test_check_says_what_would_be_stranded(place: Path, changed: Path) -> None:
    done = run("check bot.py:Bot", place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "1 open conversation: 1 same\n")

    replace(changed, 'NAME = "name"', 'NAME = "nome"')
    done = run("check bot.py:Bot --since 7d", place)

    assert (done.returncode, done.stderr) == (1, "1 open conversation: 1 strands, 0 same\n")
    assert done.stdout.startswith("c-2 in step name strands: ")
    assert "'name' is not a valid Step" in done.stdout


async def test_check_passes_over_no_conversation_that_is_damaged_at_its_end(place: Path, tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text((place / "bot.py").read_text())
    for command in (f"export c-2 -o {tmp_path}/c-2.jsonl --home {place}/.arf", "import c-2.jsonl"):
        assert run(command, tmp_path).returncode == 0
    async with Client.connect(home=tmp_path / ".arf") as client:
        log = client.substrate.log
        assert isinstance(log, FrameLog)
        await put_raw(log._records, b"garbage", (await client.last("c-2")).head.position, ConversationId("c-2"))

    done = run("check bot.py:Bot --since 7d", tmp_path)

    assert (done.returncode, done.stderr) == (1, "1 open conversation: 0 same, 1 unreadable\n")
    assert done.stdout.startswith("c-2 unreadable: conversation 'c-2', position ")


@pytest.mark.parametrize(
    "command", ["replay c-2 --agent", "check", "replay c-2 --model live --agent", "save-test c-2 --to kept --agent"]
)
def test_what_author_code_prints_does_not_get_into_the_data(place: Path, command: str) -> None:
    (place / "loud.py").write_text(
        "from bot import Bot\nprint('loaded')\n"
        "class Loud(Bot):\n    def get_system_prompt(self, state):\n"
        "        print('asked')\n        return super().get_system_prompt(state)\n"
        "agent = Loud()\n"
    )

    done = run(f"{command} loud.py:agent -o json", place)

    assert "loaded" in done.stderr
    assert json.loads(done.stdout)


def test_an_agent_that_cannot_run_is_said_once_and_not_of_each_conversation(place: Path) -> None:
    (place / "wrong.py").write_text(
        "from agent_runtime_framework import JourneyConfig\nfrom bot import Bot\n"
        "agent = Bot()\nagent.config = JourneyConfig(on_new_version='pinned')\n"
    )

    code, message = error("check wrong.py:agent", place)

    assert code == 2
    assert message.startswith("`on_new_version` of 'bot' must be continue, pin, or")


def test_a_conversation_becomes_a_test_that_pytest_runs(place: Path, changed: Path, tmp_path: Path) -> None:
    done = run(f"save-test c-1 c-2 --agent bot.py:Bot --to {tmp_path}", place)
    assert done.returncode == 0, done.stderr
    there = "".join(f"{tmp_path}/logs/bot/{name}.jsonl: is there already\n" for name in ("c-1", "c-2"))
    assert run(f"save-test c-1 c-2 --to {tmp_path}", place).stdout == there
    (tmp_path / "bot.py").write_text(changed.read_text())

    assert pytest_in(tmp_path).returncode == 0
    replace(tmp_path / "bot.py", "save_name", "keep_name")
    failing = pytest_in(tmp_path)
    assert failing.returncode == 1, failing.stdout
    assert "renamed to keep_name" in failing.stdout


def pytest_in(directory: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(directory)]
    return subprocess.run(
        command, cwd=directory, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


def test_a_saved_log_that_went_on_is_written_anew_only_with_update(place: Path, tmp_path: Path) -> None:
    assert run(f"save-test c-2 --agent bot.py:Bot --to {tmp_path}", place).returncode == 0
    file = tmp_path / "logs" / "bot" / "c-2.jsonl"
    assert run(f"export c-1 -o {file}", place).returncode == 0

    code, message = error(f"save-test c-2 --to {tmp_path}", place)

    assert (code, message) == (4, f"{file} holds another log of 'c-2': write it anew with --update")
    assert run(f"save-test c-2 --to {tmp_path} --update", place).stdout == f"{file}: updated\n"


def test_a_log_that_did_not_go_on_is_left_wherever_it_is_kept(place: Path, tmp_path: Path) -> None:
    assert run("fork c-1 --as f-1", place).returncode == 0
    assert run(f"save-test f-1 --agent bot.py:Bot --to {tmp_path}", place).returncode == 0

    assert run(f"save-test f-1 --to {tmp_path}", place).stdout == f"{tmp_path}/logs/bot/f-1.jsonl: is there already\n"


def test_a_saved_log_that_was_broken_is_written_anew_with_update(place: Path, tmp_path: Path) -> None:
    assert run(f"save-test c-1 --agent bot.py:Bot --to {tmp_path}", place).returncode == 0
    file = tmp_path / "logs" / "bot" / "c-1.jsonl"
    whole = file.read_text()
    replace(file, "Ada", "Eve")

    assert error(f"save-test c-1 --to {tmp_path}", place)[0] == 4
    assert run(f"save-test c-1 --to {tmp_path} --update", place).stdout == f"{file}: updated\n"
    assert file.read_text() == whole


def test_the_agent_of_a_test_that_is_there_stays(place: Path, tmp_path: Path) -> None:
    assert run(f"save-test c-1 --agent bot.py:Bot --to {tmp_path}", place).returncode == 0

    done = run(f"save-test c-2 --agent {place}/bot.py:Bot --to {tmp_path}", place)

    test = tmp_path / "test_replays_bot.py"
    assert f"{test}: is there already, and names the agent otherwise than --agent\n" in done.stdout
    assert '"bot.py:Bot"' in test.read_text()


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("replay c-9 --agent bot.py:Bot", 3, "no conversation 'c-9'"),
        ("replay c-1 --agent bot.py:Nobody", 2, "has no attribute 'Nobody'"),
        ("replay c-1 --agent bot.py:Bot --ignore words", 2, "there is no such aspect; use outcome, reply"),
        ("check bot.py:Bot --since yesterday", 2, "say how long ago, such as 7d, 12h or 30m"),
        ("save-test c-1 --agent bot.py:Bot --to /proc/none", 2, "/proc/none/logs/bot cannot be made: No such file"),
        ("save-test c-1 --to empty", 2, "name the agent that it replays with --agent MODULE:ATTR"),
    ],
)
def test_what_cannot_be_done_is_one_line(place: Path, command: str, code: int, says: str) -> None:
    found, message = error(command, place)
    assert found == code
    assert says in message

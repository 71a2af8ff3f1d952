"""The command line `arf`, as processes over an embedded server."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.command_line import bots, data, error, in_use, run, worker
from support.processes import ARF, environment, wait_for


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    """A directory with agents in `bot.py`."""
    return bots(tmp_path)


def test_the_workers_first_line_says_that_it_is_ready_and_where(bot: Path) -> None:
    with worker("bot:Bot ./bot.py:Other", bot) as working:
        assert working.first.startswith("ready: durability fsync, server nats://127.0.0.1:")
        assert working.first.endswith(
            f" (embedded, {bot}/.arf), namespace arf, agents bot, other, 32 of 32 partitions\n"
        )
        working.process.send_signal(signal.SIGINT)
        assert working.rest() == "leaving: what runs is finished first, for 30 s at most\n"
        assert working.process.wait() == 0
    assert in_use(bot / ".arf") == []


def test_a_worker_that_is_told_to_leave_finishes_the_turn_that_runs(bot: Path) -> None:
    with worker("bot:Bot", bot) as working:
        send = subprocess.Popen(
            [*ARF, "send", "bot", "c", "hold"], cwd=bot, env=environment(), stdout=subprocess.PIPE, text=True
        )
        wait_for(bot / "held")
        now = data("state c", bot)
        working.process.terminate()
        assert working.process.stderr is not None
        assert working.process.stderr.readline().startswith("leaving")
        (bot / "let-go").touch()
        assert (working.process.wait(timeout=20), working.rest()) == (0, "")
        reply, _ = send.communicate(timeout=20)

    assert (now["status"], now["owed"]["kind"], now["owed"]["name"]) == ("running", "tool", "hold")
    assert (send.returncode, reply) == (0, "You said: Let go\n")
    assert "turn.resumed" not in [event["type"] for event in data("log c", bot)]
    assert in_use(bot / ".arf") == []


def test_a_second_signal_ends_what_runs_and_the_next_worker_goes_on(bot: Path) -> None:
    with worker("bot:Bot", bot) as working:
        id_ = run("send bot c hold --no-wait", bot).stdout.strip()
        wait_for(bot / "held")
        while working.process.poll() is None:  # what follows the first signal at once counts as the first
            working.process.terminate()
            time.sleep(0.05)
        said = working.rest()
    assert working.process.returncode == 130
    assert said.splitlines()[-1] == "left at once: the next worker goes on with what was running"
    (bot / "let-go").touch()
    with worker("bot:Bot", bot):
        assert run(f"send bot c hold --id {id_}", bot).returncode == 0
    assert "turn.resumed" in [event["type"] for event in data("log c", bot)]


def test_a_command_that_is_told_to_end_leaves_no_server_behind(bot: Path) -> None:
    send = subprocess.Popen([*ARF, "send", "bot", "c", "hi"], cwd=bot, env=environment(), stdout=subprocess.PIPE)
    wait_for(bot / ".arf" / "server.pid")
    send.terminate()
    out, _ = send.communicate(timeout=20)
    assert (send.returncode, out) == (128 + signal.SIGTERM, b"")
    assert in_use(bot / ".arf") == []


def test_a_tool_that_blocks_does_not_hold_up_the_end_beyond_the_grace(bot: Path) -> None:
    (bot / "slow.py").write_text(
        "import time\nfrom pathlib import Path\nimport bot\n"
        "class Slow(bot.Bot):\n"
        "    def execute_tool(self, tools, name, arguments):\n"
        "        Path('held').touch()\n"
        "        time.sleep(30)\n"
    )
    with worker("slow:Slow --grace 0.2", bot) as working:
        assert run("send bot c hold --no-wait", bot).returncode == 0
        wait_for(bot / "held")
        working.process.terminate()
        assert working.process.wait(timeout=10) == 0
        assert "1 turns did not finish within 0.2 s" in working.rest()


def test_a_worker_without_a_model_says_so_before_it_connects(bot: Path) -> None:
    code, message = error("worker bot:Modelless", bot)
    assert (code, message) == (
        1,
        "agent 'modelless' has no model to talk to: there is no API key: set OPENAI_API_KEY, or OPENAI_BASE_URL for a "
        "server that needs none; or give --offline, to try it with the offline model",
    )
    assert not (bot / ".arf").exists()


def test_a_worker_says_which_of_its_agents_talks_to_the_offline_model(bot: Path) -> None:
    with worker("bot:Bot bot:Modelless --offline", bot) as working:
        assert ", agents bot, modelless (offline model), 32 of 32 partitions" in working.first


def test_what_a_tool_raises_is_one_line_in_the_workers_log(bot: Path) -> None:
    with worker("bot:Bot", bot) as working:
        assert run("send bot c burst", bot).stdout == "You said: Error executing burst: it burst\n"
        failed = run("send bot c fail", bot)
        working.process.terminate()
        said = working.rest().splitlines()
    assert (failed.returncode, failed.stderr.count("\n"), failed.stdout) == (1, 1, "")
    assert "ValueError: no idea" in failed.stderr
    assert re.fullmatch(r"\S+ \S+ WARNING c: tool 'burst' raised \(ValueError: it burst, bot.py line \d+\)", said[0])
    assert "Traceback" not in "".join(said)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nowhere:bot", "No module named 'nowhere'"),
        ("bot:nothing", "'bot' has no attribute 'nothing'"),
        ("bot", "use MODULE:ATTR"),
        ("missing.py:bot", "No such file"),
        ("bot:Greeting", "it must be a JourneyAgent"),
        ("bot:Bot bot:Bot", "two agents have the key 'bot'"),
    ],
)
def test_an_agent_that_cannot_be_loaded_is_a_wrong_use(bot: Path, spec: str, says: str) -> None:
    code, message = error(f"worker {spec}", bot)
    assert code == 2
    assert says in message
    assert not (bot / ".arf").exists()


@pytest.mark.parametrize("command", ["send bot 'not an id' hi", "send 'no key' c-1 hi", "log a.b", "state '*'"])
def test_a_bad_id_is_a_wrong_use_and_creates_nothing(tmp_path: Path, command: str) -> None:
    code, message = error(command, tmp_path)
    assert code == 2
    assert "use 1 to 128 characters out of A-Z a-z 0-9 _ -" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["log c-1", "state c-1", "list", "list --home elsewhere", "list --home ."])
def test_reading_where_nothing_is_finds_nothing_and_creates_nothing(tmp_path: Path, command: str) -> None:
    code, message = error(command, tmp_path)
    assert code == 3
    assert str(tmp_path) in message
    assert "the first `arf worker`, `chat` or `dev` " in message
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, message = error("log c-1 --nats nats://127.0.0.1:1", tmp_path)
    assert code == 1
    assert message.startswith("no NATS server answers at nats://127.0.0.1:1 ")
    assert message.endswith("): start it, or name another")


def test_a_traceback_is_shown_only_when_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise KeyError('oh')")
    code, message = error("worker broken:agent", tmp_path)
    assert (code, message) == (2, "cannot load 'broken' of 'broken:agent': KeyError: 'oh' (broken.py, line 1)")
    done = run("--debug worker broken:agent", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback (most recent call last)" in done.stderr
    assert "broken.py" in done.stderr
    assert done.stderr.splitlines()[-1] == f"error: {message}"

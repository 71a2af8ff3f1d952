"""`arf demo`, as a person or a script runs it."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import pytest

from agent_runtime_framework.events import FrameworkError
from agent_runtime_framework.runtime.cli.running.child import worker_process
from agent_runtime_framework.runtime.cli.talking.demo import SPEC
from agent_runtime_framework.runtime.opening import Place
from support.command_line import data, in_use, run
from support.processes import ARF, SOURCES, environment

TALK = "hi\nI am Ada\nada@example.org\npro\n"
TYPED = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


class Shown(NamedTuple):
    """What a demo printed, and where."""

    directory: Path
    text: str
    conversation: str


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """The demo as the issue has it."""
    directory = tmp_path_factory.mktemp("demo")
    done = run("demo", directory, stdin=TALK, env=TYPED)
    assert (done.returncode, done.stderr) == (0, "")
    assert in_use(directory / ".arf") == []
    found = re.search(r"^conversation: (demo-\w+)$", done.stdout, re.MULTILINE)
    assert found
    yield Shown(directory, done.stdout, found[1])
    assert in_use(directory / ".arf") == []


def test_the_talk_runs_through_to_the_end_by_itself(shown: Shown) -> None:
    said = re.findall(r"^(you|onboarding)> (.*)$", shown.text, re.MULTILINE)
    assert [who for who, _ in said] == ["you", "onboarding"] * 4
    assert [words for who, words in said if who == "you"] == TALK.splitlines()
    assert all(words for _, words in said)
    assert "\npath: welcome -> name -> email -> plan -> trial -> complete\n" in shown.text


def test_the_model_is_named_in_one_line(shown: Shown) -> None:
    assert shown.text.splitlines()[0] == "model: offline-demo, the offline model: a few rules, no network"


def test_the_log_is_a_table_of_all_events(shown: Shown) -> None:
    rows = re.findall(r"^ *(\d+) \d\d:\d\d:\d\d +(\d+) (\S+) +(\S.*)$", shown.text, re.MULTILINE)
    events = data(f"log {shown.conversation}", shown.directory)
    assert [(number, turn, type_) for number, turn, type_, _ in rows] == [
        (str(event["version"]), str(event["turn"]), event["type"]) for event in events
    ]
    assert re.search(r"^ *# time +turn event +what$", shown.text, re.MULTILINE)


def test_state_and_list_know_the_demos_conversation(shown: Shown) -> None:
    now = data(f"state {shown.conversation}", shown.directory)
    assert now["state"] == {
        "step": "complete",
        "name": "Ada",
        "email": "ada@example.org",
        "email_problem": "",
        "plan": "pro",
    }
    (listed,) = data("list", shown.directory)
    assert (listed["conversation"], listed["agent"], listed["turns"]) == (shown.conversation, "onboarding", 4)


def test_the_commands_to_type_next_work_as_typed(shown: Shown) -> None:
    log, state, worker, send = re.findall(r"^  (\S.*)$", shown.text.partition("Next, from this")[2], re.MULTILINE)

    def typed(command: str) -> str:
        done = subprocess.run(
            command,
            shell=True,
            cwd=shown.directory,
            env={**environment(), **TYPED},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert typed(log).count("\n") >= 50
    assert re.search(r"^step +name *$", typed(state), re.MULTILINE)
    running = subprocess.Popen(
        f"exec {worker}",
        shell=True,
        cwd=shown.directory,
        env={**environment(), **TYPED},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stderr is not None
        assert "agents onboarding (offline model), 16 of 16 partitions" in running.stderr.readline()
        assert typed(send).strip()
    finally:
        running.terminate()
        running.communicate()
    assert running.returncode == 0


def test_a_wrong_email_is_asked_for_again(tmp_path: Path) -> None:
    talk = "hi\nI am Ada\nada@nowhere\nada@example.org\nfree\n"
    done = run("demo -o json --namespace other", tmp_path, stdin=talk)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["path"] == ["welcome", "name", "email", "email_again", "plan", "complete"]
    assert [said["role"] for said in told["talk"]] == ["you", "onboarding"] * 5
    assert told["spent"]["turns"] == 5
    assert told["events"] == data(f"log {told['conversation']} --namespace other", tmp_path)
    assert [shlex.split(command)[-2:] for command in told["next"]] == [["--namespace", "other"]] * 3
    assert in_use(tmp_path / ".arf") == []


def test_a_line_that_cannot_be_taken_is_not_said(tmp_path: Path) -> None:
    done = run("demo -o json", tmp_path, stdin=f"{'long ' * 60_000}\nhi\n")
    assert done.returncode == 1
    assert re.fullmatch(r"error: the message has \d+ bytes, at most \d+ are taken\n", done.stderr)
    assert [said["content"] for said in json.loads(done.stdout)["talk"] if said["role"] == "you"] == ["hi"]


def test_a_talk_in_which_nothing_is_said_is_a_wrong_use(tmp_path: Path) -> None:
    done = run("demo", tmp_path, stdin="\n")
    assert done.returncode == 2
    assert done.stderr == "error: nothing was said: give each message as a line of stdin, or type it at a terminal\n"
    assert in_use(tmp_path / ".arf") == []


def test_at_a_terminal_the_talk_ends_with_the_journey(tmp_path: Path) -> None:
    with Terminal(tmp_path) as terminal:
        for line in ("hi", "I am Ada", "ada@example.org", "free"):
            terminal.read_until("you> ")
            terminal.press(f"{line}\n")
        terminal.read_until("Next, from this directory")
    assert terminal.code == 0
    assert "path: welcome -> name -> email -> plan -> complete" in terminal.shown
    assert in_use(tmp_path / ".arf") == []


@pytest.mark.parametrize("said", [[], ["hi\n"]])
def test_ctrl_c_ends_the_talk_the_worker_and_the_server(tmp_path: Path, said: list[str]) -> None:
    with Terminal(tmp_path) as terminal:
        for line in (*said, "\x03"):
            terminal.read_until("you> ")
            terminal.press(line)
    assert terminal.code == 128 + signal.SIGINT
    assert ("path: welcome -> name" in terminal.shown) == bool(said)
    assert "Traceback" not in terminal.shown
    assert in_use(tmp_path / ".arf") == []


def test_ctrl_c_before_the_worker_is_ready_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen([*ARF, "demo"], cwd=tmp_path, env=environment(), stdin=subprocess.PIPE) as process:
        while not (tmp_path / ".arf" / "server.pid").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 128 + signal.SIGINT
    assert in_use(tmp_path / ".arf") == []


async def test_a_worker_that_ends_at_its_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(FrameworkError, match=r"ended at its start with exit code 2: error: cannot load 'nowhere'"):
        async with worker_process("nowhere:agent", Place(home=tmp_path / ".arf")) as worker:
            await worker.ready()


async def test_a_worker_that_dies_meanwhile_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(FrameworkError, match=r"the worker ended by signal 9"):
        async with worker_process(SPEC, Place(home=tmp_path / ".arf")) as worker:
            await worker.ready()
            os.kill(worker._process.pid, signal.SIGKILL)
            await worker.died()
    assert run("list", tmp_path).returncode == 0  # uses the server that was left, and is its last user
    assert in_use(tmp_path / ".arf") == []


def test_a_model_that_refuses_fails_each_turn_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "agent_runtime_core").mkdir()
    (tmp_path / "agent_runtime_core" / "__init__.py").touch()
    (tmp_path / "agent_runtime_core" / "llm.py").write_text(
        "class Client:\n"
        "    model = 'sulky'\n"
        "    async def generate(self, messages, tools=None, **_):\n"
        "        raise ValueError('not today')\n"
        "def get_llm_client(**_):\n"
        "    return Client()\n"
    )
    environment_ = {"OPENAI_API_KEY": "any", "PYTHONPATH": f"{SOURCES}:{tmp_path}"}
    done = run("demo", tmp_path, stdin="hi\nhello\n", env=environment_)
    assert done.returncode == 1
    assert done.stdout.startswith("model: sulky (Client)\n")
    failed = [
        re.match(r"error: turn (\d) of 'demo-\w+' failed .*ValueError: not today", line)
        for line in done.stderr.splitlines()
    ]
    assert [line and line[1] for line in failed] == ["1", "2"]
    assert in_use(tmp_path / ".arf") == []


TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """Is a demo at a terminal of its own."""

    def __init__(self, directory: Path) -> None:
        self.shown = ""
        self._descriptor, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *ARF, "demo"],
            cwd=directory,
            env={**environment(), "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def code(self) -> int:
        """The exit code, once the block is over."""
        return self._process.wait()

    def press(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._descriptor, keys.encode())

    def read_until(self, text: str) -> None:
        """Return once the text was shown, after what was read before."""
        seen = len(self.shown)
        while text not in self.shown[seen:]:
            assert self._read(), f"{text!r} was not shown:\n{self.shown}"

    def _read(self) -> bool:
        try:
            piece = os.read(self._descriptor, 65536).decode()
        except OSError:  # how Linux says that the other end is closed
            piece = ""
        self.shown += piece.replace("\r\n", "\n")
        return bool(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if raised[0] is not None:
            self._process.terminate()
        while self._read():
            pass
        self._process.wait()
        os.close(self._descriptor)

"""`arf chat`, as scripts use it; at a terminal it is tested in test_terminal.py."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command_line import error, run, worker
from support.processes import ARF, environment
from support.talks import log_of, nothing_runs, served, talk_bots, wait_until


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A directory with agents in `bot.py` and `talks.py`."""
    return talk_bots(tmp_path)


@pytest.fixture
def place(bare: Path) -> Iterator[Path]:
    """The same, with its server running."""
    with served(bare):
        yield bare


def test_each_line_of_stdin_is_a_message_and_an_existing_conversation_goes_on(place: Path) -> None:
    first = run("chat bot.py:Bot --conversation c", place, stdin="hello\n\nsave_name Ada")
    before = log_of(place, "c")
    second = run("chat bot:Bot --conversation c -o jsonl", place, stdin="and again\n")

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == (
        "model: Model\nconversation: c\n\n"
        "you> hello\nbot> You said: hello\n"
        'you> save_name Ada\n  11.0 save_name(name="Ada") [once]\n  step: name -> done\nbot> You said: Saved Ada\n'
    )
    assert (second.returncode, second.stderr) == (0, "")
    after = log_of(place, "c")
    assert after[: len(before)] == before
    assert [json.loads(line) for line in second.stdout.splitlines()] == after[len(before) :]
    assert [event["data"]["text"] for event in after if event["type"] == "user.spoke"][2:] == ["and again"]


def test_a_talk_as_one_document_is_the_log_of_its_conversation(place: Path) -> None:
    done = run("chat bot:Bot -o json", place, stdin="hello\n")
    assert (done.returncode, done.stderr) == (0, "")
    events = json.loads(done.stdout)
    conversation = events[0]["id"].partition("@")[0]
    assert re.fullmatch(r"chat-[a-z2-7]{8}", conversation)
    assert events == log_of(place, conversation)


def test_a_message_without_a_reply_is_told_and_the_talk_goes_on(place: Path) -> None:
    done = run("chat bot:Bot --conversation c", place, stdin=f"fail\n{'long ' * 60_000}\nhello\n")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1
    assert re.fullmatch(r"error: turn 1 of 'c' failed \(model_error\): ValueError: no idea", errors[0])
    assert re.fullmatch(r"error: the message has \d+ bytes, at most \d+ are taken", errors[1])
    assert len(errors) == 2
    assert done.stdout.endswith("you> hello\nbot> You said: hello\n")
    assert "Traceback" not in done.stderr


def test_an_agent_without_a_model_talks_to_the_offline_one(place: Path) -> None:
    done = run("chat bot:Modelless", place, stdin="hello\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("model: offline-demo, the offline model: a few rules, no network\n")
    assert re.search(r"^modelless> \w", done.stdout, re.MULTILINE)


def test_a_model_that_is_configured_wrongly_is_not_replaced_by_the_offline_one(
    place: Path,
) -> None:
    done = subprocess.run(
        [*ARF, "chat", "bot:Modelless"],
        cwd=place,
        env=environment(OPENAI_BASE_URL="localhost:8000"),
        input="hello\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "OPENAI_BASE_URL must begin with http:// or https://" in done.stderr
    assert "--offline" not in done.stderr


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nowhere:bot", "cannot load 'nowhere' of 'nowhere:bot': ModuleNotFoundError: No module named 'nowhere'"),
        ("broken.py:agent", "cannot load 'broken.py' of 'broken.py:agent': SyntaxError: '(' was never closed"),
    ],
)
def test_an_agent_that_cannot_be_loaded_is_a_wrong_use_and_creates_nothing(bare: Path, spec: str, says: str) -> None:
    (bare / "broken.py").write_text("agent = (\n")
    code, message = error(f"chat {spec}", bare)
    assert (code, message[: len(says)]) == (2, says)
    assert not (bare / ".arf").exists()


def test_a_talk_is_with_one_agent(bare: Path) -> None:
    (bare / "both.py").write_text("from bot import Bot, Other\nagents = [Bot, Other]\n")
    code, message = error("chat both:agents", bare)
    assert (code, message) == (2, "that is 2 agents (bot, other), and a talk is with one: name the one")
    assert nothing_runs(bare)


def test_what_a_tool_prints_is_told_and_what_it_starts_has_nothing_to_read(place: Path) -> None:
    done = run("chat talks:Rough", place, stdin="chat\nread\n")
    assert (done.returncode, done.stderr) == (0, "printed by a tool\n")
    assert done.stdout.endswith(
        "you> chat\n  5.0 chat() [idempotent]\nrough> It said: chat\n"
        "you> read\n  15.0 read() [idempotent]\nrough> It said: nothing\n"
    )


def test_a_worker_that_dies_ends_the_talk_and_the_next_talk_goes_on(bare: Path) -> None:
    died = run("chat talks:Rough --conversation c", bare, stdin="exit\nhello\n")
    assert died.returncode == 1
    assert died.stderr.splitlines() == ["good-bye", "error: the worker ended with exit code 7: good-bye"]
    assert nothing_runs(bare)
    (bare / "talks.py").write_text((bare / "talks.py").read_text().replace("os._exit(7)", 'return "back"'))
    again = run("chat talks:Rough --conversation c", bare, stdin="hello\n")
    assert again.returncode == 0
    assert "  turn 1, attempt 2\n  5.0 exit() [idempotent, attempt 2]\nrough> It said: back\n" in again.stdout
    assert again.stdout.endswith("rough> It said: hello\n")


def test_a_talk_that_is_killed_leaves_nothing_running(bare: Path) -> None:
    with subprocess.Popen(
        [*ARF, "chat", "talks:Slow", "--conversation", "c"], cwd=bare, env=environment(), stdin=subprocess.PIPE
    ) as talk:
        assert talk.stdin is not None
        talk.stdin.write(b"hello\n")
        talk.stdin.flush()
        wait_until(lambda: run("log c", bare).returncode == 0, "the first message")
        for number in range(3):
            (bare / f"word-{number}").touch()  # the worker finishes its turn before it leaves
        talk.send_signal(signal.SIGKILL)
    wait_until(lambda: nothing_runs(bare), "the end of worker and server")
    assert log_of(bare, "c")[-1]["type"] == "turn.completed"


def test_another_worker_of_the_agent_is_said_to_answer_with_its_own_code(place: Path) -> None:
    with worker("bot:Bot", place):
        done = run("chat bot:Bot", place, stdin="hello\n")
    assert done.returncode == 0
    says = r"another worker holds \d+ of 16 partitions of agent 'bot': as long as it lives it answers there, .*\n"
    assert re.fullmatch(says, done.stderr)
    assert done.stdout.endswith("bot> You said: hello\n")

"""`arf follow`: what is recorded, and then what comes, whatever becomes of the server."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework.testing import NatsServer
from support.command_line import data, error, run, worker
from support.followers import Follower
from support.talks import log_of, nothing_runs, talk_bots, wait_until

INTERRUPTED = 128 + signal.SIGINT


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory with a worker for `bot` and a conversation `c`."""
    directory = talk_bots(tmp_path)
    with worker("bot:Bot", directory):
        assert run("send bot c hello", directory).returncode == 0
        yield directory
    assert nothing_runs(directory)


def test_a_follower_tells_what_is_recorded_and_then_what_comes_as_the_log_does(place: Path) -> None:
    with Follower("follow c", place) as text, Follower("follow c -o jsonl", place) as objects:
        for follower in (text, objects):
            follower.read_until("turn.completed")
        assert run("send bot c 'save_name Ada'", place).returncode == 0
        for follower in (text, objects):
            follower.read_until("turn.completed")
        assert text.interrupt() == objects.interrupt() == (INTERRUPTED, "")
    assert objects.objects() == log_of(place, "c")
    assert text.text == run("log c", place, env={"COLUMNS": "200"}).stdout


def test_a_follower_begins_at_any_version_and_knows_what_was_before(place: Path) -> None:
    assert run("send bot c 'save_name Ada'", place).returncode == 0
    events = log_of(place, "c")
    start = next(event["version"] for event in events if event["type"] == "tool.started")
    with (
        Follower(f"follow c --from {start}", place) as text,
        Follower(f"follow c --from {start} -o jsonl", place) as rest,
    ):
        first = text.read_until("\n")
        text.read_until("turn.completed")
        rest.read_until("turn.completed")
        assert rest.interrupt() == (INTERRUPTED, "")
    assert 'save_name(name="Ada") [once]' in first
    assert rest.objects() == events[start - 1 :]


def test_tokens_are_told_as_they_come_and_are_no_events(place: Path) -> None:
    assert run("send slow s hello --no-wait", place).returncode == 0
    with worker("talks:Slow", place):
        wait_until(lambda: run("log s", place).returncode == 0, "the first message")
        with Follower("follow s --tokens -o jsonl", place) as objects, Follower("follow s --tokens", place) as text:
            for follower in (objects, text):
                follower.read_until("model.requested")
            for number, words in enumerate(("One ", "two ", r"three\.")):
                (place / f"word-{number}").touch()
                objects.read_until(words)
                text.read_until(words)
            for follower in (objects, text):
                follower.read_until("turn.completed")
    tokens = [heard for heard in objects.objects() if heard["type"] == "token"]
    asked = next(event["version"] for event in log_of(place, "s") if event["type"] == "model.requested")
    where = {"type": "token", "turn": 1, "request": asked, "attempt": 1}
    assert tokens == [
        {**where, "number": number, "text": word} for number, word in enumerate(("One ", "two ", "\x1b[31mthree."))
    ]
    assert [heard for heard in objects.objects() if heard["type"] != "token"] == log_of(place, "s")
    assert "\nOne two \\x1b[31mthree.\n" in text.text


def test_a_follower_goes_on_when_its_embedded_server_was_killed(place: Path) -> None:
    with Follower("follow c -o jsonl", place) as follower:
        follower.read_until("turn.completed")
        os.kill(int((place / ".arf" / "server.pid").read_text()), signal.SIGKILL)
        assert run("send bot c 'save_name Ada'", place).returncode == 0
        follower.read_until("turn.completed")
        code, said = follower.interrupt()
    assert (code, "Traceback" in said) == (INTERRUPTED, False)
    assert follower.objects() == log_of(place, "c")


def test_a_follower_goes_on_when_a_server_elsewhere_comes_back(tmp_path: Path) -> None:
    talk_bots(tmp_path)
    with NatsServer(tmp_path) as server:
        there = f"--nats {server.url}"
        assert run(f"chat bot:Bot --conversation c {there}", tmp_path, stdin="hello\n").returncode == 0
        with Follower(f"follow c -o jsonl {there}", tmp_path) as follower:
            follower.read_until("turn.completed")
            server.kill()
            server.start()
            assert run(f"chat bot:Bot --conversation c {there}", tmp_path, stdin="again\n").returncode == 0
            follower.read_until("turn.completed")
            assert follower.interrupt()[0] == INTERRUPTED
        assert follower.objects() == data(f"log c {there}", tmp_path)
    assert not (tmp_path / ".arf").exists()


def test_what_cannot_be_followed_is_said_in_one_line(place: Path) -> None:
    assert error("follow nobody", place) == (3, f"no conversation 'nobody' (namespace 'arf' in {place}/.arf)")
    assert error("follow c -o json", place) == (
        2,
        "a conversation that is followed has no end, so it is no one JSON document: use -o jsonl",
    )
    code, message = error("follow a.b", place)
    assert (code, message) == (2, "conversation id 'a.b' is not valid: use 1 to 128 characters out of A-Z a-z 0-9 _ -")

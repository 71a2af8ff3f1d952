"""What bad input, a bad place and a lost server come to: one clear line or recovery, and nothing left behind."""

import asyncio
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework.events import START, ConversationId, ConversationStarted, Frame, StateChanged
from agent_runtime_framework.runtime.client import Client
from support.command_line import error, run, worker
from support.processes import ARF, environment
from support.talks import log_of, logs_of, nothing_runs, served, talk_bots, wait_until
from support.terminal import Terminal

PATTERN = "use 1 to 128 characters out of A-Z a-z 0-9 _ -"
NOWHERE = "nats://127.0.0.1:1"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with agents in `bot.py` and `talks.py`."""
    return talk_bots(tmp_path)


@pytest.fixture
def running(place: Path) -> Iterator[Path]:
    """The same, with its server running."""
    with served(place):
        yield place


async def begun(directory: Path, *conversations: str) -> None:
    """Record three frames of conversations of the agent `bot`."""
    started = ConversationStarted(agent="bot", journey_hash="", state={})
    async with Client.connect(home=directory / ".arf") as client:
        for conversation in map(ConversationId, conversations):
            frame = Frame(first=1, time=0, writer="w", agent="bot", events=(started,))
            head = (await client.substrate.log.append(conversation, frame, START)).head
            for first in (2, 3):
                more = Frame(first=first, time=0, writer="w", agent="bot", prev=head.hash, events=(StateChanged(),))
                head = (await client.substrate.log.append(conversation, more, head)).head


@pytest.mark.parametrize(
    "command",
    [
        "chat bot:Bot --conversation 'a b'",
        "dev bot:Bot --conversation a/b",
        f"send bot {'c' * 129} hi",
        "send bot c hi --id 'no id'",
        "list --namespace a.b",
    ],
)
def test_a_bad_id_is_shown_with_the_pattern_and_creates_nothing(place: Path, command: str) -> None:
    code, message = error(command, place)
    assert (code, PATTERN in message) == (2, True)
    assert not (place / ".arf").exists()


def test_an_empty_message_is_not_taken(place: Path) -> None:
    for text, stdin in (("''", ""), ("'  '", ""), ("-", "\n")):
        assert error(f"send bot c {text}", place, stdin=stdin) == (2, "the message is empty: say something")
    assert not (place / ".arf").exists()


def test_a_message_of_five_megabytes_is_not_taken(place: Path) -> None:
    code, message = error("send bot c -", place, stdin="x" * 5_000_000)
    assert (code, message) == (2, "the message has 5000002 bytes, at most 262144 are taken")
    assert not (place / ".arf").exists()
    talk = run("chat bot:Bot -o json", place, stdin=f"{'x' * 5_000_000}\nhello\n")
    assert (talk.returncode, talk.stderr) == (1, f"error: {message}\n")
    said = [event["data"]["text"] for event in json.loads(talk.stdout) if event["type"] == "user.spoke"]
    assert said == ["hello"]
    assert nothing_runs(place)


def test_bytes_that_are_no_text_are_not_taken(place: Path) -> None:
    for command, stdin in ((b"-", b"\xff\xfe"), (b"\xff", b"")):
        done = subprocess.run(
            [*ARF, "send", "bot", "c", command],
            cwd=place,
            env=environment(),
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert not (place / ".arf").exists()


def test_metadata_is_recorded_and_reaches_the_agent(place: Path) -> None:
    with worker("talks:Rough", place):
        reply = run("send rough c meta --meta channel=web --meta 'note=a=b c' --meta empty=", place)
        said = [event["data"].get("metadata") for event in log_of(place, "c") if event["type"] == "user.spoke"]
    meta = {"channel": "web", "note": "a=b c", "empty": ""}
    assert (reply.returncode, json.loads(reply.stdout.removeprefix("It said: "))) == (0, meta)
    assert said == [meta]


def test_a_message_to_an_agent_without_a_worker_is_kept_and_its_reply_can_be_fetched(place: Path) -> None:
    began = time.monotonic()
    with subprocess.Popen(
        [*ARF, "send", "bot", "c", "hello you", "--timeout", "2"],
        cwd=place,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as send:
        assert send.stderr is not None
        first, at_once = send.stderr.readline(), time.monotonic() - began
        out, rest = send.communicate(timeout=20)
        waited = time.monotonic() - began
    assert first == "no worker answers for agent 'bot' now: start one with `arf worker`; waiting for one for 2 s\n"
    assert (send.returncode, out) == (1, "")
    assert waited - at_once > 1.5
    alone = (
        "no reply from 'bot' within 2 s, and no worker answers for agent 'bot' now; message .* is kept until one does"
    )
    later = re.fullmatch(rf"error: {alone}; fetch the reply later with: (.*)\n", rest)
    assert later
    with worker("bot:Bot", place):
        words = shlex.split(later[1])
        fetched = run(shlex.join(words[words.index("send") :]), place)
        assert (fetched.returncode, fetched.stdout, fetched.stderr) == (0, "You said: hello you\n", "")
    assert [event["type"] for event in log_of(place, "c")].count("user.spoke") == 1
    assert nothing_runs(place)


async def test_another_agents_conversation_is_a_conflict_and_stays_as_it_is(running: Path) -> None:
    await begun(running, "c")
    before, says = await logs_of(running, "c"), "conversation 'c' belongs to agent 'bot', not to 'other'"
    for command in ("chat bot:Other --conversation c", "send other c hi --no-wait"):
        assert error(command, running, stdin="hi\n") == (4, says)
    assert await logs_of(running, "c") == before


@pytest.mark.parametrize("command", ["chat bot:Bot", "worker bot:Bot", "send bot c hi", "follow c"])
def test_a_server_that_is_not_there_is_named_and_none_is_started(place: Path, command: str) -> None:
    code, message = error(f"{command} --nats {NOWHERE}", place)
    assert (code, message.startswith(f"no NATS server answers at {NOWHERE} ")) == (1, True)
    assert not (place / ".arf").exists()


def test_what_is_not_found_names_where_it_was_looked_for_and_creates_nothing(tmp_path: Path) -> None:
    for command, looked in (("follow c", tmp_path), ("follow c --home ./here", tmp_path / "here")):
        code, message = error(command, tmp_path)
        assert (code, str(looked) in message) == (3, True)
    assert list(tmp_path.iterdir()) == []


async def test_a_port_that_is_in_use_is_replaced_by_another(place: Path) -> None:
    await begun(place, "c")
    port = json.loads((place / ".arf" / "server.json").read_text())["port"]
    with socket.create_server(("127.0.0.1", port)):
        done = run("chat bot:Bot --conversation c", place, stdin="again\n")
        assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((place / ".arf" / "server.json").read_text())["port"] != port
    (events,) = await logs_of(place, "c")
    assert events[-1]["type"] == "turn.completed"
    assert nothing_runs(place)


def test_a_directory_that_cannot_be_written_is_named(place: Path) -> None:
    (place / "file").write_text("kept")
    for command, home in (
        ("chat bot:Bot", "file/below"),
        ("send bot c hi", "/proc/arf"),
    ):
        code, message = error(f"{command} --home {home}", place)
        assert (code, message.startswith(f"{place / home} cannot be used: ")) == (1, True)
    code, message = error("list --home file/below", place)
    assert (code, message.startswith(f"there is nothing of arf in {place}/file/below: the first ")) == (3, True)
    assert (place / "file").read_text() == "kept"


async def test_a_corrupt_home_is_said_with_what_to_do(place: Path) -> None:
    await begun(place, "c")
    home = place / ".arf"
    settings = (home / "server.json").read_bytes()
    (home / "server.json").write_bytes(settings[:-5])
    for command in ("list", "chat bot:Bot"):
        code, message = error(command, place)
        assert (code, message.startswith(f"{home / 'server.json'} cannot be read ")) == (2, True)
        assert "delete this one file" in message
    (home / "server.json").unlink()  # as it was told
    ((first, *_),) = await logs_of(place, "c")
    assert first["type"] == "conversation.started"
    (home / "jetstream").rename(home / "kept")
    (home / "jetstream").write_text("not a directory")
    for command in ("list", "chat bot:Bot"):
        code, message = error(command, place)
        assert (code, message.endswith("storage directory is not a directory")) == (1, True)
        assert message.startswith(f"nats-server did not come up in {home}: ")
    assert nothing_runs(place)


async def test_a_damaged_conversation_is_an_error_and_its_neighbours_go_on(place: Path) -> None:
    await begun(place, "c-1", "c-2", "c-3")
    before = await logs_of(place, "c-2", "c-3")
    (damaged,) = (path for path in (place / ".arf").rglob("*.blk") if b".c-1" in path.read_bytes())
    content = bytearray(damaged.read_bytes())
    assert b".c-2" not in content
    assert b".c-3" not in content
    middle = content.index(b'"first":2')
    content[middle : middle + 40] = bytes(40)
    damaged.write_bytes(content)

    with served(place):
        log = run("log c-1", place)
        talk = run("chat bot:Bot --conversation c-1", place, stdin="hello\n")
        assert await logs_of(place, "c-2", "c-3") == before
        assert run("chat bot:Bot --conversation c-2", place, stdin="more\n").returncode == 0
    assert (log.returncode, log.stderr.count("\n")) == (1, 1)
    assert re.match("error: the frame of 'c-1' at position ", log.stderr)
    assert (talk.returncode, talk.stderr.count("error: "), "Traceback" in talk.stderr) == (1, 1, False)


async def test_two_who_start_at_once_share_one_server_and_both_are_answered(place: Path) -> None:
    talks = ("chat bot:Bot --conversation c-1", "chat bot:Bot --conversation c-2")
    done = await asyncio.gather(*(asyncio.to_thread(run, talk, place, stdin="hello\nagain\n") for talk in talks))
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert nothing_runs(place)
    for events in await logs_of(place, "c-1", "c-2"):
        said = [event["type"] for event in events]
        assert (said.count("user.spoke"), said.count("agent.spoke")) == (2, 2)


def test_a_server_that_is_killed_under_a_talk_comes_back_and_the_talk_goes_on(place: Path) -> None:
    def kill_the_server() -> None:
        os.kill(int((place / ".arf" / "server.pid").read_text()), signal.SIGKILL)

    with Terminal("chat bot.py:Bot --conversation c", place, columns=300) as terminal:
        terminal.say("hold")
        wait_until((place / "held").exists, "the call of the tool")
        kill_the_server()
        (place / "let-go").touch()
        terminal.read_until("^bot> You said: Let go$")
        terminal.read_until("^you> ")
        kill_the_server()
        terminal.press("save_name Ada\n")
        terminal.read_until("^bot> You said: Saved Ada$")
        terminal.read_until("^you> ")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert nothing_runs(place)
    events = log_of(place, "c")
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    said = [event["data"]["text"] for event in events if event["type"] == "user.spoke"]
    assert (said, [event["type"] for event in events].count("tool.started")) == (["hold", "save_name Ada"], 2)
    assert terminal.text.count("lost the connection") <= 2


def test_a_home_that_is_deleted_under_a_talk_is_survived_and_leaves_nothing_running(place: Path) -> None:
    with Terminal("chat bot.py:Bot", place, columns=300) as terminal:
        terminal.say("hello")
        terminal.read_until("^bot> You said: hello$")
        with (place / ".arf" / "server.lock").open() as lock:  # held by the server for as long as it lives
            # moved first: the server takes files out, too, and whoever deletes one by one may find one gone
            shutil.rmtree((place / ".arf").rename(place / "deleted"))
            terminal.say("again")
            terminal.read_until("^bot> You said: again$")
            terminal.read_until("^you> ")
            terminal.press("\x03")
            assert terminal.end() == 128 + signal.SIGINT
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert "Traceback" not in terminal.text
    assert not (place / ".arf").exists()

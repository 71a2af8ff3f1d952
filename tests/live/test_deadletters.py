"""`arf deadletters` and `arf workers` as an operator meets them."""

import asyncio
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework import Client
from agent_runtime_framework.actors import SayToAgent
from agent_runtime_framework.events import ConversationId
from agent_runtime_framework.runtime.bus import partition_of
from agent_runtime_framework.runtime.deadletters import DeadLetters, poisoned
from agent_runtime_framework.runtime.nats import NatsBus
from agent_runtime_framework.runtime.wire import encode
from support.command_line import bots, data, error, run, worker
from support.processes import wait_for
from support.terminal import Terminal, fits

NOISE = b"\xff\x1b[31m" + b"\x00" * 900_000
POISON = "save_name Ada\x1b[0m"
ID = re.compile(r"m-[0-9a-f]{20}\n")


async def bury(home: Path, *where: str, text: str = POISON, time: int = 1_000) -> None:
    """Keep a message as a dead letter, as a worker does."""
    conversation, id_ = where
    async with Client.connect(home=home) as client:
        said = encode(SayToAgent(id=id_, agent="bot", text=text, metadata={"lang": "en"}))
        await DeadLetters(client.substrate.store).keep(
            poisoned("bot", conversation, id_, said, attempts=5, time=time), said
        )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with two dead letters of one message id, of which c-2's is the later."""
    asyncio.run(bury(tmp_path / ".arf", "c-1", "m-1", time=1_000))
    asyncio.run(bury(tmp_path / ".arf", "c-2", "m-1", time=2_000))
    return bots(tmp_path)


def names(place: Path) -> list[str]:
    return [letter["name"] for letter in data("deadletters", place)]


def test_where_there_are_none_it_says_so(tmp_path: Path) -> None:
    with worker("bot.py:Bot", bots(tmp_path)):
        done = run("deadletters", tmp_path)
        dropped = run("deadletters drop --all", tmp_path)
        doctor = {finding["name"]: finding for finding in data("doctor", tmp_path)}

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no dead letters\n")
    assert (dropped.returncode, dropped.stdout, dropped.stderr) == (0, "", "no dead letters\n")
    assert (doctor["dead letters"]["value"], doctor["dead letters"]["status"]) == ("none", "ok")
    assert data("deadletters", tmp_path) == []
    assert json.loads(run("deadletters -o json --namespace empty", tmp_path).stdout) == []


def test_they_are_listed_the_last_one_first(place: Path) -> None:
    listed = data("deadletters", place)
    assert listed[1] == {
        "name": "c-1/m-1",
        "conversation": "c-1",
        "id": "m-1",
        "agent": "bot",
        "reason": "poison",
        "error": "4 workers ended or broke in its turn, one after another; it is not tried again",
        "kept": "1970-01-01T00:00:01.000Z",
        "attempts": 4,
        "size": listed[1]["size"],
    }
    assert [json.loads(line) for line in run("-o jsonl deadletters", place).stdout.splitlines()] == listed
    lines = run("deadletters", place).stdout.splitlines()
    assert lines[0].split() == ["conversation/id", "agent", "reason", "kept"]
    assert [line.split() for line in lines[1:]] == [[f"c-{n}/m-1", "bot", "poison", "1970-01-01"] for n in (2, 1)]
    with Terminal("deadletters", place, columns=40) as terminal:
        assert (terminal.end(), fits(terminal, 40)) == (0, True)


def test_one_is_shown_with_what_was_said_and_nothing_in_it_is_interpreted(place: Path) -> None:
    shown = data("deadletters show c-1/m-1", place)
    assert (shown["text"], shown["metadata"], shown["last"]) == (POISON, {"lang": "en"}, None)
    assert json.loads(b64decode(shown["data"]))["text"] == POISON
    text = run("deadletters show c-1/m-1", place).stdout
    assert re.search(r"^text +save_name Ada\\x1b\[0m *$", text, re.MULTILINE)
    assert re.search(r'^metadata +\{"lang":"en"\} *$', text, re.MULTILINE)
    assert re.search(r"^attempts +4$", text, re.MULTILINE)


def test_one_is_shown_with_what_its_turn_did_last_as_far_as_a_log_says(place: Path) -> None:
    with worker("bot.py:Bot", place):
        assert run("send bot c-5 hello", place).returncode == 0
        assert run("send bot c-5 hold --id m-5 --no-wait", place).returncode == 0
        wait_for(place / "held")
        asyncio.run(bury(place / ".arf", "c-5", "m-5"))
        held = data("deadletters show c-5/m-5", place)["last"]
        (place / "let-go").touch()
        assert run("send bot c-5 hold --id m-5", place).returncode == 0
        assert run("send bot c-5 'save_name Ada'", place).returncode == 0
    log = {event["version"]: event for event in data("log c-5", place)}
    asked = data("deadletters show c-5/m-5", place)["last"]
    text = run("deadletters show c-5/m-5", place).stdout

    assert held == {
        "version": held["version"],
        "type": "tool.started",
        "what": f"{held['version'] - 1}.0 hold() [once]",
    }
    assert (log[held["version"]]["type"], log[held["version"]]["turn"]) == ("tool.started", 2)
    assert (asked["type"], asked["version"] > held["version"], log[asked["version"]]["turn"]) == (
        "model.requested",
        True,
        2,
    )
    assert re.search(rf"^last +model\.requested .*, at {asked['version']}$", text, re.MULTILINE)


@pytest.mark.parametrize("command", ["show c-9/m-1", "retry c-9/m-1", "drop c-1", "show ''"])
def test_an_unknown_one_is_not_found(place: Path, command: str) -> None:
    name = command.split()[1].strip("'")
    found = f"no dead letter {name!r} (namespace 'arf' in {place}/.arf)"
    assert error(f"deadletters {command}", place) == (3, found)


@pytest.mark.parametrize("command", ["retry", "drop", "retry c-1/m-1 --all"])
def test_it_wants_one_or_all(place: Path, command: str) -> None:
    told = f"name one dead letter, or give --all (see `arf deadletters {command.split(maxsplit=1)[0]} --help`)"
    assert error(f"deadletters {command}", place) == (2, told)


def test_one_is_said_again_under_a_new_id_and_is_gone(place: Path) -> None:
    with worker("bot.py:Bot", place):
        done = run("deadletters retry c-1/m-1", place)
        assert ID.fullmatch(done.stdout), done
        reply = run(f"send bot c-1 'save_name Ada' --id {done.stdout.strip()}", place)

    assert (done.returncode, done.stderr) == (0, "")
    assert reply.stdout == "You said: Saved Ada\\x1b[0m\n"
    (spoke,) = [event["data"] for event in data("log c-1", place) if event["type"] == "user.spoke"]
    assert spoke == {"message_id": done.stdout.strip(), "text": POISON, "metadata": {"lang": "en"}}
    assert names(place) == ["c-2/m-1"]


def test_they_are_dropped_one_by_one_or_all(place: Path) -> None:
    asyncio.run(bury(place / ".arf", "c-3", "m-7"))
    done = run("deadletters drop c-2/m-1", place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "c-2/m-1 is dropped\n", "")
    assert data("deadletters drop --all", place) == [{"name": "c-1/m-1"}, {"name": "c-3/m-7"}]
    assert names(place) == []


async def spoil(home: Path, conversation: str) -> None:
    """Put bytes that are no command where commands come, under any subject."""
    async with Client.connect(home=home) as client:
        bus = client.substrate.bus
        assert isinstance(bus, NatsBus)
        subject = f"arf.cmdp.bot.{partition_of(ConversationId(conversation))}.{conversation}"
        await bus._client.jetstream().publish(subject, NOISE)


@pytest.fixture
def spoilt(place: Path) -> Iterator[Path]:
    """The same, and bytes that nobody can decode in a conversation with an odd name, which a worker met."""
    with worker("bot.py:Bot", place) as working:
        asyncio.run(spoil(place / ".arf", "ü/$\x07'"))
        assert "kept dead letter nameless/x-" in working.line()
        assert run("send bot c-9 hello", place).stdout == "You said: hello\n"
    yield place


def test_what_nobody_can_decode_is_kept_and_cannot_be_said_again(spoilt: Path) -> None:
    (letter,) = [each for each in data("deadletters", spoilt) if each["reason"] == "undecodable"]
    assert (letter["conversation"], letter["size"], letter["attempts"]) == ("ü/$\x07'", len(NOISE), None)
    shown = data(f"deadletters show {letter['name']}", spoilt)
    assert (b64decode(shown["data"]) == NOISE, shown["text"]) == (True, None)
    text = run(f"deadletters show {letter['name']}", spoilt).stdout
    assert (r"\xff\x1b[31m\x00" in text, "\x1b" in text) == (True, False)

    never = f"dead letter {letter['name']} cannot be sent again, nobody can decode it: look at it, and drop it"
    code, message = error(f"deadletters retry {letter['name']}", spoilt)
    assert (code, message.partition(" (namespace")[0]) == (4, never)
    done = run("deadletters retry --all", spoilt)
    assert done.returncode == 4
    assert [line.partition(": m-")[0] for line in done.stdout.splitlines()] == ["c-1/m-1", "c-2/m-1"]
    assert done.stderr == f"error: {never}\n"
    assert names(spoilt) == [letter["name"]]


def test_doctor_counts_them_and_says_what_to_do(place: Path) -> None:
    found = {finding["name"]: finding for finding in data("doctor", place)}

    assert (found["dead letters"]["value"], found["dead letters"]["status"]) == ("2", "warning")
    assert "arf deadletters" in found["dead letters"]["advice"]

"""What a person does with conversations at the command line: sends, reads, lists."""

import json
import os
import pty
import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_runtime_framework.events import START, ConversationId, ConversationStarted, Frame, UnknownEvent
from agent_runtime_framework.runtime.client import Client
from support.command_line import bots, data, error, in_use, run, worker
from support.processes import ARF, environment, wait_for
from support.terminal import Terminal, fits

NASTY = "[red]no markup[/red] \x1b[31mno colour\x1b[0m \x07 \u202e"
LONG = "long " * 30_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with conversations: `c-1` with two turns, `c-2` with a nasty text, `c-3` with a long one."""
    directory = bots(tmp_path_factory.mktemp("place"))
    with worker("bot.py:Bot", directory):
        for command, reply in (
            ("send bot c-1 hello", "You said: hello\n"),
            ("send bot c-1 'save_name Ada'", "You said: Saved Ada\n"),
        ):
            done = run(command, directory)
            assert (done.returncode, done.stdout, done.stderr) == (0, reply, "")
        nasty = run(f"send bot c-2 {shlex.quote(NASTY)}", directory).stdout
        assert nasty == "You said: [red]no markup[/red] \\x1b[31mno colour\\x1b[0m \\x07 \\u202e\n"
        assert run(f"send bot c-3 {shlex.quote(LONG[:100_000])}", directory).returncode == 0
        yield directory
    assert in_use(directory / ".arf") == []


def test_without_waiting_the_commands_id_is_printed_and_finds_its_reply_later(place: Path) -> None:
    sent = run("send bot later 'save_name Bob' --no-wait", place)
    assert (sent.returncode, sent.stderr) == (0, "")
    id_ = sent.stdout.strip()
    reply = data(f"send bot later 'save_name Bob' --id {id_}", place)
    assert reply == {
        "id": id_,
        "text": "You said: Saved Bob",
        "turn": 1,
        "version": reply["version"],
        "state": {"step": "done", "name": "Bob"},
    }
    said = [event["data"]["message_id"] for event in data("log later", place) if event["type"] == "user.spoke"]
    assert said == [id_]


def test_a_message_for_another_agents_conversation_is_a_conflict(place: Path) -> None:
    before = data("log c-1", place)
    code, message = error("send other c-1 hello", place)
    assert (code, message) == (4, "conversation 'c-1' belongs to agent 'bot', not to 'other'")
    assert data("log c-1", place) == before


@pytest.mark.parametrize("command", ["log nobody", "state nobody"])
def test_an_unknown_conversation_is_not_found_in_the_place_that_is_named(place: Path, command: str) -> None:
    found = f"no conversation 'nobody' (namespace 'arf' in {place}/.arf)"
    assert error(command, place) == (3, found)


def test_a_version_that_is_not_there_yet_is_not_found(place: Path) -> None:
    code, message = error("state c-1 --at 1000", place)
    assert code == 3
    assert message.startswith("conversation 'c-1' has versions 1 to ")


def test_an_empty_namespace_lists_nothing(place: Path) -> None:
    done = run("list --namespace empty -o jsonl", place)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"there is no namespace 'empty' in {place}/.arf\n"
    assert error("log c-1 --namespace empty", place) == (3, f"there is no namespace 'empty' in {place}/.arf")
    assert json.loads(run("-o json list --namespace empty", place).stdout) == []


def test_the_environment_says_where_and_what_is_typed_outweighs_it(place: Path, tmp_path: Path) -> None:
    named = {"ARF_HOME": str(place / ".arf"), "ARF_NAMESPACE": "empty"}
    assert run("list", tmp_path, env=named).stdout == ""
    assert run("--namespace arf list", tmp_path, env=named).stdout.count("c-1") == 1
    assert run("list --namespace arf", tmp_path, env=named).stdout.count("c-1") == 1
    code, message = error("list --namespace arf", place, env=named | {"ARF_NATS_URL": "nats://127.0.0.1:1"})
    assert (code, message[:44]) == (1, "no NATS server answers at nats://127.0.0.1:1")


def test_a_log_as_json_lines_has_each_event_under_its_identity(place: Path) -> None:
    lines = [json.loads(line) for line in run("log c-1 -o jsonl", place).stdout.splitlines()]
    assert [line["id"] for line in lines] == [f"c-1@{number}" for number in range(1, len(lines) + 1)]
    assert {tuple(line) for line in lines} == {("id", "version", "type", "time", "turn", "cause", "data")}
    assert lines[1] | {"time": "", "data": lines[1]["data"]["text"]} == {
        "id": "c-1@2",
        "version": 2,
        "type": "user.spoke",
        "time": "",
        "turn": 1,
        "cause": None,
        "data": "hello",
    }
    age = datetime.now(UTC) - datetime.fromisoformat(lines[0]["time"])
    assert lines[0]["time"].endswith("Z")
    assert 0 <= age.total_seconds() < 600
    assert [line["turn"] for line in lines] == sorted(line["turn"] for line in lines)
    assert lines == data("log c-1", place) == json.loads(run("-o json log c-1", place).stdout)


async def test_an_event_of_a_newer_release_is_shown_with_its_tag(tmp_path: Path) -> None:
    started = ConversationStarted(agent="bot", journey_hash="", state={})
    newer = UnknownEvent(tag="star.fell", raw=b'{"type":"star.fell","cause":1,"where":"here"}', cause=1)
    frame = Frame(first=1, time=0, writer="w", agent="bot", events=(started, newer))
    async with Client.connect(home=tmp_path / ".arf") as client:
        await client.substrate.log.append(ConversationId("c"), frame, START)
    event = data("log c", tmp_path)[1]
    assert event == {
        "id": "c@2",
        "version": 2,
        "type": "star.fell",
        "time": "1970-01-01T00:00:00.000Z",
        "turn": 0,
        "cause": 1,
        "data": {"where": "here"},
    }
    line = run("log c", tmp_path).stdout.splitlines()[1]
    assert re.search(r"star\.fell +not known to this release: \{", line)


def test_a_log_as_text_tells_each_event_on_a_line(place: Path) -> None:
    lines = run("log c-1", place).stdout.splitlines()
    told = [re.fullmatch(r" *(\d+) \d\d:\d\d:\d\d +(\d) (\S+) +(.*)", line) for line in lines]
    events = [tuple(event.groups()) for event in told if event]
    assert len(events) == len(lines) == len(data("log c-1", place))
    assert ("2", "1", "user.spoke", "hello") in events
    what = {(type_, words) for _, turn, type_, words in events if turn == "2"}
    assert {
        ("model.answered", 'save_name(name="Ada")'),
        ("tool.started", '11.0 save_name(name="Ada") [once]'),
        ("tool.returned", "11.0 save_name: Saved Ada"),
        ("state.changed", 'name="Ada", step="done"'),
        ("step.entered", "name -> done"),
        ("agent.spoke", "You said: Saved Ada"),
    } <= what
    assert any(type_ == "turn.completed" and words.startswith("text_response") for type_, words in what)


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("command", ["log c-1", "log c-3", "state c-3", "list"])
def test_text_fits_a_narrow_terminal(place: Path, command: str, width: int) -> None:
    with Terminal(command, place, columns=width) as terminal:
        assert (terminal.end(), fits(terminal, width)) == (0, True)


@pytest.mark.parametrize("command", ["list", "state c-3"])
def test_in_a_pipe_no_row_is_folded_and_none_ends_in_blanks(place: Path, command: str) -> None:
    narrow, broad = (run(command, place, env={"COLUMNS": columns}).stdout for columns in ("30", "200"))
    assert narrow == broad
    assert max(len(line) for line in narrow.splitlines()) > 30
    assert [line for line in narrow.splitlines() if line != line.rstrip()] == []


def test_what_people_say_is_shown_and_not_interpreted(place: Path) -> None:
    for command in ("log c-2", "state c-2"):
        shown = run(command, place, env={"COLUMNS": "200"}).stdout
        assert r"[red]no markup[/red] \x1b[31mno colour\x1b[0m \x07 \u202e" in shown
        assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", shown)
    assert data("state c-2", place)["transcript"][0]["content"] == NASTY


def test_a_state_has_step_state_transcript_and_what_is_owed(place: Path) -> None:
    now = data("state c-1", place)
    assert {name: now[name] for name in ("conversation", "agent", "step", "status", "turns", "owed", "state")} == {
        "conversation": "c-1",
        "agent": "bot",
        "step": "done",
        "status": "idle",
        "turns": 2,
        "owed": None,
        "state": {"step": "done", "name": "Ada"},
    }
    said = [(entry["turn"], entry["role"], entry["content"]) for entry in now["transcript"]]
    assert said == [
        (1, "user", "hello"),
        (1, "assistant", "You said: hello"),
        (2, "user", "save_name Ada"),
        (2, "assistant", ""),
        (2, "tool", "Saved Ada"),
        (2, "assistant", "You said: Saved Ada"),
    ]
    call = now["transcript"][3]["tool_calls"][0]
    assert (call["name"], call["arguments"]) == ("save_name", {"name": "Ada"})
    assert now["transcript"][4]["tool_call_id"] == call["id"]
    text = run("state c-1", place).stdout
    assert re.search(r"^step +done *$", text, re.MULTILINE)
    assert re.search(r'^ +name +"Ada" *$', text, re.MULTILINE)


def test_a_state_as_it_was_knows_nothing_of_what_came_after(place: Path) -> None:
    asked = next(event["version"] for event in data("log c-1", place) if event["type"] == "model.requested")
    then = data(f"state c-1 --at {asked}", place)
    assert (then["version"], then["step"], then["state"]["name"], then["turns"]) == (asked, "name", "", 1)
    assert [entry["content"] for entry in then["transcript"]] == ["hello"]
    assert (then["owed"]["kind"], then["owed"]["request"]) == ("model", asked)


def test_a_list_has_each_conversation_once_the_last_active_first(place: Path) -> None:
    listed = {entry["conversation"]: entry for entry in data("list", place)}
    last = data("log c-1", place)[-1]
    assert listed["c-1"] == {
        "conversation": "c-1",
        "agent": "bot",
        "step": "done",
        "status": "idle",
        "last_activity": last["time"],
        "turns": 2,
        "version": last["version"],
        "parent": "",
    }
    times = [entry["last_activity"] for entry in listed.values()]
    assert times == sorted(times, reverse=True)
    lines = [json.loads(line) for line in run("list -o jsonl", place).stdout.splitlines()]
    assert {line["conversation"]: line for line in lines} == listed
    assert run("list", place).stdout.splitlines()[0].split() == [
        "conversation",
        "agent",
        "step",
        "status",
        "last",
        "activity",
        "turns",
    ]


@pytest.mark.parametrize("command", ["log c-3 -o jsonl", "log c-3 -o json", "log c-1"])
def test_a_pipe_that_is_closed_is_no_error(place: Path, command: str) -> None:
    process = subprocess.Popen(
        [*ARF, *command.split()], cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, b"")


@pytest.mark.parametrize(("variable", "escapes"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals_and_can_be_turned_off(place: Path, variable: dict[str, str], escapes: bool) -> None:
    ours, theirs = pty.openpty()
    env = {**environment(), "TERM": "xterm-256color", **variable}
    with subprocess.Popen([*ARF, "log", "c-1"], cwd=place, env=env, stdout=theirs):
        os.close(theirs)
        shown = b""
        while piece := read_terminal(ours):
            shown += piece
    os.close(ours)
    assert b"save_name" in shown
    assert (b"\x1b[" in shown) == escapes


def read_terminal(descriptor: int) -> bytes:
    """Return what comes next from a terminal, nothing at its end."""
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_a_turn_is_cancelled_and_what_was_recorded_of_it_stays(tmp_path: Path) -> None:
    bot = bots(tmp_path)
    with worker("bot:Bot", bot):
        assert run("send bot c 'save_name Ada'", bot).returncode == 0
        send = subprocess.Popen(
            [*ARF, "send", "bot", "c", "hold"], cwd=bot, env=environment(), stderr=subprocess.PIPE, text=True
        )
        wait_for(bot / "held")
        done = run("cancel c --reason 'took too long'", bot)
        _, failure = send.communicate(timeout=20)
        nothing = error("cancel c", bot)
        unknown = error("cancel nobody", bot)
        (bot / "let-go").touch()

    assert (done.returncode, done.stdout, done.stderr) == (0, "turn 2 of c is cancelled\n", "")
    assert (send.returncode, failure) == (1, "error: turn 2 of 'c' cancelled (took too long)\n")
    assert nothing == (4, "nothing to cancel in 'c': no turn is in progress")
    assert unknown == (3, f"no conversation 'nobody' (namespace 'arf' in {bot}/.arf)")
    assert data("state c", bot)["state"]["name"] == "Ada"


def test_a_turn_that_is_cancelled_without_a_reason_says_so_everywhere(tmp_path: Path) -> None:
    bot = bots(tmp_path)
    with worker("bot:Bot", bot):
        send = subprocess.Popen(
            [*ARF, "send", "bot", "c", "hold"], cwd=bot, env=environment(), stderr=subprocess.PIPE, text=True
        )
        wait_for(bot / "held")
        assert run("cancel c", bot).returncode == 0
        _, failure = send.communicate(timeout=20)
        (bot / "let-go").touch()

    assert failure == "error: turn 1 of 'c' cancelled (no reason given)\n"
    assert re.search(r"^last turn +cancelled, no reason given$", run("state c", bot).stdout, re.MULTILINE)
    assert re.search(r" turn\.cancelled +no reason given$", run("log c", bot).stdout, re.MULTILINE)


def test_who_sends_to_a_conversation_with_a_turn_in_progress_is_told_once_that_it_is_queued(tmp_path: Path) -> None:
    bot = bots(tmp_path)
    with worker("bot:Bot", bot):
        assert run("send bot c hold --no-wait", bot).returncode == 0
        wait_for(bot / "held")
        late = run("send bot c hello --id m-2 --timeout 3", bot)
        (bot / "let-go").touch()
        reply = run("send bot c hello --id m-2", bot)

    queued, failure = late.stderr.splitlines()
    assert queued == "message m-2 is queued: 1 ahead of it"
    waits = "no reply from 'bot' within 3 s, because it waits its turn, 1 ahead of it; message m-2 is kept and will be"
    assert re.fullmatch(rf"error: {waits} answered; fetch the reply later with: .* send bot c hello --id m-2", failure)
    assert (late.returncode, late.stdout, reply.stdout) == (1, "", "You said: hello\n")


def test_a_cancel_that_no_worker_takes_says_so(tmp_path: Path) -> None:
    bot = bots(tmp_path)
    with worker("bot:Bot --grace 0", bot):
        assert run("send bot idle hi", bot).returncode == 0
        assert run("send bot c hold --no-wait", bot).returncode == 0
        wait_for(bot / "held")
    (bot / "let-go").touch()

    waits = "no worker of 'bot' ended a turn of 'c' within 0.2 s; the command waits for one"
    assert error("cancel c --timeout 0.2", bot) == (1, waits)
    assert error("cancel idle", bot) == (4, "nothing to cancel in 'idle': no turn is in progress")

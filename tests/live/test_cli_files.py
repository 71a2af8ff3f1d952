"""Conversations are taken out of a place and into another at the command line."""

import json
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework import read_logs, write_logs
from agent_runtime_framework.events import ConversationId, FrameLog
from agent_runtime_framework.runtime.client import Client
from agent_runtime_framework.runtime.logfiles import Recording, lines_of
from support.chains import put_raw, write
from support.command_line import bots, data, error, in_use, run, worker
from support.processes import ARF, environment, wait_for
from support.terminal import Terminal


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the conversations `c-1`, `c-2`, and `c-3`, in which a turn is in progress for ever."""
    directory = bots(tmp_path_factory.mktemp("place"))
    with worker("bot.py:Bot --grace 0", directory):
        for command in ("send bot c-1 hello", "send bot c-1 'save_name Ada'", "send bot c-2 hello"):
            assert run(command, directory).returncode == 0
        assert run("send bot c-3 hold --no-wait", directory).returncode == 0
        wait_for(directory / "held")
        yield directory
        (directory / "let-go").touch()
    assert in_use(directory / ".arf") == []


def exported(place: Path, words: str, file: Path) -> Path:
    """Export to a file, which is then all that is new in its directory."""
    before = set(file.parent.iterdir())
    done = run(f"export {words} -o {shlex.quote(str(file))}", place)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert set(file.parent.iterdir()) - before == {file}
    return file


def imported(words: str, cwd: Path, stdin: str = "") -> list[str]:
    """Import, and return the lines that say what was done."""
    done = run(f"import {words}", cwd, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_conversation_is_the_same_elsewhere(place: Path, tmp_path: Path) -> None:
    file = exported(place, "c-1", tmp_path / "c-1.jsonl")
    events = data("log c-1", place)
    assert imported("c-1.jsonl", tmp_path) == [f"c-1: {len(events)} events imported"]

    assert data("log c-1", tmp_path) == events
    assert data("state c-1", tmp_path) == data("state c-1", place)
    assert data("list", tmp_path) == [one for one in data("list", place) if one["conversation"] == "c-1"]
    assert exported(tmp_path, "c-1", tmp_path / "again.jsonl").read_bytes() == file.read_bytes()


def test_a_conversation_goes_on_elsewhere(place: Path, tmp_path: Path) -> None:
    events = data("log c-2", place)
    imported(str(exported(place, "c-2", tmp_path / "c-2.jsonl")), tmp_path)
    with worker("bot.py:Bot", bots(tmp_path)):
        assert run("send bot c-2 thanks", tmp_path).stdout == "You said: thanks\n"
    assert data("log c-2", tmp_path)[: len(events)] == events
    assert data("log c-2", place) == events


def test_exporting_leaves_the_log_as_it_is_and_replaces_the_file(place: Path, tmp_path: Path) -> None:
    (tmp_path / "c-1.jsonl").write_text("what was there")
    before = data("log c-1", place)
    done = run(f"export c-1 c-1 -o {tmp_path}/c-1.jsonl", place)

    assert (done.returncode, done.stderr) == (0, f"1 conversation exported to {tmp_path}/c-1.jsonl\n")
    assert [one.head.version for one in read_logs(tmp_path / "c-1.jsonl")] == [len(before)]
    assert data("log c-1", place) == before


def test_all_of_a_namespace_is_exported_a_turn_in_progress_as_far_as_it_is(place: Path, tmp_path: Path) -> None:
    found = read_logs(exported(place, "--all", tmp_path / "all.jsonl"))
    imported("all.jsonl", tmp_path)
    owed = data("state c-3", tmp_path)["owed"]

    assert [one.conversation for one in found] == ["c-1", "c-2", "c-3"]
    assert (owed["kind"], owed["name"]) == ("tool", "hold")
    assert data("state c-3", place)["owed"] == owed


def test_a_pipe_leads_from_one_namespace_to_another(place: Path) -> None:
    lines = run("export c-1 c-2 -o -", place).stdout
    said = imported("- --namespace piped -o jsonl", place, stdin=lines)

    assert run("export c-1 c-2 --namespace piped", place).stdout == lines
    assert [json.loads(line)["conversation"] for line in said] == ["c-1", "c-2"]
    assert json.loads(said[0]) == {
        "conversation": "c-1",
        "agent": "bot",
        "status": "idle",
        "version": len(data("log c-1", place)),
        "frames": len(lines.splitlines()) - 2 - json.loads(said[1])["frames"],
        "imported": json.loads(said[0])["frames"],
    }


def test_what_was_interrupted_is_done_again_and_goes_on(place: Path, tmp_path: Path) -> None:
    (whole,) = read_logs(exported(place, "c-1", tmp_path / "whole.jsonl"))
    write_logs(tmp_path / "part.jsonl", [Recording(whole.conversation, whole.frames[:3])])
    there = whole.frames[2].head.version
    left = whole.head.version - there

    assert imported("part.jsonl", tmp_path) == [f"c-1: {there} events imported"]
    assert imported("whole.jsonl", tmp_path) == [f"c-1: {left} events imported, the {there} before were there already"]
    assert imported("whole.jsonl part.jsonl", tmp_path) == [
        f"c-1: there already, with all {whole.head.version} events",
        f"c-1: there already, with all {there} events",
    ]
    again = json.loads(run("-o json import whole.jsonl", tmp_path).stdout)
    assert [(one["conversation"], one["imported"]) for one in again] == [("c-1", 0)]


async def test_one_with_other_events_is_refused_and_the_others_are_imported(place: Path, tmp_path: Path) -> None:
    exported(place, "c-1 c-2", tmp_path / "both.jsonl")
    async with Client.connect(home=tmp_path / ".arf") as client:
        await write(client.substrate.log, ConversationId("c-1"), 2)
    before = data("log c-1", tmp_path)
    done = run("import both.jsonl", tmp_path)

    assert (done.returncode, done.stdout) == (4, f"c-2: {len(data('log c-2', place))} events imported\n")
    what = "conversation 'c-1' is there with other events from version 1 on, and stays as it is"
    assert done.stderr == f"error: {what}: use another namespace for this one\n"
    assert data("log c-1", tmp_path) == before
    assert imported("both.jsonl --namespace another", tmp_path)[0].startswith("c-1: ")


def test_a_damaged_file_is_named_with_its_line_and_nothing_is_made_for_it(place: Path, tmp_path: Path) -> None:
    file = exported(place, "c-1", tmp_path / "c-1.jsonl")
    first, second, *rest = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([first, second.replace(b"hello", b"hullo"), *rest]))
    code, what = error("import c-1.jsonl", tmp_path)
    assert code == 1
    assert what.startswith(f"c-1.jsonl, line 2: frame 1 of {len(rest) + 1} of 'c-1' hashes to ")

    file.write_bytes(b"".join([first, second, *rest[:-1]]))
    code, what = error("import c-1.jsonl", tmp_path)
    assert (code, "'c-1' is missing: it was cut off" in what) == (1, True)
    assert error("import -", tmp_path, stdin="hello")[0] == 2
    assert error("import -", tmp_path) == (2, "no conversation is in stdin: it is empty")
    assert error("import nothing.jsonl c-1.jsonl", tmp_path) == (3, "there is no file nothing.jsonl")
    assert error(f"import {tmp_path}", tmp_path) == (2, f"{tmp_path} cannot be read: Is a directory")
    assert not (tmp_path / ".arf").exists()


def test_a_damaged_file_keeps_no_other_from_being_imported(place: Path, tmp_path: Path) -> None:
    whole = exported(place, "c-1 c-2", tmp_path / "both.jsonl").read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(whole[:-30])
    exported(place, "c-3", tmp_path / "c-3.jsonl")
    done = run("import cut.jsonl c-3.jsonl", tmp_path)

    assert (done.returncode, [line.partition(":")[0] for line in done.stdout.splitlines()]) == (1, ["c-1", "c-3"])
    assert done.stderr.startswith("error: cut.jsonl, line ")


def test_an_export_that_fails_leaves_no_file_and_what_was_there(place: Path, tmp_path: Path) -> None:
    missing = (3, f"no conversation 'nobody' (namespace 'arf' in {place}/.arf)")
    assert error(f"export c-1 nobody -o {tmp_path}/new.jsonl", place) == missing
    assert error("export c-1 nobody", place) == missing
    (tmp_path / "old.jsonl").write_text("old")
    assert error(f"export c-1 nobody -o {tmp_path}/old.jsonl", place) == missing
    assert error(f"export 'c 1' -o {tmp_path}/new.jsonl", place)[0] == 2
    assert error(f"export c-1 -o {tmp_path}", place) == (2, f"{tmp_path} cannot be written: Is a directory")
    nothing = f"there is no namespace 'empty' in {place}/.arf"
    assert error(f"export --all --namespace empty -o {tmp_path}/new.jsonl", place) == (3, nothing)
    assert error("export c-1", tmp_path)[0] == 3
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("old.jsonl", "old")]


def test_the_form_of_the_output_cannot_be_taken_for_the_file(place: Path) -> None:
    before = set(place.iterdir())
    what = "what is exported always is JSON lines, and -o names a file"
    hint = "(see `arf export --help`)"
    assert error("export c-1 -o jsonl", place) == (2, f"{what}: write ./jsonl for it {hint}")
    assert error("-o json export c-1", place) == (2, f"{what} {hint}")
    assert error("export", place)[0] == error("export c-1 --all", place)[0] == error("import", place)[0] == 2
    assert run("-o jsonl export c-1", place).stdout == run("export c-1", place).stdout
    assert set(place.iterdir()) == before


async def test_of_all_a_damaged_conversation_is_said_and_left_out(tmp_path: Path) -> None:
    async with Client.connect(home=tmp_path / ".arf") as client:
        log = client.substrate.log
        assert isinstance(log, FrameLog)
        await write(log, ConversationId("good"), 2)
        await put_raw(log._records, b"garbage", 0, ConversationId("bad"))
    done = run("export --all -o all.jsonl", tmp_path)
    damaged, count = done.stderr.splitlines()

    assert (done.returncode, count) == (1, "1 conversation exported to all.jsonl")
    assert damaged.startswith("error: conversation 'bad', position ")
    assert [one.conversation for one in read_logs(tmp_path / "all.jsonl")] == ["good"]
    assert error("export bad good -o bad.jsonl", tmp_path)[0] == 1
    assert not (tmp_path / "bad.jsonl").exists()


async def test_what_takes_long_is_seen_to_move_and_ends_at_a_signal(tmp_path: Path) -> None:
    from agent_runtime_framework.events import MemoryLog

    chat = ConversationId("long")
    recording = Recording(chat, tuple(await write(MemoryLog(), chat, 30_000)))
    write_logs(tmp_path / "long.jsonl", [recording])
    with Terminal("import long.jsonl", tmp_path) as terminal:
        terminal.read_until(r"importing events: [\d,]+ in \d+ s")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
    before = len(data("log long", tmp_path))
    assert 0 < before < 30_000

    left = Recording(chat, recording.frames[: before + 10])
    lines = b"".join(lines_of(left)).decode()
    assert imported("-", tmp_path, stdin=lines) == [f"long: 10 events imported, the {before} before were there already"]


def test_waiting_for_stdin_ends_at_a_signal(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*ARF, "import", "-"], cwd=tmp_path, env=environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(b"x" * 1_000_000)  # more than a pipe holds, so that it is reading when this is written
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)

    assert (process.returncode, said.strip()) == (130, b"")
    assert list(tmp_path.iterdir()) == []

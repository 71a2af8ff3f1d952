"""What a person sees of a conversation at the command line: its turns, what differs, what the model got."""

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command_line import bots, data, error, run, worker
from support.processes import ARF, environment
from support.talks import served
from support.terminal import Terminal, fits

NASTY = "[red]no markup[/red] \x1b[31mno colour\x1b[0m \x07"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a conversation `c-1`: a reply, a tool, a tool that fails, a model that fails, a nasty text."""
    directory = bots(tmp_path_factory.mktemp("place"))
    with served(directory):
        with worker("bot.py:Bot", directory):
            for said in ("hello", "save_name Ada", "burst", "fail", NASTY):
                run(f"send bot c-1 '{said}'", directory)
        # neither worker nor model nor agent is there any more
        (directory / "bot.py").unlink()
        yield directory


def versions(place: Path, type_: str) -> list[int]:
    """Return where events of a type stand in `c-1`."""
    return [event["version"] for event in data("log c-1", place) if event["type"] == type_]


# --- arf show


def test_each_turn_is_told_with_what_was_said_given_chosen_and_done(place: Path) -> None:
    told = run("show c-1", place)
    assert (told.returncode, told.stderr) == (0, "")
    blocks = told.stdout.split("\n\n")
    assert blocks[0].strip() == "@1 conversation.started agent bot, step name"
    lines = [line.strip() for line in blocks[2].splitlines()]
    assert lines[0].startswith("turn 2, ")
    assert lines[0].endswith(", bot, step name")
    asked, again = (version for version in versions(place, "model.requested")[1:3])
    assert lines[1:5] == [
        "user save_name Ada",
        f"asked @{asked} the model, step name",
        "prompt Step name",
        "tools save_name, hold, burst",
    ]
    assert lines[5].startswith(f"answered @{asked + 1} 1 call, ")
    assert f'call {asked + 1}.0 save_name(name="Ada") [once]' in lines[6]
    assert lines[7:13] == [
        "-> Saved Ada",
        'state name: "" -> "Ada"',
        "step name -> done",
        f"asked @{again} the model, step done",
        "prompt Step done",
        "tools save_name, hold, burst",
    ]
    assert lines[14] == "reply You said: Saved Ada"
    assert lines[15].startswith("ended @")
    assert "completed, text_response; " in lines[15]
    assert "tokens" in lines[15]
    assert blocks[-1].startswith("5 turns (4 completed, 1 failed): model ")


def test_what_failed_says_so(place: Path) -> None:
    told = run("show c-1", place).stdout
    assert "           failed (error): Error executing burst: it burst\n           ValueError\n" in told
    assert re.search(r" error after \d+ ms: ValueError: no idea\n", told)
    assert " failed, model_error: ValueError: no idea; " in told


def test_one_turn_is_shown_alone(place: Path) -> None:
    alone = run("show c-1 --turn 3", place).stdout
    assert alone.startswith("turn 3, ")
    assert "\nturn " not in alone
    turn = data("show c-1 --turn 3", place)
    assert (turn["turn"], turn["said"]["text"], turn["outcome"]) == (3, "burst", "completed")
    assert turn == next(each for each in data("show c-1", place) if each.get("turn") == 3 and each["kind"] == "turn")
    assert error("show c-1 --turn 9", place)[:1] == (3,)
    assert error("show c-1 --turn 9", place)[1].startswith("conversation 'c-1' has turns 1 to 5, not 9")


def test_as_it_was_then_the_turn_was_still_open(place: Path) -> None:
    at = versions(place, "tool.started")[0]
    told = run(f"show c-1 --at {at}", place).stdout
    assert "it has no outcome here" in told
    assert " open it has not ended here: " in told
    assert "2 turns (1 completed, 1 open)" in told
    turn = data(f"show c-1 --at {at}", place)[-1]
    assert (turn["turn"], turn["outcome"], turn["ended"]) == (2, None, None)
    code, message = error("show c-1 --at 1000", place)
    assert (code, message.startswith("conversation 'c-1' has versions 1 to ")) == (3, True)
    assert error("show c-1 --at 3 --turn 1", place)[0] == 2
    assert error("show nobody", place)[0] == 3


def test_as_data_a_turn_has_all_of_it(place: Path) -> None:
    lines = [json.loads(line) for line in run("show c-1 -o jsonl", place).stdout.splitlines()]
    assert lines == data("show c-1", place)
    assert [line["kind"] for line in lines] == ["aside"] + ["turn"] * 5
    first, second = lines[2]["rounds"]
    assert (first["step"], first["prompt"]["text"], first["tools"]["names"]) == (
        "name",
        "Step name",
        ["save_name", "hold", "burst"],
    )
    (call,) = first["calls"]
    assert (call["name"], call["arguments"], call["outcome"], call["refused"]) == (
        "save_name",
        {"name": "Ada"},
        "returned",
        False,
    )
    changes = {change["field"]: (change["before"], change["after"]) for change in call["moves"][0]["changes"]}
    assert changes == {"name": ("", "Ada"), "step": ("name", "done")}
    assert call["moves"][1]["step"] == {"from": "name", "to": "done"}
    usage = {name: first["answer"]["usage"][name] + second["answer"]["usage"][name] for name in lines[2]["usage"]}
    assert lines[2]["usage"] == usage
    assert lines[4]["rounds"][0]["attempts"][0]["failure"]["error"] == "ValueError: no\nidea"
    assert [life["attempt"] for life in lines[2]["lives"]] == [1]


def test_what_people_say_is_shown_and_not_interpreted(place: Path) -> None:
    shown = run("show c-1", place).stdout
    assert r"user [red]no markup[/red] \x1b[31mno colour\x1b[0m \x07" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("command", ["show c-1", "show c-1 --turn 2", "diff c-1 1 20"])
def test_text_fits_a_narrow_terminal_and_is_coloured(place: Path, command: str, width: int) -> None:
    with Terminal(command, place, columns=width) as terminal:
        assert (terminal.end(), fits(terminal, width)) == (0, True)
    assert terminal.shown != terminal.text


def test_in_a_pipe_no_line_is_broken(place: Path) -> None:
    narrow, broad = (run("show c-1", place, env={"COLUMNS": columns}).stdout for columns in ("30", "200"))
    assert narrow == broad
    assert max(map(len, narrow.splitlines())) > 80


# --- arf diff


def test_two_versions_differ_in_state_step_what_is_owed_and_what_was_said(place: Path) -> None:
    before, after = versions(place, "model.requested")[1], versions(place, "turn.completed")[1]
    told = run(f"diff c-1 {before} {after}", place)
    assert (told.returncode, told.stderr) == (0, "")
    lines = [line.split(None, 1) for line in told.stdout.splitlines() if line]
    assert lines[:3] == [["version", f"{before} -> {after}"], ["step", "name -> done"], ["status", "running -> idle"]]
    assert ["owed", f"a call of the model, requested at {before} -> nothing"] in lines
    assert ["name:", '"" -> "Ada"'] in lines
    assert ["+", "save_name  Saved Ada"] in lines
    found = data(f"diff c-1 {before} {after}", place)
    assert found["step"] == {"before": "name", "after": "done"}
    assert {"journey": "bot", "field": "name", "before": "", "after": "Ada"} in found["state"]
    assert (found["owed"]["before"]["request"], found["owed"]["after"]) == (before, None)
    assert [entry["role"] for entry in found["said"]] == ["assistant", "tool", "assistant"]
    assert (found["same"], found["backwards"]) == (False, False)


def test_the_later_version_first_is_told_backwards(place: Path) -> None:
    before, after = versions(place, "model.requested")[1], versions(place, "turn.completed")[1]
    lines = run(f"diff c-1 {after} {before}", place).stdout.splitlines()
    assert lines[0].split() == ["version", str(after), "->", f"{before},", "backwards"]
    assert [line.split()[1] for line in lines if line.startswith("-")] == ["assistant", "save_name", "assistant"]
    found = data(f"diff c-1 {after} {before}", place)
    assert found["step"] == {"before": "done", "after": "name"}
    assert found["backwards"]


def test_a_version_does_not_differ_from_itself_and_one_that_is_not_there_is_not_found(place: Path) -> None:
    same = run("diff c-1 5 5", place)
    assert (same.returncode, same.stdout) == (0, "version  5 -> 5, nothing differs\n")
    assert data("diff c-1 5 5", place)["same"]
    code, message = error("diff c-1 5 1000", place)
    assert (code, message.startswith("conversation 'c-1' has versions 1 to ")) == (3, True)


# --- arf prompt


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_the_bytes_are_those_whose_hash_is_recorded_in_every_form(place: Path, form: str) -> None:
    asked = [event for event in data("log c-1", place) if event["type"] == "model.requested"]
    for event in asked[1:3]:
        done = binary(f"prompt c-1 {event['version']} -o {form}", place)
        assert (done.returncode, done.stderr) == (0, b"")
        request = done.stdout.removesuffix(b"\n")
        assert hashlib.sha256(request).hexdigest() == event["data"]["request"]
        assert set(json.loads(request)) == {"messages", "tools", "model"}


def binary(command: str, cwd: Path) -> "subprocess.CompletedProcess[bytes]":
    """Run `arf` and take its output as it is."""
    return subprocess.run([*ARF, *command.split()], cwd=cwd, env=environment(), capture_output=True, check=False)


def test_the_version_of_the_outcome_means_its_request(place: Path) -> None:
    asked: dict[str, Any] = {}
    for event in data("log c-1", place):
        if event["type"] in ("model.answered", "model.failed"):
            asked[event["type"]] = event
    assert set(asked) == {"model.answered", "model.failed"}
    for event in asked.values():
        ours, its = (binary(f"prompt c-1 {version}", place) for version in (event["version"], event["cause"]))
        assert (ours.returncode, ours.stdout) == (0, its.stdout)


def test_what_is_no_request_is_not_found_and_the_nearest_are_named(place: Path) -> None:
    first, second, *_ = versions(place, "model.requested")
    code, message = error(f"prompt c-1 {first + 3}", place)
    near = f"version {first + 3} of 'c-1' is no request to a model; the nearest are at {first} and {second}"
    assert (code, message.startswith(near)) == (3, True)

"""What a person forks at the command line, and how it is read there."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command_line import bots, data, error, in_use, run, worker
from support.talks import log_of, logs_of


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a worker and `c-1`, in which a name is saved in the second of three turns."""
    directory = bots(tmp_path_factory.mktemp("place"))
    with worker("bot.py:Bot", directory):
        for text in ("hello", "'save_name Ada'", "thanks"):
            assert run(f"send bot c-1 {text}", directory).returncode == 0
        yield directory
    assert in_use(directory / ".arf") == []


@pytest.fixture(scope="module")
def early(place: Path) -> str:
    """A fork of `c-1` after its first turn, in which another name was saved."""
    made = run(f"fork c-1 --at {cuts(place)[0]} --as c-early", place)
    assert (made.returncode, made.stdout, made.stderr) == (0, "c-early\n", "")
    assert run("send bot c-early 'save_name Bob'", place).stdout == "You said: Saved Bob\n"
    return "c-early"


def cuts(place: Path) -> list[int]:
    """Return the versions at which turns of `c-1` ended."""
    return [event["version"] for event in log_of(place, "c-1") if event["type"] == "turn.completed"]


def asked(place: Path, conversation: str) -> list[dict[str, Any]]:
    """Return the last request to the model."""
    return [event["data"] for event in log_of(place, conversation) if event["type"] == "model.requested"]


def test_a_fork_goes_on_from_there_and_its_parent_stays(place: Path, early: str) -> None:
    parent, fork = asyncio.run(logs_of(place, "c-1", early))
    first, _, last = cuts(place)
    assert [event["version"] for event in fork] == list(range(1, len(fork) + 1))
    assert {event["id"].partition("@")[0] for event in fork} == {early}
    assert [event["data"] for event in fork[:first]] == [event["data"] for event in parent[:first]]

    late = {"conversation": "c-late", "agent": "bot", "parent": "c-1", "version": last, "turn": 3, "step": "done"}
    assert data("fork c-1 --as c-late", place) == late
    assert log_of(place, "c-1") == parent


def test_log_and_state_say_where_it_was_forked(place: Path, early: str) -> None:
    first = cuts(place)[0]
    line = run(f"log {early}", place).stdout.splitlines()[first]
    assert line.endswith(f"conversation.started agent bot, forked from c-1 at version {first}")
    assert f"from c-1 at version {first}\n" in run(f"state {early}", place).stdout
    state = data(f"state {early}", place)
    assert (state["state"]["name"], state["lineage"]["parent"], state["lineage"]["version"]) == ("Bob", "c-1", first)


def test_the_listing_says_whose_fork_it_is(place: Path, early: str) -> None:
    listed = {one["conversation"]: one["parent"] for one in data("list", place)}
    assert (listed["c-1"], listed[early]) == ("", "c-1")
    table = run("list", place).stdout.splitlines()
    assert table[0].endswith("forked from")
    assert [line.endswith(" c-1") for line in table if line.startswith(early)] == [True]


def test_what_is_said_in_the_fork_is_answered_after_its_id(place: Path) -> None:
    made = run("fork c-1 --as c-said --say 'and now?'", place)
    assert (made.returncode, made.stdout, made.stderr) == (0, "c-said\nYou said: and now?\n", "")


def test_the_reply_is_part_of_the_data(place: Path) -> None:
    fork = data(f"fork c-1 --at {cuts(place)[0]} --say 'save_name Cy' --model another", place)
    reply = fork["reply"]
    assert fork["conversation"].startswith("fork-")
    assert (reply["text"], reply["turn"], reply["state"]["name"]) == ("You said: Saved Cy", 2, "Cy")
    assert {one["model"] for one in asked(place, fork["conversation"])[1:]} == {"another"}


def test_the_prompt_of_a_fork_comes_from_stdin(place: Path) -> None:
    made = run("fork c-1 --as c-prompt --prompt - --say hello", place, stdin="Answer in rhyme.\n")
    assert (made.returncode, made.stderr) == (0, "")
    assert asked(place, "c-prompt")[-1]["prompt"] == "Answer in rhyme.\n"
    assert "with another prompt in step done: Answer in rhyme." in run("state c-prompt", place).stdout


def test_what_cannot_be_forked_is_one_line_and_an_exit_code(place: Path) -> None:
    first, second, last = cuts(place)
    inside = f"'c-1' cannot be cut at version {first + 1}, which is inside turn 2: the nearest cuts are {first} "
    where = f" (namespace 'arf' in {place}/.arf)"
    taken = "there is a conversation 'c-1' already: a fork needs an id of its own"
    missing = f"conversation 'c-1' has versions 1 to {last}, not {last + 1}{where}"
    assert error(f"fork c-1 --at {first + 1}", place) == (4, f"{inside}(after turn 1) and {second} (after turn 2)")
    assert error(f"fork c-1 --at {last + 1}", place) == (3, missing)
    assert error("fork c-1 --as c-1", place) == (4, taken)
    assert error("fork nobody", place) == (3, f"no conversation 'nobody'{where}")


def test_what_cannot_be_taken_forks_nothing(place: Path) -> None:
    assert error("fork c-1 --as 'a b'", place)[0] == 2
    assert error("fork c-1 --as c-never --say ' '", place) == (2, "the message is empty: say something")
    assert error("fork c-1 --as c-never --prompt - --say -", place)[0] == 2
    assert error("log c-never", place)[0] == 3


def test_a_fork_without_a_worker_says_where_it_is(tmp_path: Path) -> None:
    directory = bots(tmp_path)
    with worker("bot.py:Bot", directory):
        assert run("send bot c-1 hello", directory).returncode == 0
    done = run("fork c-1 --as c-2 --say hi --timeout 0.5", directory)
    first, last = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "c-2\n")
    assert "start one with `arf worker`; waiting for one for 0.5 s" in first
    assert last.startswith("error: ")
    assert "; fetch the reply later with: " in last
    assert " send bot c-2 hi --id m-" in last
    assert in_use(directory / ".arf") == []

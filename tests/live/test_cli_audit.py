"""What an auditor types: one call's story, the calls of all conversations, and what is no question."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework import Client
from agent_runtime_framework.events import ConversationId, FrameLog
from support.chains import put_raw
from support.command_line import bots, data, error, run, worker
from support.talks import served
from support.terminal import Terminal, fits


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with two conversations that called tools, and one that called none."""
    directory = bots(tmp_path_factory.mktemp("place"))
    (directory / "prices.json").write_text('{"scripted": {"input": 1000, "output": 1000}}')
    with served(directory):
        with worker("bot.py:Bot", directory):
            for said in ("c-1 'save_name Ada'", "c-2 burst", "c-1 'save_name Bob'", "c-3 hello"):
                assert run(f"send bot {said}", directory).returncode == 0
        # neither worker nor model nor agent is there any more
        (directory / "bot.py").unlink()
        yield directory


def test_the_calls_of_all_conversations_are_listed_in_the_order_of_the_choices(place: Path) -> None:
    listed = run("audit tools", place)
    calls = [(one["conversation"], one["tool"], one["verdict"], one["outcome"]) for one in data("audit tools", place)]

    assert (listed.returncode, listed.stderr, len(listed.stdout.splitlines())) == (0, "", 3)
    assert calls == [
        ("c-1", "save_name", "run", "returned"),
        ("c-2", "burst", "run", "error"),
        ("c-1", "save_name", "run", "returned"),
    ]
    assert data("audit tools --outcome error", place) == data("audit tools", place)[1:2]
    assert len(data("audit tools --arg name=Ada --since 1d --agent bot", place)) == 1
    rows = list(csv.DictReader(io.StringIO(run("audit tools --limit 1 -o csv", place).stdout)))
    assert [(row["conversation"], row["arguments"]) for row in rows] == [("c-1", '{"name":"Bob"}')]


def test_the_story_of_a_call_names_the_command_that_prints_what_the_model_got(place: Path) -> None:
    told = run("why c-1 --turn 1", place)
    (command,) = [line.split(" arf ")[1] for line in told.stdout.splitlines() if line.startswith("   exactly ")]

    assert (told.returncode, told.stderr) == (0, "")
    assert "You are" in told.stdout or "Step name" in told.stdout
    assert "policy: the agent has none" in told.stdout
    assert json.loads(run(command, place).stdout)["messages"][-1]["content"] == "save_name Ada"
    last = run("why c-1", place)
    assert (last.returncode, last.stderr.startswith("1 more match: --call ")) == (0, True)
    assert 'save_name(name="Bob")' in last.stdout.splitlines()[0]
    assert json.loads(run("why c-2 -o jsonl", place).stdout)["error"] == "ValueError"


def test_at_a_terminal_each_call_is_one_line_that_is_cut_to_it(place: Path) -> None:
    with Terminal("audit tools", place, columns=50) as terminal:
        assert terminal.end() == 0
    lines = terminal.text.splitlines()

    assert len(lines) == 3
    assert fits(terminal, 50)
    assert lines[1].endswith("…")


def test_what_it_cost_is_told_where_prices_are_given(place: Path) -> None:
    usage = json.loads(run("why c-2 -o json", place).stdout)["answer"]["usage"]
    cost = (usage["prompt_tokens"] + usage["completion_tokens"]) / 1_000

    assert json.loads(run("why c-2 -o json --prices prices.json", place).stdout)["cost"] == cost
    priced = run("why c-2 -o json", place, env={"ARF_PRICES": "prices.json"})
    assert json.loads(priced.stdout)["cost"] == cost
    assert error("why c-2 --prices nowhere.json", place)[0] == 2
    assert error("audit tools", place, env={"ARF_PRICES": "nowhere.json"}) == (
        2,
        "--prices nowhere.json: it cannot be read: No such file or directory",
    )


@pytest.mark.parametrize(
    "words",
    [
        "--verdict maybe",
        "--outcome good",
        "--since yesterday",
        "--until 7",
        "--arg name",
        "--limit 0",
        "--agent 'a b'",
        "--conversation 'a*'",
        "-o xml",
    ],
)
def test_what_is_no_filter_is_one_line_and_a_usage_error(place: Path, words: str) -> None:
    assert error(f"audit tools {words}", place)[0] == 2


def test_the_group_alone_says_what_it_can_do(place: Path) -> None:
    alone = run("audit", place)

    assert (alone.returncode, alone.stdout) == (2, "")
    assert "arf audit tools" in alone.stderr


def test_what_is_not_there_is_not_found(place: Path, tmp_path: Path) -> None:
    assert error("why nobody", place)[0] == 3
    assert error("audit tools --conversation nobody", place)[0] == 3
    code, message = error("why c-3", place)
    assert (code, message.startswith("conversation 'c-3' has no tool call")) == (3, True)
    code, message = error("why c-1 --tool burst", place)
    assert (code, message.startswith("conversation 'c-1' has no tool call of 'burst'; the last are ")) == (3, True)
    assert error("why c-1 --turn 0", place)[0] == 2
    assert error("audit tools", tmp_path)[0] == 3


def test_a_namespace_in_which_nothing_was_kept_has_no_calls(place: Path) -> None:
    done = run("audit tools -o json --namespace empty", place)

    assert (done.returncode, done.stdout) == (0, "[]\n")
    assert "empty" in done.stderr


async def test_a_conversation_that_is_damaged_at_its_end_hides_no_other(place: Path, tmp_path: Path) -> None:
    for command in (f"export --all -o {tmp_path}/all.jsonl --home {place}/.arf", "import all.jsonl"):
        assert run(command, tmp_path).returncode == 0
    async with Client.connect(home=tmp_path / ".arf") as client:
        log = client.substrate.log
        assert isinstance(log, FrameLog)
        await put_raw(log._records, b"garbage", (await client.last("c-2")).head.position, ConversationId("c-2"))

    done = run("audit tools --since 7d", tmp_path)

    assert (done.returncode, len(done.stdout.splitlines())) == (1, 3)
    (line,) = done.stderr.splitlines()
    assert line.startswith("c-2 cannot be read, or not to its end: conversation 'c-2', position ")

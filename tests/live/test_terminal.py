"""Talks at a terminal, and what else is only seen there."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework.runtime.cli.console.signals import SAME_SIGNAL
from agent_runtime_framework.testing import NatsServer
from support.command_line import run
from support.talks import log_of, nothing_runs, served, talk_bots, wait_until
from support.terminal import Terminal


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A directory with agents in `bot.py` and `talks.py`."""
    return talk_bots(tmp_path)


@pytest.fixture
def place(bare: Path) -> Iterator[Path]:
    """The same, with its server running."""
    with served(bare):
        yield bare


def test_words_appear_as_the_model_says_them(bare: Path) -> None:
    with Terminal("chat talks:Slow --conversation c", bare) as terminal:
        terminal.say("hello")
        for number, shown in enumerate((r"^slow> One \Z", r"two \Z", r"\\x1b\[31mthree\.$")):
            (bare / f"word-{number}").touch()
            terminal.read_until(shown)
        terminal.read_until("^you> ")
        assert log_of(bare, "c")[-1]["type"] == "turn.completed"
        terminal.press("\x04")
        assert terminal.end() == 0
    assert terminal.text.count("One two ") == 1
    assert "\x1b[1mslow> " in terminal.shown
    assert "it goes on with: " in terminal.shown
    assert nothing_runs(bare)


def test_ctrl_c_ends_the_talk_and_not_the_log(bare: Path) -> None:
    with Terminal("chat bot.py:Bot --conversation c", bare) as terminal:
        terminal.say("save_name Ada")
        terminal.read_until("^you> ")
        terminal.press("half a line\x03")
        assert terminal.end() == 128 + signal.SIGINT
    assert terminal.shown.count("\nyou> ") == 2
    assert "Traceback" not in terminal.shown
    assert nothing_runs(bare)
    with Terminal("chat bot.py:Bot --conversation c", bare) as terminal:
        terminal.read_until(r"^conversation: c \(goes on after 1 turn, step done\)$")
        terminal.say("hello")
        terminal.read_until("You said: hello")
        terminal.read_until("^you> ")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert [event["data"]["text"] for event in log_of(bare, "c") if event["type"] == "user.spoke"] == [
        "save_name Ada",
        "hello",
    ]
    assert nothing_runs(bare)


def test_ctrl_c_in_a_turn_lets_it_finish(bare: Path) -> None:
    with Terminal("chat bot.py:Bot --conversation c", bare) as terminal:
        terminal.say("hold")
        wait_until((bare / "held").exists, "the call of the tool")
        terminal.press("\x03")
        terminal.read_until("^the turn in progress gets 5 s to finish, ")
        (bare / "let-go").touch()
        assert terminal.end() == 128 + signal.SIGINT
    assert log_of(bare, "c")[-1]["type"] == "turn.completed"
    assert nothing_runs(bare)


def test_a_tool_that_blocks_holds_up_neither_keys_nor_a_second_ctrl_c(bare: Path) -> None:
    with Terminal("chat talks:Rough --conversation c", bare) as terminal:
        terminal.say("block")
        wait_until((bare / "held").exists, "the call of the tool")
        terminal.press("typed meanwhile")
        terminal.read_until("typed meanwhile")
        terminal.press("\x03")
        terminal.read_until("Ctrl-C again ends it now")
        terminal.read_for(SAME_SIGNAL + 0.1)  # what follows at once counts as the first
        terminal.press("\x03")
        assert terminal.end(within=5) == 128 + signal.SIGINT
    assert log_of(bare, "c")[-1]["type"] == "tool.started"
    assert nothing_runs(bare)


def test_what_others_say_meanwhile_is_told_above_the_prompt(place: Path) -> None:
    with Terminal("chat bot.py:Bot --conversation c", place) as terminal:
        terminal.say("hello")
        terminal.read_until("^you> ")
        terminal.press("a line that ")
        terminal.read_until("a line that ")
        assert run("send bot c 'save_name Bob'", place).returncode == 0
        terminal.read_until("^bot> You said: Saved Bob\n")
        terminal.read_until("you> ")
        terminal.press("is typed\n")
        terminal.read_until("You said: a line that is typed")
        terminal.read_until("^you> ")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert (
        "\nyou> a line that \nyou> save_name Bob\n"
        '  11.0 save_name(name="Bob") [once]\n  step: name -> done\nbot> You said: Saved Bob\nyou> is typed\n'
    ) in terminal.text


def test_colours_can_be_turned_off(place: Path) -> None:
    with Terminal("chat bot.py:Bot", place, env={"NO_COLOR": "1"}) as terminal:
        terminal.say("save_name Ada")
        terminal.read_until("^you> ")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert "\x1b" not in terminal.shown


def test_a_narrow_terminal_cuts_what_is_told_aside_and_nothing_that_is_said(place: Path) -> None:
    words = " ".join(["many"] * 30)
    with Terminal("chat bot.py:Bot --conversation c", place, columns=40) as terminal:
        terminal.say(f"save_name {words}")
        terminal.read_until("^you> ")
        terminal.press("\x04")
        assert terminal.end() == 0
    lines = terminal.text.splitlines()
    assert f"bot> You said: Saved {words}" in lines
    (call,) = [line for line in lines if line.startswith("  5.0 save_name(")]
    assert (len(call), call[-1]) == (40, "…")


def test_a_follower_at_a_terminal_is_cut_to_it_and_ends_with_ctrl_c(place: Path) -> None:
    assert run("chat bot.py:Bot --conversation c", place, stdin="save_name Ada\n").returncode == 0
    with Terminal("follow c", place, columns=50) as terminal:
        terminal.read_until("turn.completed")
        terminal.press("\x03")
        assert terminal.end() == 128 + signal.SIGINT
    lines = [line for line in terminal.text.splitlines() if line != "^C"]
    assert len(lines) == len(log_of(place, "c"))
    assert max(map(len, lines)) <= 50


def test_reading_that_takes_long_says_so_at_a_terminal_and_wipes_it_away(tmp_path: Path) -> None:
    with NatsServer(tmp_path) as server, (tmp_path / "listed").open("w") as listed:
        assert run(f"send bot c hello --no-wait --nats {server.url}", tmp_path).returncode == 0
        os.kill(server.pid or 0, signal.SIGSTOP)
        with Terminal(f"list -o json --nats {server.url}", tmp_path, stdout=listed.fileno()) as terminal:
            terminal.read_until("reading conversations: 1 s")
            os.kill(server.pid or 0, signal.SIGCONT)
            assert terminal.end() == 0
    assert (tmp_path / "listed").read_text() == "[]\n"
    assert terminal.shown.rpartition("\r")[2] == ""
    assert "\x1b" not in terminal.shown
    assert not (tmp_path / ".arf").exists()

"""`arf dev`: the agent follows its code while one talks with it."""

import os
import signal
from pathlib import Path

import pytest

from support.command_line import error
from support.talks import log_of, nothing_runs, talk_bots, wait_until
from support.terminal import Terminal

AGENT = """
from bot import Bot, Model
from wording import reply

class Parrot(Model):
    async def generate(self, messages, tools=None, **_):
        from agent_runtime_framework.testing import ScriptedLLM
        return await ScriptedLLM(reply(messages[-1]["content"])).generate(messages)

class Agent(Bot):
    key = "parrot"
    def __init__(self):
        super().__init__()
        self.llm_client = Parrot()

agent = Agent()
"""
WORDING = "def reply(said):\n    return f'FIRST {said}'\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with an agent in two files."""
    (tmp_path / "agent.py").write_text(AGENT)
    (tmp_path / "wording.py").write_text(WORDING)
    return talk_bots(tmp_path)


def test_the_next_message_is_answered_by_the_code_that_is_there_then(place: Path) -> None:
    wording = place / "wording.py"
    with Terminal("dev agent.py:agent --conversation c", place, env={"PYTHONDONTWRITEBYTECODE": ""}) as terminal:
        terminal.say("hello")
        terminal.read_until("^parrot> FIRST hello$")
        before = wording.stat()
        wording.write_text(WORDING.replace("FIRST", "AFTER"))
        os.utime(wording, ns=(before.st_atime_ns, before.st_mtime_ns))  # as fast as a file can change
        assert wording.stat().st_size == before.st_size
        terminal.read_until("^wording.py changed: the new code answers now$")
        terminal.say("and now")
        terminal.read_until("^parrot> AFTER and now$")
        terminal.read_until("^you> ")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert nothing_runs(place)
    said = [event["data"]["text"] for event in log_of(place, "c") if event["type"] == "user.spoke"]
    assert said == ["hello", "and now"]


def test_change_after_change_is_followed(place: Path) -> None:
    with Terminal("dev agent.py:agent", place) as terminal:
        terminal.say("hello")
        terminal.read_until("^parrot> FIRST hello$")
        for word in ("AFTER", "LATER"):
            (place / "wording.py").write_text(WORDING.replace("FIRST", word))
            terminal.read_until("^wording.py changed: the new code answers now$")
            terminal.say("and now")
            terminal.read_until(f"^parrot> {word} and now$")
        terminal.press("\x04")
        assert terminal.end() == 0


def test_code_that_is_not_right_is_one_line_and_the_old_code_answers_until_it_is(place: Path) -> None:
    with Terminal("dev agent:agent", place, columns=400) as terminal:
        terminal.say("hello")
        terminal.read_until("^parrot> FIRST hello$")
        for wrong, says in (
            ("def reply(said:\n", r"SyntaxError: '\(' was never closed \(wording.py, line 1\)"),
            (
                "import nothing_like_this\n",
                r"ModuleNotFoundError: No module named 'nothing_like_this' \(wording.py, line 1\)",
            ),
        ):
            (place / "wording.py").write_text(wrong)
            terminal.read_until(f"^cannot load 'agent' of 'agent:agent': {says}; the code of before still answers$")
            terminal.say("still there?")
            terminal.read_until(r"^parrot> FIRST still there\?$")
        (place / "agent.py").write_text(AGENT.replace('"parrot"', '"crow"'))
        (place / "wording.py").write_text(WORDING.replace("FIRST", "RIGHT"))
        terminal.read_until(
            "^the agent's key is crow now, and the talk is with parrot; the code of before still answers$"
        )
        (place / "agent.py").write_text(AGENT)
        terminal.read_until("^agent.py changed: the new code answers now$")
        terminal.say("hello")
        terminal.read_until("^parrot> RIGHT hello$")
        terminal.read_until("^you> ")
        terminal.press("\x03")
        assert terminal.end() == 128 + signal.SIGINT
    assert "Traceback" not in terminal.text
    assert nothing_runs(place)


def test_a_turn_that_runs_is_finished_by_the_code_that_began_it(place: Path) -> None:
    with Terminal("dev bot.py:Bot --conversation c", place) as terminal:
        terminal.say("hold")
        wait_until((place / "held").exists, "the call of the tool")
        with (place / "bot.py").open("a") as bot:
            bot.write("\n# changed\n")
        (place / "let-go").touch()
        terminal.read_until("^bot> You said: Let go$")
        terminal.read_until("^bot.py changed: the new code answers now$")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert "turn.resumed" not in [event["type"] for event in log_of(place, "c")]
    assert nothing_runs(place)


def test_a_worker_that_dies_ends_the_talk(place: Path) -> None:
    with Terminal("dev talks:Rough", place) as terminal:
        terminal.say("exit")
        terminal.read_until("^the conversation is kept; it goes on with: .* dev talks:Rough --conversation chat-")
        terminal.read_until("^error: the worker ended with exit code 7: good-bye$")
        assert terminal.end() == 1
    assert nothing_runs(place)


def test_what_cannot_be_loaded_at_the_start_is_a_wrong_use(place: Path) -> None:
    (place / "agent.py").write_text("agent = (")
    for spec in ("agent:agent", "nowhere/agent.py:agent"):
        code, message = error(f"dev {spec}", place)
        assert (code, spec in message) == (2, True)
    assert not (place / ".arf").exists()


def test_the_worker_is_gone_when_the_talk_was_killed(place: Path) -> None:
    with Terminal("dev agent.py:agent", place) as terminal:
        terminal.say("hello")
        terminal.read_until("FIRST hello")
        os.kill(terminal.process.pid, signal.SIGKILL)
        terminal.process.wait()
    wait_until(lambda: nothing_runs(place), "the end of worker and server")

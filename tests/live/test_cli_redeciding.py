"""`arf replay`: conversations on a server decided again by the agents in a file, while nobody works on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command_line import bots, data, error, in_use, run, worker

TODAY = """
from bot import Bot as Then, Tools, Step

class Worded(Then):
    def get_system_prompt(self, state):
        return f"Now in step {state.step.value}"

class Forgetting(Tools):
    async def save_name(self, name):
        return f"Saved {name}"

class Bot(Worded):
    def get_tool_schemas(self, state):
        return [one for one in super().get_tool_schemas(state) if one.name != "save_name"]

class Lazy(Then):
    def create_tools(self, state, ctx):
        return Forgetting(state=state)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the conversations `c-1`, where a name was saved, and `c-2`, where it was not, and `today.py`."""
    directory = bots(tmp_path_factory.mktemp("place"))
    (directory / "today.py").write_text(TODAY)
    with worker("bot.py:Bot", directory):
        for command in ("send bot c-1 hello", "send bot c-1 'save_name Ada'", "send bot c-2 hello"):
            assert run(command, directory).returncode == 0
    yield directory
    assert in_use(directory / ".arf") == []


def test_conversations_that_today_s_code_leads_the_same_are_a_line_each(place: Path) -> None:
    done = run("replay c-1 c-2 --agent bot.py:Bot", place)

    assert (done.returncode, done.stdout) == (0, "c-1: 2 turns, 19 events: the same\nc-2: 1 turn, 7 events: the same\n")
    assert "2 conversations: 2 the same, 0 diverge" in done.stderr.splitlines()


def test_what_differs_is_told_behaviour_first_and_nothing_is_written(place: Path) -> None:
    before = data("log c-1", place)

    done = run("replay c-1 --agent today.py:Bot", place)

    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "c-1: 2 turns, 19 events: diverges at version 4, turn 1"
    call, tools, prompt = (max(at for at, line in enumerate(lines) if words in line) for words in WORDS)
    assert call < tools < prompt
    assert data("log c-1", place) == before


WORDS = ('  save_name(name="Ada")  (version', "save_name: not offered any more", "+Now in step name")


def test_what_is_ignored_is_told_and_does_not_count(place: Path) -> None:
    done = run("replay c-2 --agent today.py:Bot --ignore prompt,tools", place)

    assert done.returncode == 0
    assert "the same but for what is ignored" in done.stdout
    assert "only a live one shows" in done.stdout


def test_tools_that_are_run_show_what_they_do_today(place: Path) -> None:
    assert run("replay c-1 --agent today.py:Lazy", place).returncode == 0
    done = run("replay c-1 --agent today.py:Lazy --tools run", place)

    assert done.returncode == 1
    assert 'in the end\n    step: done -> name\n    state.name: "Ada" -> ""\n' in done.stdout


def test_as_json_all_of_it_is_data(place: Path) -> None:
    done = run("replay c-1 c-2 --agent today.py:Bot --ignore prompt -o jsonl", place)
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines)) == (1, 2)

    (one,) = data("replay c-2 --agent bot.py:Bot", place)
    assert one == {
        "conversation": "c-2",
        "agent": "bot",
        "since": 1,
        "outcomes_from_log": 0,
        "version": 7,
        "turns": 1,
        "same": True,
        "divergences": [],
        "remaining": [],
        "not_compared": [],
    }


def test_what_cannot_be_replayed_says_why(place: Path) -> None:
    assert error("replay c-9 --agent bot.py:Bot", place) == (
        3,
        f"no conversation 'c-9' (namespace 'arf' in {place / '.arf'})",
    )
    code, words = error("replay c-1 --agent bot.py:Other", place)
    assert (code, words) == (2, "conversation 'c-1' is of agent 'bot', and --agent names other")
    code, words = error("replay c-1 --agent bot.py:Bot --ignore promt", place)
    assert (code, words.partition(";")[0]) == (2, "--ignore promt: there is no such aspect")

"""Finding agents by MODULE:ATTR."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework.events import InvalidInput
from agent_runtime_framework.runtime.loading import load_agents

BOTS = """
from dataclasses import dataclass
from agent_runtime_framework import JourneyAgent

class Bot(JourneyAgent):
    key = "bot"
    def get_initial_state(self): ...
    def get_system_prompt(self, state): ...
    def get_tool_schemas(self, state): ...
    def create_tools(self, state, ctx): ...
    def execute_tool(self, tools, name, arguments): ...

class Second(Bot):
    key = "second"

class Demanding(Bot):
    def __init__(self, needed): ...

class Half(JourneyAgent):
    key = "half"

class Shelf:
    best = Second()

bot = Bot()
many = [bot, Second, (Second(),)]
number = 7

def make():
    return Second

def make_many():
    return [Bot(), Second()]

def broken():
    raise LookupError("no luck")

async def later():
    return bot
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with agents in `cli_bots.py`; what is imported from it is forgotten afterwards."""
    (tmp_path / "cli_bots.py").write_text(BOTS)
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("attribute", "keys"),
    [
        ("bot", ["bot"]),
        ("Second", ["second"]),
        ("many", ["bot", "second", "second"]),
        ("make", ["second"]),
        ("make_many", ["bot", "second"]),
        ("Shelf.best", ["second"]),
    ],
)
@pytest.mark.parametrize("module", ["cli_bots", "cli_bots.py", "./cli_bots.py"])
def test_an_agent_a_class_a_list_or_a_function_gives_agents(
    here: Path, module: str, attribute: str, keys: list[str]
) -> None:
    assert [agent.key for agent in load_agents([f"{module}:{attribute}"])] == keys


def test_a_file_that_is_named_twice_is_loaded_once(here: Path) -> None:
    first, again, dotted = load_agents(["cli_bots.py:bot", f"{here}/cli_bots.py:bot", "cli_bots:bot"])
    assert first is again is dotted


def test_a_file_whose_name_another_module_has_is_loaded_beside_it(here: Path) -> None:
    (here / "json.py").write_text(BOTS)
    module = sys.modules["json"]
    assert load_agents(["./json.py:bot"])[0].key == "bot"
    assert sys.modules["json"] is module


def test_a_file_in_another_directory_imports_what_stands_beside_it(here: Path) -> None:
    (here / "cli_else").mkdir()
    (here / "cli_else" / "cli_beside.py").write_text(BOTS)
    (here / "cli_else" / "agents.py").write_text("from cli_beside import bot")
    assert load_agents(["cli_else/agents.py:bot"])[0].key == "bot"


def test_a_module_that_ends_the_process_is_an_error_that_says_so(here: Path) -> None:
    (here / "cli_ending.py").write_text("import sys\n\nsys.exit(0)")
    with pytest.raises(InvalidInput, match=r"cannot load 'cli_ending' .*: SystemExit: 0 \(cli_ending.py, line 3\)$"):
        load_agents(["cli_ending:bot"])


def test_a_module_in_a_package_is_named_with_dots(here: Path) -> None:
    package = here / "cli_pack" / "inner"
    package.mkdir(parents=True)
    (package / "bots.py").write_text(BOTS)
    assert load_agents(["cli_pack.inner.bots:bot"])[0].key == "bot"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("cli_bots", "names no agent: use MODULE:ATTR"),
        (":bot", "names no agent: use MODULE:ATTR"),
        ("cli_bots:", "names no agent: use MODULE:ATTR"),
        ("cli_none:bot", "cannot load 'cli_none' of 'cli_none:bot': ModuleNotFoundError: No module named 'cli_none'$"),
        ("cli_none.py:bot", "cannot load 'cli_none.py'"),
        ("cli_bots:none", "'cli_bots' has no attribute 'none'; it has .*bot"),
        ("cli_bots:Shelf.none", "'cli_bots' has no attribute 'Shelf.none'"),
        ("cli_bots:number", "is int 7: it must be a JourneyAgent"),
        ("cli_bots:dataclass", "cannot be made an agent|must be a JourneyAgent"),
        ("cli_bots:Demanding", "'cli_bots:Demanding' cannot be made an agent: TypeError: .*needed"),
        ("cli_bots:Half", "cannot be made an agent: TypeError: .*abstract"),
        ("cli_bots:broken", "cannot be made an agent: LookupError: no luck \\(cli_bots.py, line \\d+\\)$"),
        ("cli_bots:JourneyAgent", "cannot be made an agent: TypeError: .*abstract"),
    ],
)
def test_what_cannot_be_loaded_is_said(here: Path, spec: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        load_agents([spec])


def test_a_file_that_fails_is_not_kept(here: Path) -> None:
    (here / "cli_broken.py").write_text("import cli_bots\nraise RuntimeError('half way')\n")
    for _ in range(2):
        with pytest.raises(InvalidInput, match="RuntimeError: half way"):
            load_agents(["cli_broken.py:bot"])
    assert "cli_broken" not in sys.modules

"""What `arf new` makes a directory of, and what it leaves alone."""

from pathlib import Path

import pytest

from agent_runtime_framework.events import Conflict, FrameworkError, InvalidId
from agent_runtime_framework.runtime.cli.console.options import Options
from agent_runtime_framework.runtime.cli.running.new import make_new


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_there_already_is_left_alone(here: Path) -> None:
    (here / "kept").mkdir()
    (here / "kept" / "mine.txt").write_text("mine")
    (here / "file").write_text("a file")
    (here / "link").symlink_to("kept")
    (here / "hidden").mkdir()
    (here / "hidden" / ".git").mkdir()
    before = sorted(here.rglob("*"))
    for name in ("kept", "file", "link", "hidden"):
        with pytest.raises(Conflict, match=f"{name} is there already, and not empty: choose another name"):
            make_new(Options(), name)
    assert sorted(here.rglob("*")) == before


def test_an_empty_directory_is_used(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty").mkdir()
    make_new(Options(output="jsonl"), "empty")
    files = ["agent.py", "test_agent.py", "README.md"]
    assert sorted(path.name for path in (here / "empty").iterdir()) == sorted(files)
    listed = ",".join(f'"{file}"' for file in files)
    assert capsys.readouterr().out == f'{{"directory":"{here}/empty","files":[{listed}]}}\n'
    assert [path.name for path in here.iterdir()] == ["empty"]


@pytest.mark.parametrize("name", ["a/b", "..", "two words", "", "n" * 129, "ä", "a.b"])
def test_a_name_that_cannot_be_an_agents_key_is_shown_with_the_pattern(here: Path, name: str) -> None:
    with pytest.raises(InvalidId, match="use 1 to 128 characters out of A-Z a-z 0-9 _ -"):
        make_new(Options(), name)
    assert list(here.iterdir()) == []


def test_the_longest_name_is_used(here: Path) -> None:
    make_new(Options(), "n" * 128)
    assert f'key = "{"n" * 128}"' in (here / ("n" * 128) / "agent.py").read_text()


def test_a_directory_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")
    with pytest.raises(FrameworkError, match=r"^/proc/bot cannot be made: "):
        make_new(Options(), "bot")

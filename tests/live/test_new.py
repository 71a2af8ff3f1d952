"""`arf new`: what it makes runs as it is."""

import asyncio
import subprocess
import sys
from pathlib import Path

from support.command_line import error, run
from support.processes import environment
from support.talks import nothing_runs


def test_the_new_agent_talks_and_its_test_passes(tmp_path: Path) -> None:
    made = run("new greeter", tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout == (
        "greeter/ has agent.py, test_agent.py, README.md; next: cd greeter && arf dev agent.py:agent\n"
    )
    directory = tmp_path / "greeter"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["greeter"]
    assert sorted(path.name for path in directory.iterdir()) == ["README.md", "agent.py", "test_agent.py"]
    assert len((directory / "README.md").read_text().splitlines()) == 5
    assert (directory / "README.md").read_text().startswith("# greeter\n")

    talk = run("chat agent.py:agent", directory, stdin="hi\nI am Ada\n")
    assert (talk.returncode, talk.stderr) == (0, "")
    assert 'you> I am Ada\n  save_name(name="Ada") [idempotent]\n  step: name -> done\ngreeter> ' in talk.stdout
    assert nothing_runs(directory)

    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tested.returncode, "1 passed" in tested.stdout) == (0, True), tested.stdout


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("a file")
    (tmp_path / "link").symlink_to("kept")
    for name in ("kept", "file", "link"):
        code, message = error(f"new {name}", tmp_path)
        assert (code, message) == (
            4,
            f"{tmp_path / name} is there already, and not empty: choose another name, or move it away",
        )
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "file",
        "kept",
        "kept/mine.txt",
        "link",
    ]


def test_an_empty_directory_is_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("new empty -o json", tmp_path)
    assert (done.returncode, (tmp_path / "empty" / "agent.py").exists()) == (0, True)


def test_a_name_that_cannot_be_an_agents_key_is_a_wrong_use(tmp_path: Path) -> None:
    for name in ("a/b", "..", "'two words'", "''", "n" * 129, "ä"):
        code, message = error(f"new {name}", tmp_path)
        assert (code, message.endswith("use 1 to 128 characters out of A-Z a-z 0-9 _ -")) == (2, True)
    assert list(tmp_path.iterdir()) == []
    assert run(f"new {'n' * 128}", tmp_path).returncode == 0


async def test_of_many_who_make_the_same_directory_one_does(tmp_path: Path) -> None:
    done = await asyncio.gather(*(asyncio.to_thread(run, "new same", tmp_path) for _ in range(3)))
    assert sorted(one.returncode for one in done) == [0, 4, 4]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["same"]  # noqa: ASYNC240  nothing else runs here

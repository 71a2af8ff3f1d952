"""`arf new`: what it makes runs as it is."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.command_line import run
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
    assert 'you> I am Ada\n  11.0 save_name(name="Ada") [idempotent]\n  step: name -> done\ngreeter> ' in talk.stdout
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


def test_of_two_who_make_the_same_directory_one_does(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as threads:
        done = list(threads.map(lambda _: run("new same", tmp_path), range(2)))
    assert sorted(one.returncode for one in done) == [0, 4]
    (refused,) = [one.stderr for one in done if one.returncode]
    assert refused == f"error: {tmp_path}/same is there already, and not empty: choose another name, or move it away\n"
    assert [path.name for path in tmp_path.iterdir()] == ["same"]

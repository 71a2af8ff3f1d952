"""What the command line takes, and what an error comes to."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from agent_runtime_framework.events import Conflict, FrameworkError, InvalidInput, NotFound
from agent_runtime_framework.runtime.cli import main as main_module_function
from agent_runtime_framework.runtime.cli.commands.talking import _pairs
from agent_runtime_framework.runtime.cli.console.options import Options
from agent_runtime_framework.runtime.cli.group import arf
from agent_runtime_framework.runtime.cli.main import main
from support.processes import environment

Probe = Callable[..., Options]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Probe:
    """Return the options that `list` is given."""
    found: list[Options] = []

    def look(options: Options) -> int:
        found.append(options)
        return 0

    monkeypatch.setattr(arf.commands["list"], "callback", click.pass_obj(look))

    def probe(*words: str) -> Options:
        assert main(words) == 0
        return found[-1]

    return probe


def test_each_command_is_summed_up_whole_in_the_help() -> None:
    listed = CliRunner().invoke(arf, ["--help"]).output.partition("Commands:")[2].partition("Examples:")[0]

    assert all(name in listed for name in arf.commands)
    assert "..." not in listed


def test_what_is_not_given_is_the_embedded_server_and_text(seen: Probe) -> None:
    assert seen("list") == Options(nats=None, home=None, namespace="arf", output="text", debug=False)


@pytest.mark.parametrize(
    "words",
    [
        ("--nats", "u", "--home", "h", "--namespace", "n", "-o", "json", "--debug", "list"),
        ("list", "--nats", "u", "--home", "h", "--namespace", "n", "-o", "json", "--debug"),
        ("--nats", "u", "--home", "h", "-o", "json", "list", "--namespace", "n", "--debug"),
        (
            "--nats",
            "x",
            "--home",
            "h",
            "-o",
            "jsonl",
            "list",
            "--nats",
            "u",
            "--namespace",
            "n",
            "-o",
            "json",
            "--debug",
        ),
    ],
)
def test_options_stand_before_or_after_the_command_and_the_last_counts(seen: Probe, words: tuple[str, ...]) -> None:
    assert seen(*words) == Options(nats="u", home="h", namespace="n", output="json", debug=True)


def test_the_environment_counts_where_nothing_is_typed(seen: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NATS_URL", "HOME", "NAMESPACE"):
        monkeypatch.setenv(f"ARF_{name}", name.lower())
    assert seen("list") == Options(nats="nats_url", home="home", namespace="namespace")
    assert seen("--namespace", "a", "list", "--home", "b") == Options(nats="nats_url", home="b", namespace="a")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (InvalidInput("too\nbad"), 2, "error: too bad"),
        (NotFound("nobody"), 3, "error: nobody"),
        (Conflict("both"), 4, "error: both"),
        (FrameworkError("it"), 1, "error: it"),
        (KeyError("oh"), 1, "error: KeyError: 'oh'; run again with --debug for the traceback"),
        (click.UsageError("what?"), 2, "error: what? (see `arf list --help`)"),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(
    error: Exception, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arf.commands["list"], "callback", _raising(error))
    assert main(["list"]) == code
    assert capsys.readouterr() == ("", f"{says}\n")


def test_the_traceback_of_the_unexpected_comes_with_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arf.commands["list"], "callback", _raising(KeyError("oh")))
    assert main(["list", "--debug"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith("error: KeyError: 'oh'\n")


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(arf.commands["list"], "callback", _raising(KeyboardInterrupt()))
    assert main(["list"]) == 130
    assert capsys.readouterr().err.strip() == ""


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.split()[0] == "arf"
    assert main_module_function is main


@pytest.mark.parametrize(
    "words", ["", "nothing", "log", "log c d", "list -o xml", "state c --at 0", "list --unknown", "worker"]
)
def test_a_wrong_use_says_where_the_right_one_stands(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--help" in err
    assert err.count("\n") == 1 or not words


@pytest.mark.parametrize("command", ["", *sorted(arf.commands)])
def test_each_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    out, err = capsys.readouterr()
    assert f"\n    arf {command}" in out.partition("Examples:")[2]
    assert err == ""


def test_the_help_loads_click_and_nothing_else_that_is_large() -> None:
    program = (
        "import sys; from agent_runtime_framework.runtime.cli import main; main(['--help']); "
        "loaded = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names); "
        "print(sorted(loaded), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, env=_path()
    )
    assert ast.literal_eval(done.stderr) == ["__main__", "agent_runtime_framework", "click"]
    assert "Examples:" in done.stdout


def _path() -> dict[str, str]:
    """Return an environment in which Python finds what it would find with its site, whose own imports do not count."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.mark.parametrize(
    ("shell", "holds"), [("bash", "complete -o nosort -F"), ("zsh", "compdef"), ("fish", "complete ")]
)
def test_a_shell_is_told_how_to_complete(shell: str, holds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script, said = capsys.readouterr()
    assert (holds in script, f"_ARF_COMPLETE={shell}_complete" in script, said) == (True, True, "")


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    arf_program = tmp_path / "arf"
    arf_program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m agent_runtime_framework.runtime.cli "$@"\n')
    arf_program.chmod(0o755)
    script = """
        eval "$(arf completion bash)"
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _arf_completion arf; echo "${COMPREPLY[*]}"; }
        ask arf fol; ask arf follow --to; ask arf completion z
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment(PATH=f"{tmp_path}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.splitlines(), done.stderr) == (["follow", "--tokens", "zsh"], "")


@pytest.mark.parametrize("given", ["channel", "=web", ""])
def test_metadata_that_is_no_pair_is_a_wrong_use(given: str) -> None:
    with pytest.raises(click.BadParameter, match="is not KEY=VALUE"):
        _pairs(("a=b", given))
    assert _pairs(("a=b", "c==d=", "a=e", "f=")) == {"a": "e", "c": "=d=", "f": ""}


def _raising(error: BaseException) -> Callable[..., Any]:
    def raises() -> None:
        raise error

    return raises

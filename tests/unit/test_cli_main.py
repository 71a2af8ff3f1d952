"""What the command line takes, and what an error comes to."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest

from agent_runtime_framework.events import Conflict, FrameworkError, InvalidInput, NotFound
from agent_runtime_framework.runtime.cli import main as main_module_function
from agent_runtime_framework.runtime.cli.group import arf
from agent_runtime_framework.runtime.cli.main import main
from agent_runtime_framework.runtime.cli.options import Options

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


@pytest.mark.parametrize("command", ["", "demo", "worker", "send", "log", "state", "list"])
def test_each_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    out, err = capsys.readouterr()
    assert f"\n    arf {command}" in out.partition("Examples:")[2]
    assert err == ""


def test_the_help_loads_nothing_but_click() -> None:
    program = (
        "import sys; from agent_runtime_framework.runtime.cli import main; main(['--help']); "
        "print(sorted({'rich', 'nats', 'msgspec', 'openai', 'pykka'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "Examples:" in done.stdout


def _raising(error: BaseException) -> Callable[..., Any]:
    def raises() -> None:
        raise error

    return raises

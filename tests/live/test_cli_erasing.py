"""Conversations are sealed and erased at the command line, and every command says what cannot be read."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework import Runtime
from agent_runtime_framework.runtime.testing.working import at_work
from support.cli_bots import Bot
from support.command_line import bots, data, error, in_use, run, worker
from support.terminal import Terminal

MASTER = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="
OTHER = "AAAAASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="
KEYED = {"ARF_MASTER_KEY": MASTER}
SEALED = "the content of 'c-1' is sealed, and its key cannot be had here: set ARF_MASTER_KEY"
ERASED = "conversation 'c-1' was erased"


async def _talk(place: Path, *, encrypt: bool) -> None:
    async with at_work(Runtime([Bot()], home=place / ".arf", encrypt=encrypt)) as rt:
        await rt.send("bot", "c-1", "save_name Zanzibaria")
        await rt.send("bot", "c-2", "hello")
        await rt.fork("c-2", as_id="c-3")


def talk(place: Path, monkeypatch: pytest.MonkeyPatch, *, encrypt: bool) -> Path:
    with monkeypatch.context() as patched:
        if encrypt:
            patched.setenv("ARF_MASTER_KEY", MASTER)
        asyncio.run(_talk(bots(place), encrypt=encrypt))
    return place


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory whose conversations are sealed; nobody has the master key unless it is given."""
    yield talk(tmp_path, monkeypatch, encrypt=True)
    assert in_use(tmp_path / ".arf") == []


READS = ("log c-1", "show c-1", "state c-1")
NEED = ("prompt c-1 4", "diff c-1 4 12", "replay c-1 --agent bot.py:Bot", "why c-1", "save-test c-1 --agent bot.py:Bot")


def test_with_the_master_key_everything_is_as_in_clear(sealed: Path) -> None:
    for command in READS:
        done = run(command, sealed, env=KEYED)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Zanzibaria" in done.stdout
    assert run("prompt c-1 4", sealed, env=KEYED).returncode == 0


def test_without_the_master_key_the_structure_is_read(sealed: Path) -> None:
    for command in READS:
        done = run(command, sealed)
        assert (done.returncode, done.stderr) == (0, f"{SEALED}\n"), command
        assert "Zanzibaria" not in done.stdout
        assert "Step name" not in done.stdout
        assert "[sealed]" in done.stdout
    state = json.loads(run("state c-1 -o json", sealed).stdout)
    assert (state["withheld"], state["state"], state["status"], state["turns"]) == (True, {}, "idle", 1)
    assert {one["conversation"] for one in data("list", sealed)} == {"c-1", "c-2", "c-3"}


def test_without_the_master_key_what_needs_content_is_refused_in_one_line(sealed: Path) -> None:
    for command in NEED:
        code, said = error(command, sealed)
        assert (code, said) == (1, SEALED), command
    assert error("fork c-1", sealed) == (1, SEALED)
    for command in ("send bot c-1 hello --no-wait", "send bot c-9 hello --no-wait"):
        done = run(command, sealed)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines()[-1].endswith("set ARF_MASTER_KEY")
    encrypted = "namespace 'arf' is encrypted, and there is no master key here: set ARF_MASTER_KEY"
    assert error("worker bot.py:Bot", sealed) == (1, encrypted)
    assert len(json.loads(run("log c-1 -o json", sealed).stdout)) == 13


def test_without_the_master_key_nobody_is_told_that_there_were_no_calls(sealed: Path) -> None:
    one, every = run("audit tools --conversation c-1", sealed), run("audit tools", sealed)
    with_key = run("audit tools -o csv", sealed, env=KEYED)

    assert (one.returncode, one.stdout) == (1, "")
    assert one.stderr.splitlines()[-1] == f"{SEALED}; its calls are not listed"
    unlisted = "3 conversations are sealed, and no key is here: set ARF_MASTER_KEY; their calls are not listed"
    assert (every.returncode, every.stderr.splitlines()[-1]) == (1, unlisted)
    assert (with_key.returncode, with_key.stderr, "Zanzibaria" in with_key.stdout) == (0, "", True)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (OTHER, "this is not the master key of namespace 'arf': set the ARF_MASTER_KEY that it was encrypted with"),
        ("nonsense", "ARF_MASTER_KEY is no key: it must be 32 bytes in base64"),
    ],
)
def test_a_wrong_master_key_is_one_clear_line(sealed: Path, key: str, said: str) -> None:
    for command in ("log c-1", "send bot c-1 hello", "worker bot.py:Bot --encrypt"):
        code, line = error(command, sealed, env={"ARF_MASTER_KEY": key})
        assert code == 2
        assert line.startswith(said)


def test_encryption_needs_a_master_key(tmp_path: Path) -> None:
    needs = "encryption needs a master key: set ARF_MASTER_KEY, such as `openssl rand -base64 32` makes it"
    assert error("worker bot.py:Bot --encrypt", bots(tmp_path)) == (2, needs)


def test_a_worker_is_told_to_encrypt_by_a_variable(tmp_path: Path) -> None:
    with worker("bot.py:Bot", bots(tmp_path), {**KEYED, "ARF_ENCRYPT": "1"}):
        assert run("send bot c-1 hello", tmp_path, env=KEYED).stdout == "You said: hello\n"
    assert run("log c-1", tmp_path).stderr == f"{SEALED}\n"


@pytest.mark.parametrize("encrypt", [True, False])
def test_every_command_says_that_a_conversation_was_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, encrypt: bool
) -> None:
    place, env = talk(tmp_path, monkeypatch, encrypt=encrypt), KEYED if encrypt else {}
    done = run("erase c-1 --reason 'asked by the customer' --yes -o json", place, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["sealed"] is encrypt

    for command in READS:
        done = run(command, place, env=env)
        assert (done.returncode, done.stderr) == (0, f"{ERASED}\n"), command
        assert "Zanzibaria" not in done.stdout
    assert "asked by the customer" in run("log c-1", place, env=env).stdout
    assert [one["status"] for one in json.loads(run("list -o json", place, env=env).stdout)].count("erased") == 1
    for command in NEED:
        code, said = error(command, place, env=env)
        assert code in (1, 3), command
        assert "was erased" in said, command
    for command in ("audit tools", "audit tools --conversation c-1"):
        listed = run(command, place, env=env)
        assert (listed.returncode, listed.stdout) == (0, "")
        assert listed.stderr == f"no such calls\n{ERASED}; its calls are not listed\n"
    assert error("fork c-1", place, env=env) == (4, "'c-1' was erased: there is nothing to fork")
    assert error("cancel c-1", place, env=env)[0] == 4
    assert run("check bot.py:Bot", place, env=env).returncode == 0
    assert run("export c-1 -o c-1.jsonl", place, env=env).returncode == 0
    assert "Zanzibaria" not in (place / "c-1.jsonl").read_text()
    again = json.loads(run("erase c-1 --reason again --yes -o json", place, env=env).stdout)
    assert (again["again"], again["reason"]) == (True, "asked by the customer")


def test_what_was_exported_after_an_erasure_in_clear_is_imported_as_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "one"
    place.mkdir()
    talk(place, monkeypatch, encrypt=False)
    assert run("erase c-1 --reason why --yes", place).returncode == 0
    assert run(f"export c-1 -o {tmp_path}/c-1.jsonl", place).returncode == 0
    (tmp_path / "two").mkdir()

    done = run("import ../c-1.jsonl", tmp_path / "two")

    assert (done.returncode, done.stderr) == (0, "")
    assert run("state c-1", tmp_path / "two").stderr == f"{ERASED}\n"


def test_erasing_is_refused_in_one_line(sealed: Path) -> None:
    assert error("erase c-9 --reason why --yes", sealed)[0] == 3
    assert error("erase c/9 --reason why --yes", sealed)[0] == 2
    code, said = error("erase c-1 --reason why", sealed)
    assert (code, said) == (2, "an erasure cannot be undone, and nobody can be asked here: give --yes")
    code, said = error("erase c-2 --reason why --yes", sealed)
    assert (code, said.split(";")[0]) == (4, "'c-2' has forks, which cannot be read without it: 'c-3'")
    assert run("log c-1", sealed, env=KEYED).stderr == ""


def test_forks_are_erased_with_it_without_the_master_key(sealed: Path) -> None:
    done = run("erase c-2 --reason why --with-forks --yes", sealed)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("overwritten") == 2
    assert "forks         c-3" in done.stdout


def test_at_a_terminal_it_is_asked(sealed: Path) -> None:
    with Terminal("erase c-1 --reason why", sealed) as terminal:
        terminal.read_until(r"for good\? \[y/N\]")
        terminal.press("n\n")
        assert terminal.end() == 1
    assert run("log c-1", sealed, env=KEYED).stderr == ""

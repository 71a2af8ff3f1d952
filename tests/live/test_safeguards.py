"""What keeps conversations from being changed or read unseen is told: by the doctor, and by a worker that is ready."""

import json
import subprocess
import time
from base64 import b64encode
from pathlib import Path

import pytest

from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.inspection import inspect
from agent_runtime_framework.runtime.nats.safeguards import STALE
from agent_runtime_framework.runtime.opening import Place
from support.command_line import bots, error, run, worker

MASTER = {"ARF_MASTER_KEY": b64encode(bytes(32)).decode()}
ANOTHER = {"ARF_MASTER_KEY": b64encode(bytes(range(32))).decode()}
SEALING = {"ARF_SEAL_KEY": "seal.pem", "ARF_SEAL_FILE": "seals.jsonl"}


def with_key(directory: Path) -> Path:
    """Return a directory with agents and a key for seals."""
    words = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", "seal.pem"]
    subprocess.run(words, cwd=directory, check=True, capture_output=True)
    return bots(directory)


def first_seal(file: Path) -> None:
    """Return once a seal is in the file, which is there sooner; then it is in the log, too."""
    until = time.monotonic() + 20
    while not file.stat().st_size:
        assert time.monotonic() < until, "no seal was made"
        time.sleep(0.01)


def told(directory: Path, name: str, env: dict[str, str] | None = None) -> tuple[str, str]:
    """Return status and value of what the doctor found under a name."""
    found = {each["name"]: each for each in json.loads(run("doctor -o json", directory, env=env).stdout)}
    return found[name]["status"], found[name]["value"]


def test_a_worker_that_seals_says_so_and_where_and_the_doctor_when(tmp_path: Path) -> None:
    with worker("bot.py:Bot", with_key(tmp_path)) as silent:
        assert told(tmp_path, "seals") == ("ok", "never")
    with worker("bot.py:Bot", tmp_path, SEALING) as sealing:
        first_seal(tmp_path / "seals.jsonl")
        status, value = told(tmp_path, "seals")

    assert "seals into" not in silent.first
    assert f", namespace arf, seals into {tmp_path / 'seals.jsonl'}, agents bot" in sealing.first
    assert (status, value[:15], value[34:]) == ("ok", "sealed last at ", " UTC, seal 1, conversations: 0")


class Later(SystemClock):
    """Is a clock that is half an hour and more ahead."""

    def now(self) -> int:
        return super().now() + STALE + 60_000


async def test_a_seal_that_is_late_is_a_warning_where_a_worker_is_there(tmp_path: Path) -> None:
    async def late() -> tuple[str, str]:
        findings = await inspect(Place(home=tmp_path / ".arf"), clock=Later())
        return next((each.status, each.advice) for each in findings if each.name == "seals")

    with worker("bot.py:Bot", with_key(tmp_path), SEALING):
        first_seal(tmp_path / "seals.jsonl")
        sealed = await late()

    assert sealed[0] == "warning"
    assert "--seal-key" in sealed[1]
    assert await late() == ("ok", "")


def test_a_worker_that_encrypts_says_so_and_the_doctor_whether_the_key_is_here_and_right(tmp_path: Path) -> None:
    with worker("bot.py:Bot", bots(tmp_path)) as clear:
        assert told(tmp_path, "encryption", MASTER) == ("ok", "none: what is said is stored in clear")
    with worker("bot.py:Bot --encrypt", tmp_path, MASTER) as sealing:
        right = told(tmp_path, "encryption", MASTER)
    with worker("bot.py:Bot", tmp_path, MASTER) as later:
        assert told(tmp_path, "encryption") == ("unknown", "on; no master key is set here")
        assert told(tmp_path, "encryption", ANOTHER)[0] == "wrong"
        assert "not the master key of namespace 'arf'" in told(tmp_path, "encryption", ANOTHER)[1]
        assert told(tmp_path, "encryption", {"ARF_MASTER_KEY": "short"})[0] == "wrong"

    assert right == ("ok", "on; the master key that is set here is the right one")
    assert "encrypted" not in clear.first
    assert all(", namespace arf, encrypted, agents bot" in each.first for each in (sealing, later))


@pytest.mark.parametrize("names", [["ARF_SEAL_KEY"], ["ARF_SEAL_FILE"], ["ARF_SEAL_KEY", "ARF_SEAL_FILE"]])
@pytest.mark.parametrize("command", ["chat bot.py:Bot", "dev bot.py:Bot", "demo"])
def test_the_worker_of_a_talk_does_not_seal_whatever_the_environment_says(
    tmp_path: Path, command: str, names: list[str]
) -> None:
    done = run(command, with_key(tmp_path), stdin="hello\n", env={name: SEALING[name] for name in names})

    assert "seal" not in done.stderr.replace(str(tmp_path), "")
    assert (done.returncode, (tmp_path / "seals.jsonl").exists()) == (0, False), done.stderr
    assert told(tmp_path, "seals") == ("ok", "never")


def test_a_worker_that_is_given_half_of_what_sealing_needs_says_what_is_missing(tmp_path: Path) -> None:
    code, said = error("worker bot.py:Bot", with_key(tmp_path), env={"ARF_SEAL_KEY": "seal.pem"})

    assert (code, said) == (2, "a key is given for seals and no file: give --seal-file or ARF_SEAL_FILE, too")

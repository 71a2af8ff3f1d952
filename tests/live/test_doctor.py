"""`arf doctor`, and a server that wants to know who we are, as a person meets them."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework import Client
from agent_runtime_framework.testing import NatsServer
from support.command_line import bots, error, run, worker
from support.terminal import Terminal, fits


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that wants a token."""
    (tmp_path / "nats").mkdir()
    with NatsServer(tmp_path / "nats", token="open-sesame") as server:
        yield server


def findings(words: str, cwd: Path) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code and the findings by name."""
    done = run(f"doctor -o json {words}", cwd)
    return done.returncode, {finding["name"]: finding for finding in json.loads(done.stdout)}


def test_all_is_well_where_a_worker_runs(tmp_path: Path) -> None:
    with worker("bot.py:Bot", bots(tmp_path)):
        code, found = findings("", tmp_path)
        strict, _ = findings("--strict", tmp_path)

    assert (code, strict) == (0, 0)
    assert {name: found[name]["status"] for name in ("server", "streams", "workers", "clock", "durability")} == {
        "server": "ok",
        "streams": "ok",
        "workers": "ok",
        "clock": "ok",
        "durability": "ok",
    }
    assert found["durability"]["value"] == "fsync"
    assert found["agent bot"]["status"] == "ok"


def test_no_worker_is_a_warning_with_what_to_do(tmp_path: Path) -> None:
    with worker("bot.py:Bot", bots(tmp_path)):
        pass
    code, found = findings("", tmp_path)
    strict, again = findings("--strict", tmp_path)

    assert (code, found["workers"]["status"]) == (0, "warning")
    assert "arf worker" in found["workers"]["advice"]
    assert (strict, again["workers"]) == (1, found["workers"])


def test_no_server_is_wrong_and_exits_with_one(tmp_path: Path) -> None:
    code, found = findings("--nats nats://127.0.0.1:1", tmp_path)

    assert (code, found["server"]["status"], list(found)) == (1, "wrong", ["server"])
    assert found["server"]["advice"] == "start it, or name another with --nats URL"
    assert found["server"]["advice"][:8] not in found["server"]["value"]


def test_where_there_is_nothing_it_says_so_and_makes_nothing(tmp_path: Path) -> None:
    code, message = error("doctor", tmp_path)

    assert (code, list(tmp_path.iterdir())) == (3, [])
    assert "no .arf/" in message


def test_of_a_given_server_what_cannot_be_known_is_unknown(tmp_path: Path, nats_url: str) -> None:
    async def create() -> None:
        async with Client.connect(nats_url, namespace="doctored"):
            pass

    asyncio.run(create())
    code, found = findings(f"--nats {nats_url} --namespace doctored", tmp_path)

    assert (code, found["durability"]["status"], found["durability"]["value"].startswith("unknown")) == (
        0,
        "unknown",
        True,
    )


def test_its_table_fits_a_narrow_terminal(tmp_path: Path) -> None:
    with Terminal("doctor --nats nats://127.0.0.1:1", tmp_path, columns=40) as terminal:
        assert (terminal.end(), fits(terminal, 40)) == (1, True)


def test_in_a_pipe_a_finding_is_one_line_and_a_server_without_a_name_is_not_called_by_its_id(
    tmp_path: Path, nats_url: str
) -> None:
    words = f"doctor --nats {nats_url} --namespace nothing-here"
    lines = run(words, tmp_path, env={"COLUMNS": "40"}).stdout.splitlines()
    (server,) = [finding["value"] for finding in json.loads(run(f"{words} -o json", tmp_path).stdout)][:1]

    assert {line.split()[0] for line in lines} <= {"ok", "warning", "wrong", "unknown"}
    assert [line for line in lines if line != line.rstrip()] == []
    assert re.fullmatch(rf"ok +server +nats-server [\d.]+, at {nats_url}", lines[0]), (lines[0], server)
    assert re.fullmatch(rf"nats-server [\d.]+, N\w{{55}}, at {nats_url}", server)


@pytest.mark.parametrize(
    ("words", "told"), [("", "asks for credentials, and none were given"), ("--token not-this", "refused the token")]
)
def test_a_server_that_wants_a_token_says_so(tmp_path: Path, guarded: NatsServer, words: str, told: str) -> None:
    code, message = error(f"list --nats {guarded.url} {words}", tmp_path)

    assert (code, told in message) == (1, True), message
    assert "not-this" not in message


def test_a_token_is_taken_from_the_option_and_from_the_environment(tmp_path: Path, guarded: NatsServer) -> None:
    env = {"ARF_NATS_URL": guarded.url, "ARF_NATS_TOKEN": "open-sesame"}
    with worker("bot.py:Bot", bots(tmp_path), env):
        sent = run("send bot c-1 hello", tmp_path, env=env)
    listed = run(f"list --nats {guarded.url} --token open-sesame -o json", tmp_path)
    typed = run("list -o json --token open-sesame", tmp_path, env={**env, "ARF_NATS_TOKEN": "stale"})

    assert sent.returncode == 0
    assert listed.stdout == typed.stdout
    assert [each["conversation"] for each in json.loads(listed.stdout)] == ["c-1"]


def test_a_talk_hands_the_token_on_to_its_worker(tmp_path: Path, guarded: NatsServer) -> None:
    words = f"chat bot.py:Bot --nats {guarded.url} --token open-sesame"
    done = run(words, bots(tmp_path), stdin="hello\n")

    assert (done.returncode, "hello" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("list --token x", "--token is for a server of your own: name it with --nats URL"),
        ("list --nats nats://127.0.0.1:1 --user ada", "a user is given without a password"),
        ("list --nats nats://127.0.0.1:1 --creds missing.creds", "missing.creds"),
        ("list --nats nats://127.0.0.1:1 --token x --nkey y", "in two ways"),
    ],
)
def test_credentials_that_cannot_be_used_are_a_usage_error(tmp_path: Path, words: str, told: str) -> None:
    code, message = error(words, tmp_path)

    assert code == 2
    assert told in message

"""Secrets in whole processes: on the server's disk, on the wire, in the logs of a worker and in every command."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
from nats.aio.msg import Msg

from agent_runtime_framework import Client
from agent_runtime_framework.testing import NatsServer
from support.processes import arf, environment, output_of
from support.vault_bot import CARD, PASSWORD, digest, found_in

TESTS = Path(__file__).parents[1]
AGENT = f"{TESTS / 'support' / 'vault_live.py'}:agent"
MASTER = base64.b64encode(bytes(range(32))).decode()


def surroundings(path: Path, url: str, **more: str) -> dict[str, str]:
    found = environment(ARF_NATS_URL=url, VAULT_SEEN=str(path / "seen"), **more)
    return {**found, "PYTHONPATH": f"{found['PYTHONPATH']}:{TESTS}"}


@asynccontextmanager
async def overheard(url: str) -> AsyncIterator[list[bytes]]:
    """Give all that is said on a server meanwhile, but for answers, which say what is on its disk."""
    heard: list[bytes] = []
    client = await nats.connect(url)

    async def hear(message: Msg) -> None:
        heard.append(message.subject.encode() + b" " + message.data)

    try:
        for subject in ("arf.>", "$JS.>", "$KV.>"):  # whoever hears an inbox, too, answers for it
            await client.subscribe(subject, cb=hear)
        await client.flush()
        yield heard
    finally:
        await client.close()


def kept_in(directory: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


REPLAYING = (("replay", "c-1", "c-2", "--agent", AGENT), ("check", AGENT))
READING = (
    *((command, "c-1", "-o", form) for command in ("log", "show", "state") for form in ("text", "json")),
    ("diff", "c-1", "1", "9"),
    ("export", "c-1"),
)


async def outputs(path: Path, env: dict[str, str], *lines: tuple[str, ...]) -> list[tuple[int, str]]:
    """Return what commands say, each with its exit code."""
    found = []
    for line in lines:
        code, out, err = await output_of(*line, cwd=path, env=env)
        found.append((code, f"{line} {out}{err}"))
    return found


async def test_no_secret_is_on_disk_on_the_wire_or_in_any_output_also_after_a_kill(tmp_path: Path) -> None:
    (tmp_path / "nats").mkdir()
    server = NatsServer(tmp_path / "nats", sync="always")
    await asyncio.to_thread(server.start)
    env = surroundings(tmp_path, server.url, ARF_MASTER_KEY=MASTER)
    keyless = surroundings(tmp_path, server.url)
    try:
        async with overheard(server.url) as heard, Client.connect(nats=server.url) as client:
            async with arf("worker", AGENT, cwd=tmp_path, env=env) as worker:
                await worker.line_with("ready")
                sending = asyncio.ensure_future(client.send("vault", "c-1", "go"))
                await worker.ended()
            async with arf("worker", AGENT, cwd=tmp_path, env=env) as other:
                await other.line_with("ready")
                reply = await sending
                again = await client.send("vault", "c-1", "go on")
                await client.fork("c-1", as_id="c-2")
                forked = await client.send("vault", "c-2", "and on")
                other.process.terminate()
                await other.ended()
            told = await outputs(tmp_path, env, *REPLAYING, *READING) + await outputs(tmp_path, keyless, *REPLAYING)
            live = b"\n".join(heard)
    finally:
        await asyncio.to_thread(server.stop)
    disk = await asyncio.to_thread(kept_in, tmp_path / "nats")
    saw = await asyncio.to_thread((tmp_path / "seen").read_text)

    # what is searched is what was told
    assert b"Log the user in." in disk
    assert b"Log the user in." in live
    assert (reply.text, again.text) == ("All done: (secret), (secret), (secret), (secret)", "It is (secret)")
    assert forked.text == "It still is (secret)"
    assert found_in(disk) == []
    assert found_in(live) == []
    assert found_in("\n".join([*worker.lines, *other.lines]).encode()) == []
    assert [said for _, said in told if found_in(said.encode())] == []
    assert [said for code, said in told if code] == []
    # and all of it was at hand where it was needed
    expected = [("log_in", PASSWORD), ("add_card", CARD), ("add_card", CARD), ("whisper", PASSWORD)]
    expected += [("look", PASSWORD), ("look", PASSWORD)]
    assert [tuple(line.split()) for line in saw.splitlines()] == [(what, digest(value)) for what, value in expected]


async def test_a_text_output_shows_a_secret_short_and_json_its_token(tmp_path: Path) -> None:
    (tmp_path / "nats").mkdir()
    (tmp_path / "died").touch()
    with NatsServer(tmp_path / "nats") as server:
        env = surroundings(tmp_path, server.url, ARF_MASTER_KEY=MASTER)
        async with arf("worker", AGENT, cwd=tmp_path, env=env) as worker, Client.connect(nats=server.url) as client:
            await worker.line_with("ready")
            await client.send("vault", "c-1", "go")
            _, text, _ = await output_of("state", "c-1", cwd=tmp_path, env=env)
            _, data, _ = await output_of("state", "c-1", "-o", "json", cwd=tmp_path, env=env)
            _, shown, _ = await output_of("show", "c-1", cwd=tmp_path, env=env)

    assert "(secret)" in text
    assert "secret:v1:" not in text + shown
    assert 'log_in(user="ada", password="(secret)")' in shown
    assert '"password": "secret:v1:' in data


async def test_a_worker_of_an_agent_with_secrets_does_not_start_without_a_key(tmp_path: Path) -> None:
    (tmp_path / "nats").mkdir()
    with NatsServer(tmp_path / "nats") as server:
        code, out, err = await output_of("worker", AGENT, cwd=tmp_path, env=surroundings(tmp_path, server.url))
        wrong = await output_of(
            "worker", AGENT, cwd=tmp_path, env=surroundings(tmp_path, server.url, ARF_MASTER_KEY="x")
        )

    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert (code, out) == (2, "")
    assert line == (
        "error: agent 'vault' has texts marked as secret, and there is no key to seal them: set ARF_MASTER_KEY, such "
        "as `openssl rand -base64 32` makes it"
    )
    assert wrong[0] == 2
    assert "ARF_MASTER_KEY is no key" in wrong[2]

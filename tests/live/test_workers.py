"""`arf workers`: who is there, and who owns what now."""

import asyncio
import json
import os
import socket
import textwrap
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from agent_runtime_framework.events import AgentKey, WriterId
from agent_runtime_framework.runtime.garbage import NEW
from agent_runtime_framework.runtime.leases import Lease, Leases
from agent_runtime_framework.runtime.opening import Place, opened
from support.command_line import bots, data, run, worker
from support.processes import wait_for

ALL = list(range(16))


def test_where_nobody_is_there_it_says_what_to_do(tmp_path: Path) -> None:
    with worker("bot.py:Bot", bots(tmp_path)):
        pass
    done = run("workers", tmp_path)

    nobody = "no worker is there: start one with `arf worker MODULE:ATTR`\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", nobody)
    assert json.loads(run("workers -o json", tmp_path).stdout) == []
    empty = run("workers --namespace empty", tmp_path)
    assert (empty.returncode, empty.stderr.splitlines()[-1]) == (0, nobody.strip())


def test_one_that_has_all_is_one_line_with_what_it_says_of_itself(tmp_path: Path) -> None:
    with worker("bot.py:Bot bot.py:Other", bots(tmp_path)) as working:
        assert run("send bot c hold --no-wait", tmp_path).returncode == 0
        wait_for(tmp_path / "held")
        while not (found := data("workers", tmp_path))[0]["turns"]:
            pass
        head, *lines = run("workers", tmp_path).stdout.splitlines()
        doctor = {finding["name"]: finding["value"] for finding in data("doctor", tmp_path)}
        (tmp_path / "let-go").touch()

    (one,) = found
    since = datetime.now(UTC) - datetime.fromisoformat(one["since"])
    assert (one["partitions"], one["agents"]) == (32, {"bot": ALL, "other": ALL})
    assert (one["host"], one["pid"], one["turns"], one["waiting"]) == (socket.gethostname(), working.process.pid, 1, 0)
    assert 0 <= since.total_seconds() < 600
    assert head.split() == ["worker", "process", "since", "turns", "partitions"]
    assert lines[0].split()[0] == one["worker"]
    assert lines[0].rstrip().endswith("bot 0-15; other 0-15")
    assert doctor["workers"] == "1"


def test_two_share_and_nothing_is_free(tmp_path: Path) -> None:
    bots(tmp_path)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(worker("bot.py:Bot", tmp_path))
        while len(found := data("workers", tmp_path)) != 2 or not all(one["partitions"] for one in found):
            pass
        lines = [json.loads(line) for line in run("workers -o jsonl", tmp_path).stdout.splitlines()]

    assert sorted(partition for one in found for partition in one["agents"]["bot"]) == ALL
    assert [line["worker"] for line in lines] == sorted(line["worker"] for line in lines)
    assert os.getpid() not in {line["pid"] for line in lines}


async def hold(leases: Leases, held: list[Lease]) -> None:
    """Hold leases for ever."""
    while True:
        for lease in held:
            await leases.renew(lease)
        await asyncio.sleep(leases.ttl / 4)


def test_what_nobody_owns_is_named_and_in_a_pipe_a_worker_is_one_line(tmp_path: Path) -> None:
    name = f"w-{'1' * 80}"

    async def look() -> tuple[list[str], list[str], object]:
        async with opened(Place(home=tmp_path / ".arf"), WriterId(name)) as one:
            leases = one.substrate.leases
            held = [await leases.acquire(AgentKey("bot"), partition) for partition in (0, 1, 2, 5)]
            holding = asyncio.ensure_future(hold(leases, [lease for lease in held if lease is not None]))
            done = await asyncio.to_thread(run, "workers", tmp_path, env={"COLUMNS": "40"})
            found = json.loads((await asyncio.to_thread(run, "workers -o json", tmp_path)).stdout)
            holding.cancel()
            await asyncio.wait([holding])
        return done.stdout.splitlines(), done.stderr.splitlines(), found

    out, said, found = asyncio.run(look())
    assert out == [f"{'worker':<82}  process  since  turns  partitions", f"{name}{' ' * 25}bot 0-2, 5"]
    assert said == ["nobody owns 3-4, 6-15 of agent bot: look again in some seconds, or start a worker"]
    assert isinstance(found, list)
    assert (found[0]["agents"], found[0]["host"], found[0]["turns"]) == ({"bot": [0, 1, 2, 5]}, None, None)
    assert found[1] == {"worker": None, "partitions": 12, "agents": {"bot": [3, 4, *range(6, 16)]}}


def test_a_worker_s_process_looks_for_garbage_seldom(tmp_path: Path) -> None:
    looking = """
        import gc
        from pathlib import Path
        from bot import Bot

        class Looking(Bot):
            key = "looking"

            def get_system_prompt(self, state):
                Path("seen").write_text(f"{gc.get_threshold()[0]} {gc.get_freeze_count() > 0}")
                return "Look."
    """
    (bots(tmp_path) / "looking.py").write_text(textwrap.dedent(looking))
    with worker("looking.py:Looking", tmp_path):
        assert run("send looking c-1 hi", tmp_path).returncode == 0

    assert (tmp_path / "seen").read_text() == f"{NEW} True"

"""An export in processes of its own: it comes to the same, and they end with whoever started them."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from agent_runtime_framework import CorruptLog, Unavailable
from agent_runtime_framework.events import WriterId
from agent_runtime_framework.runtime.analytics import processes
from agent_runtime_framework.runtime.analytics.export import exporting
from agent_runtime_framework.runtime.analytics.processes import FEW, export_all
from agent_runtime_framework.runtime.opening import Opened, Place, opened
from support.processes import SOURCES, environment
from support.tables import everything, export, in_turn, many, read, store


@pytest.fixture
async def there(nats_url: str) -> AsyncIterator[tuple[Place, Opened]]:
    """A place with conversations in it."""
    place = Place(nats=nats_url, namespace=f"t-{uuid4().hex[:12]}", shards=4)
    logs = await asyncio.to_thread(many, range(5))
    async with opened(place, WriterId("w-test")) as found:
        await store(found.substrate, in_turn(logs))
        yield place, found


async def test_processes_come_to_the_same(there: tuple[Place, Opened], tmp_path: Path) -> None:
    place, found = there
    await export(found.substrate, tmp_path / "here")
    done = [0, 0]

    def told(frames: int, events: int) -> None:
        done[0] += frames
        done[1] += events

    async with exporting(found.substrate, "n", tmp_path / "there") as run:
        assert len(run.jobs) == 4
        exported = await export_all(found.substrate, place, run.jobs, FEW + 1, told)
        run.finish(exported)

    assert everything(tmp_path / "there") == everything(tmp_path / "here")
    assert done == [run.behind, len(read(tmp_path / "here", "events"))]


async def test_what_goes_wrong_in_a_process_is_raised_here(there: tuple[Place, Opened], tmp_path: Path) -> None:
    place, found = there
    async with exporting(found.substrate, "n", tmp_path) as run:
        odd = [msgspec.structs.replace(job, state=msgspec.structs.replace(job.state, stream="x")) for job in run.jobs]
        with pytest.raises(CorruptLog, match="is not the stream"):
            await export_all(found.substrate, place, odd, FEW + 1, lambda frames, events: None)


async def test_a_process_that_is_killed_is_said(there: tuple[Place, Opened], tmp_path: Path) -> None:
    place, found = there
    killed: list[int] = []

    def kill(frames: int, events: int) -> None:
        for child in _children(os.getpid()):
            if not killed and _is_export(child):
                killed.append(child)
                os.kill(child, signal.SIGKILL)

    async with exporting(found.substrate, "n", tmp_path) as run:
        with pytest.raises(Unavailable, match="ended before its work was done"):
            await export_all(found.substrate, place, run.jobs * 20, FEW + 1, kill)
    assert not [child for child in _children(os.getpid()) if _is_export(child)]


def test_a_process_ends_with_its_stdin() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", f"{processes.__package__}.child"],
        env={**environment(), "PYTHONPATH": SOURCES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        process.send_signal(0)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0


def started(*words: str) -> "subprocess.Popen[bytes]":
    """Start Python in a process group of its own."""
    return subprocess.Popen([sys.executable, *words], env=environment(), stderr=subprocess.PIPE, start_new_session=True)


def _children(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in children.read_text().split()]


def _is_export(process: int) -> bool:
    try:
        return b"analytics.child" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_processes_end_with_the_command(
    number: signal.Signals, there: tuple[Place, Opened], tmp_path: Path
) -> None:
    place, _ = there
    code = (
        "import sys, agent_runtime_framework.runtime.analytics.processes as p; p.FEW = 0; "
        "from agent_runtime_framework.runtime.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["export", "--parquet", str(tmp_path / "tables"), "--nats", str(place.nats), "--namespace", place.namespace]
    process = started("-c", code, *words)
    with process:
        until = time.monotonic() + 20
        while not (ours := [child for child in _children(process.pid) if _is_export(child)]):
            assert process.poll() is None
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
        os.killpg(process.pid, number) if number == signal.SIGINT else process.kill()
        _, said = await asyncio.to_thread(process.communicate)
    while any(_is_export(child) for child in ours):
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
    assert (process.returncode, said) == (130 if number == signal.SIGINT else -number, b"")
    assert not (tmp_path / "tables" / "current").exists()

"""The benchmark's pieces do what they say they measure; how fast they are is no test."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from ops.bench.floors import NAMESPACE, JetStreamFloor, SQLiteFloor
from ops.bench.living import crowd, process
from ops.bench.place import QUICK, Place, placed, talk
from ops.bench.storing import SHORT
from ops.bench.work import USUAL

from agent_runtime_framework import Client
from agent_runtime_framework.events import ModelAnswered, ToolReturned, UserSpoke
from support.chaos import ROOT
from support.processes import environment

SMALL = msgspec.structs.replace(QUICK, long=3)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with placed(SMALL, lambda text: None) as place:
        yield place


async def test_the_floor_of_jetstream_stores_a_command_and_four_frames_a_turn(place: Place) -> None:
    floor = await JetStreamFloor.on(place)
    await floor.turns_a_second(conversations=3, turns=2)

    jetstream = place.plain.jetstream()
    commands = (await jetstream.stream_info(f"{NAMESPACE}-cmd")).state
    events = [(await jetstream.stream_info(name)).state for name in await place.streams(NAMESPACE)]
    assert commands.messages == 3 * 2
    assert (len(events), sum(state.messages for state in events)) == (8, 3 * 2 * 4)
    assert sum(state.bytes for state in events) > 3 * 2 * USUAL.said


async def test_the_floor_of_sqlite_commits_five_rows_a_turn(tmp_path: Path) -> None:
    floor = SQLiteFloor(tmp_path / "floor.db")
    floor.turns_a_second(conversations=3, turns=2)

    rows, synchronous = floor.kept()
    floor.close()
    assert rows == 3 * 2 * 5
    assert synchronous == "full"


async def test_a_turn_says_what_is_counted_as_said(place: Place) -> None:
    async with place.working("talk") as runtime:
        await talk(place, runtime, "c-1", 2)
        events = [each.event async for each in runtime.events("c-1")]

    said = [len(each.text) for each in events if isinstance(each, UserSpoke)]
    returned = [len(each.content) for each in events if isinstance(each, ToolReturned)]
    answers = [each.message for each in events if isinstance(each, ModelAnswered)]
    arguments = [call["function"]["arguments"] for each in answers for call in each.get("tool_calls", ())]
    replies = [len(each["content"]) for each in answers if each.get("content")]
    assert (said, returned, replies) == ([USUAL.user] * 2, [USUAL.result] * 2, [USUAL.reply] * 2)
    assert [len(each) for each in arguments] == [USUAL.arguments] * 2


async def test_the_long_conversation_is_recorded_once_and_its_bytes_are_those_of_its_streams(place: Place) -> None:
    long = await place.long()

    assert await place.long() is long
    assert long.stored == await place.stored(long.namespace) > SMALL.long * USUAL.said
    assert await place.stored("nothing") == 0


async def test_a_worker_process_says_how_many_conversations_are_live_and_lets_them_go(place: Place) -> None:
    async with process(place, "live") as worker, Client.connect(home=place.home, namespace="live") as client:
        await crowd(place, client, "c", 5, 2)
        found = await worker.look()
        left = await worker.passivated()

    assert (found.live, left.live) == (5, 0)
    assert min(found.resident, left.resident) > 1_000_000


def bench(path: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "ops.bench", *arguments],
        cwd=ROOT,
        env=environment(TMPDIR=str(path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_rows_that_are_named_are_measured_and_given_as_json(tmp_path: Path) -> None:
    out, err = bench(tmp_path, "begun", "bytes", "--rounds", "1", "--long", "3", "-o", "json").communicate(timeout=50)

    run = json.loads(out)
    assert [row["name"] for row in run["rows"]] == ["begun", "bytes", "bytes", "bytes", "bytes"], err
    assert run["rows"][0]["measured"] > 0
    assert run["rows"][1]["floors"][0] == {
        "name": "said",
        "value": USUAL.said,
        "ratio": run["rows"][1]["measured"] / USUAL.said,
    }
    assert str(SHORT) in run["rows"][1]["what"]
    assert {"date", "commit", "machine", "settings", "seconds"} < set(run)
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_there_is_not_is_refused_in_one_line(tmp_path: Path) -> None:
    process = bench(tmp_path, "speed")
    _, err = process.communicate(timeout=30)

    assert process.returncode == 2
    assert "there is no row 'speed': choose of one, many" in err.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_is_interrupted_says_so_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    process = bench(tmp_path, "memory")
    assert process.stderr is not None
    process.stderr.readline()  # it has begun
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted; everything is ended, nothing is kept"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []

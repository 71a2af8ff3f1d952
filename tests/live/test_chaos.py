"""Some seconds of chaos: real processes are killed and paused, connections are cut, and all eight rules hold."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.chaos import ROOT, record_of
from support.processes import environment
from support.talks import wait_until

SECONDS, SEED = "6", "3"


@pytest.mark.timeout(120)
async def test_some_seconds_of_chaos_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    arguments = ("--seconds", SECONDS, "--seed", SEED, "--workers", "3", "--talkers", "8")
    code, record, err = await record_of(tmp_path, "run", *arguments)

    assert record.get("broken") == [], err
    figures = record["figures"]
    assert figures["worker_kills"] > 0
    assert figures["turns"] > 0
    assert (figures["lost"], figures["doubled"], code) == (0, 0, 0)
    assert os.listdir(tmp_path) == []  # noqa: PTH208  it is empty, and nothing of it is needed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_is_interrupted_says_so_in_one_line_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    chaos = subprocess.Popen(
        [sys.executable, "-m", "ops.chaos", "run"],
        cwd=ROOT,
        env=environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: list(tmp_path.glob("arf-chaos-*/worker-*.log")), "the start of a worker")
    chaos.send_signal(number)
    out, err = chaos.communicate(timeout=60)

    assert (chaos.returncode, out, err) == (130, "", "interrupted; everything is ended, nothing is kept\n")
    assert list(tmp_path.iterdir()) == []

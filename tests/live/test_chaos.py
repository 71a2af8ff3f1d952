"""Some seconds of chaos: real processes are killed and paused, connections are cut, and all eight rules hold."""

import os
from pathlib import Path

import pytest

from support.chaos import record_of

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

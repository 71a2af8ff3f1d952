"""A real worker is killed at every commit of a turn in turn, and another one goes on with it."""

import os
from pathlib import Path

import pytest

from support.chaos import record_of

COMMITS = 5 + 6
"""Of a turn with two calls in one answer, and of one with two answers with a call each."""


@pytest.mark.timeout(120)
async def test_a_turn_whose_worker_is_killed_at_any_commit_is_neither_lost_nor_doubled_nor_stuck(
    tmp_path: Path,
) -> None:
    code, record, err = await record_of(tmp_path, "sweep")

    assert record.get("broken") == [], err
    assert (record["lost"], record["doubled"], record["stuck"], record["again"]) == (0, 0, 0, 0)
    assert (record["kills"], record["in_time"]) == (COMMITS, COMMITS)
    assert code == 0
    assert os.listdir(tmp_path) == []  # noqa: PTH208  it is empty, and nothing of it is needed

"""What is said of work that takes long."""

import asyncio
import io
import re
import sys
from collections.abc import AsyncIterator

import pytest

from agent_runtime_framework.runtime.cli.reading import progress as progress_module
from agent_runtime_framework.runtime.cli.reading.progress import event_progress, progress


class Screen(io.StringIO):
    """Is a terminal, 30 columns wide."""

    tty = True

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def isatty(self) -> bool:
        return self.tty

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Return what stderr shows from now on, where a second passes fast; no fixture: pytest sets stderr after it."""
    made = Screen()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setattr(progress_module, "PATIENCE", 0.01)
    monkeypatch.setattr(progress_module, "PACE", 0.01)
    monkeypatch.setattr(progress_module, "_columns", lambda: 30)
    return made


async def _numbers() -> AsyncIterator[int]:
    for number in range(12_345):
        yield number
    await asyncio.sleep(0.1)


async def test_work_that_takes_long_is_counted_and_the_count_wiped_away(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch)
    async with progress("reading events") as read:
        assert len([number async for number in read.of(_numbers())]) == 12_345
    shown = seen.getvalue()
    assert "\rreading events: 12,345 in 0 s" in shown
    assert all(len(line) < 30 for line in shown.split("\r"))
    assert "\n" not in shown
    assert shown.endswith(f"\r{' ' * 29}\r")


async def test_where_it_is_known_how_much_there_is_a_bar_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch)
    monkeypatch.setattr(progress_module, "_columns", lambda: 80)
    async with progress("asking", total=1_000) as asked:
        for _ in range(250):
            asked.one()
        await seen.written.wait()
    assert "\rasking: [#####...............] 250 of 1,000 in 0 s" in seen.getvalue()


async def test_of_events_it_is_told_how_many_come_in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch)
    monkeypatch.setattr(progress_module, "_columns", lambda: 80)
    async with event_progress("exporting", total=200) as done:
        done.add(150, 12_000)
        await seen.written.wait()
    shown = re.compile(r"\rexporting: \[###############\.\.\.\.\.\] 12,000 events, [\d,]+ a second, in 0 s")
    assert shown.search(seen.getvalue())


async def test_nothing_is_said_of_work_that_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch)
    monkeypatch.setattr(progress_module, "PATIENCE", 60.0)
    async with progress("reading"):
        await asyncio.sleep(0)
    assert seen.getvalue() == ""


async def test_nothing_is_said_where_nobody_sits_or_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch)
    async with progress("reading", shown=False):
        await asyncio.sleep(0.05)
    seen.tty = False
    async with progress("reading"):
        await asyncio.sleep(0.05)
    assert seen.getvalue() == ""

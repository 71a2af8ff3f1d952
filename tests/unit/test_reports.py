"""What befalls many partitions at once is one line, and what lasts is said now and then."""

import asyncio
import logging

import pytest

from agent_runtime_framework.events import AgentKey
from agent_runtime_framework.runtime.reports import AGAIN, TOGETHER, Reports

BOT, DESK = AgentKey("bot"), AgentKey("desk")


class Clock:
    """Moves only when it is told to."""

    seconds = 0.0

    def now(self) -> int:
        return 0

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return lines


async def test_what_is_lost_together_is_one_line(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    reports = Reports(clock)
    for partition, conversations in ((3, 0), (4, 1), (5, 0), (9, 2)):
        reports.lost((BOT, partition), conversations)
    for conversation in ("c-1", "c-2", "c-1"):
        reports.let_go(conversation)
    reports.lost((DESK, 1), 0)
    assert said(caplog) == []
    await asyncio.sleep(2 * TOGETHER)

    lost = "lost partitions 3-5, 9 of bot, partition 1 of desk to other workers, and let go of 5 conversations"
    assert said(caplog) == [lost]


async def test_what_was_not_said_yet_is_said_at_the_end(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    reports = Reports(clock)
    reports.taken_again((BOT, 2))
    reports.lost((BOT, 1), 1)
    reports.flush()
    reports.flush()

    assert said(caplog) == [
        "lost partition 1 of bot to other workers, and let go of 1 conversation",
        "the leases of partition 2 of bot had lapsed, and were taken again",
    ]


def test_what_lasts_is_said_now_and_then_and_that_it_is_over(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    reports = Reports(clock)
    for _ in range(3):
        reports.cannot("hold all", ["no answer for a; try again", "no answer for b"])
        clock.seconds += AGAIN / 2
    assert said(caplog) == ["cannot hold all: no answer for a (and 1 more such errors); trying again"] * 2

    for _ in range(2):
        reports.cannot("hold all", [])
    assert said(caplog) == ["can hold all again"]


async def test_a_conversation_that_another_wrote_in_is_said_also_where_nothing_was_lost(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    reports = Reports(clock)
    reports.let_go("c-1")
    reports.flush()

    assert said(caplog) == ["another worker wrote in conversations of ours: let go of 1 conversation"]

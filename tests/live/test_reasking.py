"""Asking again over real HTTP: so many at once, within a budget, retried as a worker would, and ended at once."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent_runtime_framework import Asked, JourneyConfig, OpenAIClient, RetryPolicy, reask
from agent_runtime_framework.events import Stored
from agent_runtime_framework.runtime.replay import Reasking
from support.journeys import NO_WAITING, OrderAgent, order_agent
from support.openai_server import OpenAIServer
from support.recorded_logs import Unordered, chatted

HELLO = {"when": {}, "text": "Hello!"}
BUSY = {"status": 429, "error": {"message": "slow down"}}


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as served:
        yield served


@pytest.fixture
async def agent(server: OpenAIServer) -> AsyncIterator[OrderAgent]:
    async with contextlib.aclosing(OpenAIClient("m", base_url=server.url)) as client:
        yield order_agent(client, model_timeout=20.0)


def log(turns: int, conversation: str = "c-1") -> list[Stored]:
    """Return a log of so many turns, each with one point."""
    return chatted(order_agent(Unordered(lambda *_: "never")), turns, conversation)


def results(points: tuple[Asked, ...]) -> list[str]:
    return [one.result for one in points]


def last_of(request: dict[str, Any]) -> str:
    return str(request["body"]["messages"][-1]["content"])


async def test_so_many_are_asked_at_once_and_no_more(server: OpenAIServer, agent: OrderAgent) -> None:
    server.script.add({"when": {}, "times": 3, "text": "Hello!", "hold": "three"}, HELLO)
    asking = asyncio.create_task(reask(log(8), agent, concurrency=3))
    await server.until(lambda it: len(it.requests) == 3)
    await server.holding("three")
    assert sorted(map(last_of, server.requests)) == ["hi 1", "hi 2", "hi 3"]
    server.release("three")
    again = await asking

    assert results(again.points) == ["same"] * 8
    assert len(server.requests) == 8


async def test_what_is_done_last_stands_where_it_is_in_the_log(server: OpenAIServer, agent: OrderAgent) -> None:
    first = {"when": {"contains": "hi 1"}, "text": "At last!", "hold": "first"}
    server.script.add(first, HELLO)
    asking = asyncio.create_task(reask(log(5), agent, concurrency=2))
    await server.until(lambda it: len(it.requests) == 5)
    server.release("first")
    again = await asking

    assert [(one.turn, one.result) for one in again.points] == [
        (1, "words"),
        (2, "same"),
        (3, "same"),
        (4, "same"),
        (5, "same"),
    ]


async def test_the_budget_is_spent_from_the_beginning_of_the_log(server: OpenAIServer, agent: OrderAgent) -> None:
    server.script.add(HELLO)
    again = await reask(log(9), agent, budget=4, concurrency=3)

    assert len(server.requests) == 4
    assert (again.total, [one.turn for one in again.points]) == (9, [1, 2, 3, 4])
    assert not again.differs
    assert str(again) == "c-1: 4 of 9 points: 4 the same"


async def test_one_budget_is_for_all_conversations(server: OpenAIServer, agent: OrderAgent) -> None:
    server.script.add(HELLO)
    reasking = Reasking(budget=5, concurrency=2)
    for conversation in ("c-1", "c-2", "c-3"):
        await reasking.read(log(3, conversation), agent)
    await reasking.ask()

    assert [(one.conversation, len(one.points), one.total) for one in reasking.found] == [
        ("c-1", 3, 3),
        ("c-2", 2, 3),
        ("c-3", 0, 3),
    ]
    assert (reasking.left, len(server.requests)) == (0, 5)


async def test_each_attempt_counts_against_the_budget(server: OpenAIServer, agent: OrderAgent) -> None:
    server.script.add({"when": {"contains": "hi 1"}, "times": 2, **BUSY}, HELLO)
    again = await reask(log(5), agent, budget=4, concurrency=1, retry=NO_WAITING)

    assert [(one.turn, one.result, one.attempts) for one in again.points] == [(1, "same", 3), (2, "same", 1)]
    assert len(server.requests) == 4


async def test_what_is_not_asked_again_because_of_the_budget_failed(server: OpenAIServer, agent: OrderAgent) -> None:
    server.script.add({"when": {}, **BUSY})
    again = await reask(log(3), agent, budget=2, retry=NO_WAITING, concurrency=1)

    (one,) = again.points
    assert (one.result, one.attempts, len(server.requests)) == ("failed", 2, 2)
    assert one.error.endswith("slow down; not asked again: the budget of 2 calls is spent")


async def test_a_provider_is_asked_again_when_it_says(server: OpenAIServer, agent: OrderAgent) -> None:
    server.script.add({**BUSY, "headers": {"Retry-After": "0.4"}}, "Hello!")
    began = time.monotonic()
    again = await reask(log(1), agent, retry=RetryPolicy(first=0.0))

    assert time.monotonic() - began >= 0.39
    assert [(one.result, one.attempts) for one in again.points] == [("same", 2)]


async def test_one_that_asks_for_too_long_a_wait_is_not_waited_for(server: OpenAIServer, agent: OrderAgent) -> None:
    server.script.add({"when": {"contains": "hi 1"}, **BUSY, "headers": {"Retry-After": "9999"}}, HELLO)
    again = await reask(log(3), agent)

    assert results(again.points) == ["failed", "same", "same"]
    assert again.differs


async def test_an_answer_that_does_not_come_in_time_is_retried_and_fails_alone(
    server: OpenAIServer, agent: OrderAgent
) -> None:
    agent.config = JourneyConfig(model_timeout=0.3)
    server.script.add({"when": {"contains": "hi 2"}, "text": "Hello!", "hold": "never"}, HELLO)
    again = await reask(log(3), agent, retry=NO_WAITING)

    assert [(one.result, one.attempts) for one in again.points] == [
        ("same", 1),
        ("failed", NO_WAITING.attempts),
        ("same", 1),
    ]
    assert again.points[1].error == "the model did not answer in time"
    assert again.counts.failed == 1


async def test_failures_of_every_kind_are_told_and_the_rest_is_asked(server: OpenAIServer, agent: OrderAgent) -> None:
    server.script.add(
        {"when": {"contains": "hi 1"}, "status": 401, "error": {"message": "who are you"}},
        {"when": {"contains": "hi 2"}, "body": "nonsense"},
        {"when": {"contains": "hi 3"}, "cut": 0},
        HELLO,
    )
    again = await reask(log(5), agent, retry=NO_WAITING)

    assert results(again.points) == ["failed", "failed", "failed", "same", "same"]
    assert "check the API key" in again.points[0].error
    assert [one.attempts for one in again.points] == [1, 3, 3, 1, 1]


async def test_who_cancels_finds_what_was_found_and_nothing_is_asked_any_more(
    server: OpenAIServer, agent: OrderAgent
) -> None:
    server.script.add({"when": {"contains": "hi 4"}, "text": "Hello!", "hold": "never"}, HELLO)
    reasking = Reasking(concurrency=1)
    await reasking.read(log(9), agent)
    asking = asyncio.create_task(reasking.ask())
    await server.holding("never")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await server.until(lambda it: it.hangups == 1)

    assert results(reasking.found[0].points) == ["same"] * 3
    assert len(server.requests) == 4


async def test_tokens_are_summed(server: OpenAIServer, agent: OrderAgent) -> None:
    server.script.add(HELLO)
    again = await reask(log(3), agent)

    assert again.counts.usage["total_tokens"] == 36
    assert again.counts.usage_then == {}


async def test_two_thousand_points_do_not_hold_the_loop_up() -> None:
    reasking = Reasking(concurrency=32, budget=2_000)
    for number in range(20):
        await reasking.read(log(100, f"c-{number}"), order_agent(Unordered(lambda *_: at_once())))
    in_a_row = longest = asked = 0

    def at_once() -> str:
        nonlocal in_a_row, longest, asked
        asked, in_a_row = asked + 1, in_a_row + 1
        longest = max(longest, in_a_row)
        return "Hello!"

    async def others() -> None:
        nonlocal in_a_row
        while True:
            await asyncio.sleep(0)
            in_a_row = 0

    watching = asyncio.create_task(others())
    await reasking.ask()
    watching.cancel()

    assert sum(len(one.points) for one in reasking.found) == asked == 2_000
    assert not any(one.differs for one in reasking.found)
    assert longest <= 2  # however fast the model is, others get their turn after each

"""Requests on one connection: many at once, with one answer or many, each finding its own."""

import asyncio
from collections.abc import AsyncIterator

import nats.errors
import pytest
from nats.aio.msg import Msg

from agent_runtime_framework.events import Unavailable
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.nats import connection
from agent_runtime_framework.runtime.nats.client import Connection
from agent_runtime_framework.runtime.nats.connection import connect, request, request_many

END = b"end"


@pytest.fixture
async def asks(nats_url: str) -> AsyncIterator[Connection]:
    client = await connect(nats_url)
    yield client
    await client.close()


@pytest.fixture
async def answers(nats_url: str) -> AsyncIterator[Connection]:
    client = await connect(nats_url)
    yield client
    await client.close()


@pytest.fixture
async def counted(answers: Connection) -> str:
    """Return a subject where a number is answered with so many messages, and an end."""
    subject = new_id("count")

    async def count(message: Msg) -> None:
        for number in range(int(message.data)):
            await message.respond(b"%b.%d" % (message.data, number))
        await message.respond(END)

    await answers.subscribe(subject, cb=count)
    with pytest.raises(nats.errors.NoRespondersError):
        await answers.request(answers.new_inbox(), timeout=10)
    return subject


def ends(answer: Msg) -> bool:
    return answer.data == END


async def test_each_of_many_requests_gets_its_own_answers_in_order(asks: Connection, counted: str) -> None:
    found = await asyncio.gather(
        *(request_many(asks, counted, b"%d" % number, ends=ends) for number in range(50)),
    )

    assert [[answer.data for answer in one] for one in found] == [
        [*(b"%d.%d" % (number, each) for each in range(number)), END] for number in range(50)
    ]


async def test_whoever_cannot_take_an_answer_raises_and_others_go_on(asks: Connection, counted: str) -> None:
    def breaks(answer: Msg) -> bool:
        raise KeyError(answer.data)

    good, bad = request(asks, counted, b"0"), request_many(asks, counted, b"3", ends=breaks)
    heard, broken = await asyncio.gather(good, bad, return_exceptions=True)

    assert isinstance(heard, Msg)
    assert heard.data == END
    assert isinstance(broken, KeyError)
    assert (await request(asks, counted, b"0")).data == END


async def test_what_comes_on_a_subscription_and_cannot_be_taken_ends_nothing(
    asks: Connection, answers: Connection
) -> None:
    subject, heard, came = new_id("heard"), list[bytes](), asyncio.Event()

    def take(message: Msg) -> None:
        if message.data == b"bad":
            raise ValueError(message.data)
        heard.append(message.data)
        came.set()

    hearing = await asks.hear(subject, take)
    with pytest.raises(nats.errors.NoRespondersError):
        await asks.request(asks.new_inbox(), timeout=10)
    for data in (b"bad", b"good"):
        await answers.publish(subject, data)
    async with asyncio.timeout(10):
        await came.wait()
    await hearing.end()

    assert heard == [b"good"]
    with pytest.raises(Unavailable, match="nobody answers"):
        await request(asks, subject, b"")


async def test_answers_that_stop_coming_are_waited_for_only_so_long(
    asks: Connection, counted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT", 0.1)
    with pytest.raises(Unavailable, match="silence after 3 answers"):
        await request_many(asks, counted, b"2", ends=lambda _: False)


async def test_whoever_is_cancelled_while_he_asks_stops_and_late_answers_are_nobodys(
    asks: Connection, answers: Connection
) -> None:
    subject, asked, go_on = new_id("slow"), asyncio.Event(), asyncio.Event()

    async def slow(message: Msg) -> None:
        asked.set()
        await go_on.wait()
        await message.respond(END)

    await answers.subscribe(subject, cb=slow)
    with pytest.raises(nats.errors.NoRespondersError):
        await answers.request(answers.new_inbox(), timeout=10)
    waiting = asyncio.create_task(request(asks, subject, b""))
    async with asyncio.timeout(10):
        await asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go_on.set()
        assert (await request(asks, subject, b"")).data == END

"""What holds for every place of snapshots: in memory, and in a stream of a real nats-server."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent_runtime_framework.events import ConversationId, PositionMoved
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.nats.connection import connect
from agent_runtime_framework.runtime.nats.snapshots import JetStreamParts
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.runtime.snapshots import MARK, MemoryParts, Parts
from support.chains import CHAT, OTHER


@pytest.fixture(params=["memory", "jetstream"])
async def places(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Parts, Parts]]:
    """Give one place as two processes have it."""
    if request.param == "memory":
        parts = MemoryParts()
        yield parts, parts
        return
    one, other = [await connect(request.getfixturevalue("nats_url")) for _ in range(2)]
    names = await ensure(one, new_id("snapshots"), shards=1)
    yield JetStreamParts(names, appends=one, reads=other), JetStreamParts(names, appends=other, reads=one)
    await one.close()
    await other.close()


@pytest.fixture
def parts(places: tuple[Parts, Parts]) -> Parts:
    return places[0]


async def bytes_of(parts: Parts, conversation: ConversationId = CHAT) -> list[bytes]:
    return [data for _, data in await parts.get(conversation)]


async def test_where_nothing_was_stored_there_is_nothing(parts: Parts) -> None:
    assert await parts.get(CHAT) == []


async def test_parts_come_back_in_order_and_those_of_each_conversation_alone(parts: Parts) -> None:
    first = await parts.put(CHAT, b"one", 0)
    other = await parts.put(OTHER, b"theirs", 0)
    second = await parts.put(CHAT, b"two", first)

    assert await parts.get(CHAT) == [(first, b"one"), (second, b"two")]
    assert await parts.get(OTHER) == [(other, b"theirs")]


async def test_many_and_large_parts_come_back(parts: Parts) -> None:
    position, put = 0, [bytes([number]) * 800_000 for number in range(12)]
    for data in put:
        position = await parts.put(CHAT, data, position)

    assert await bytes_of(parts) == put


async def test_of_two_writers_only_one_goes_on_from_a_position(places: tuple[Parts, Parts]) -> None:
    one, other = places
    first = await one.put(CHAT, b"one", 0)

    outcomes = await asyncio.gather(
        *(place.put(CHAT, b"%d" % number, first) for number, place in enumerate((one, other))), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes if not isinstance(outcome, int)] == [PositionMoved]
    assert len(await one.get(CHAT)) == 2
    for expected in (0, first):
        with pytest.raises(PositionMoved):
            await other.put(CHAT, b"late", expected)


async def test_what_is_removed_is_gone_and_the_rest_goes_on(parts: Parts) -> None:
    first = await parts.put(CHAT, b"one", 0)
    second = await parts.put(CHAT, b"two", first)

    await parts.remove(CHAT, first)
    await parts.remove(CHAT, first)
    third = await parts.put(CHAT, b"three", second)

    assert await parts.get(CHAT) == [(second, b"two"), (third, b"three")]


async def test_after_an_erasure_there_is_the_mark_and_nothing_is_ever_stored(places: tuple[Parts, Parts]) -> None:
    one, other = places
    first = await one.put(CHAT, b"one", 0)
    second = await one.put(CHAT, b"two", first)
    theirs = await one.put(OTHER, b"theirs", 0)

    assert await other.erase(CHAT) == 2
    assert await bytes_of(other) == [MARK]
    for expected in (0, first, second):
        with pytest.raises(PositionMoved):
            await one.put(CHAT, b"late", expected)
    assert await bytes_of(one) == [MARK]
    assert await one.get(OTHER) == [(theirs, b"theirs")]


async def test_where_nothing_was_stored_an_erasure_leaves_its_mark_too(places: tuple[Parts, Parts]) -> None:
    one, other = places

    assert await one.erase(CHAT) == 0
    assert await one.erase(CHAT) == 0
    assert await bytes_of(other) == [MARK]
    with pytest.raises(PositionMoved):
        await other.put(CHAT, b"late", 0)


async def test_an_erasure_that_ended_after_its_mark_is_finished_by_the_next(places: tuple[Parts, Parts]) -> None:
    one, other = places
    first = await one.put(CHAT, b"one", 0)
    second = await one.put(CHAT, b"two", first)
    await one.put(CHAT, MARK, second)

    assert await other.erase(CHAT) == 2
    assert await bytes_of(one) == [MARK]

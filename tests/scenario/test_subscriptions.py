"""A projection of one's own, folded over all conversations of a place: in memory and on JetStream, into either sink."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from agent_runtime_framework import (
    Client,
    CorruptLog,
    MemorySink,
    Recorded,
    Sink,
    SQLiteSink,
)
from agent_runtime_framework.events import (
    ConversationErased,
    ConversationId,
    MemoryLog,
    decode_event,
)
from agent_runtime_framework.runtime.clock import SystemClock, new_id
from agent_runtime_framework.runtime.reader import Reader
from agent_runtime_framework.runtime.substrate import in_memory
from support.chains import CHAT, OTHER, frame_after, put_raw, read, write
from support.forks import cut_at, fork
from support.projections import Heard, Listening, append, heard

FORK = ConversationId("f-1")


@pytest.fixture(params=["memory", "jetstream"])
async def reader(request: pytest.FixtureRequest) -> AsyncIterator[Reader]:
    if request.param == "memory":
        yield Reader(in_memory(SystemClock()))
        return
    async with Client.connect(request.getfixturevalue("nats_url"), namespace=new_id("sub")) as client:
        yield client


@pytest.fixture(params=["memory", "sqlite"])
async def sink(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sink]:
    sink: Sink = MemorySink() if request.param == "memory" else SQLiteSink(tmp_path / "kept.db")
    yield sink
    await sink.close()


async def kept(sink: Sink, name: str = "heard", *, of: tuple[str, ...] = (CHAT, OTHER, FORK)) -> dict[str, Heard]:
    rows = await sink.load(name, of)
    return {row.conversation: msgspec.json.decode(row.state, type=Heard) for row in rows.values()}


async def test_each_conversation_is_folded_in_its_order(reader: Reader, sink: Sink) -> None:
    log = reader.substrate.log
    chat, other = await write(log, CHAT, 5), await write(log, OTHER, 2)
    subscription = reader.subscribe(Listening(), "heard", sink=sink)

    assert await subscription.catch_up() == 7
    assert await kept(sink) == {CHAT: heard(*chat), OTHER: heard(*other)}
    assert await subscription.state("c-1") == heard(*chat)


async def test_it_goes_on_from_where_it_stood_also_in_another_life(reader: Reader, sink: Sink) -> None:
    log = reader.substrate.log
    chat = await write(log, CHAT, 3)
    assert await reader.subscribe(Listening(), "heard", sink=sink).catch_up() == 3
    chat += await write(log, CHAT, 2, chat[-1].head)
    again = reader.subscribe(Listening(), "heard", sink=sink)

    assert (await again.catch_up(), await again.catch_up()) == (2, 0)
    assert await kept(sink) == {CHAT: heard(*chat)}


async def test_a_running_one_folds_what_comes_until_it_is_cancelled(reader: Reader, sink: Sink) -> None:
    log = reader.substrate.log
    chat = await write(log, CHAT, 2)
    running = asyncio.create_task(reader.subscribe(Listening(), "heard", sink=sink).run())
    chat += await write(log, CHAT, 3, chat[-1].head)
    other = await write(log, OTHER, 1)
    async with asyncio.timeout(20):
        while await kept(sink) != {CHAT: heard(*chat), OTHER: heard(*other)}:
            assert not running.done()
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_state_of_a_fork_is_folded_from_its_whole_history(reader: Reader, sink: Sink) -> None:
    log = reader.substrate.log
    chat = await write(log, CHAT, 4)
    first = await fork(log, chat[1], FORK)
    await write(log, FORK, 2, first.head)
    subscription = reader.subscribe(Listening(), "heard", sink=sink)
    await subscription.catch_up()

    whole = await read(log, FORK)
    assert [stored.inherited for stored in whole] == [True, True, False, False, False]
    assert await kept(sink) == {CHAT: heard(*chat), FORK: heard(*whole)}
    await write(log, FORK, 1, whole[-1].head)
    await subscription.catch_up()
    assert (await kept(sink))[FORK] == heard(*await read(log, FORK))


async def test_an_event_of_a_newer_release_is_given_as_unknown(reader: Reader, sink: Sink) -> None:
    await append(reader.substrate.log, CHAT, decode_event(b'{"type":"mood.guessed"}'))
    await reader.subscribe(Listening(), "heard", sink=sink).catch_up()

    assert (await kept(sink))[CHAT] == Heard(CHAT, [(1, "mood.guessed")], unknown=1)


async def test_what_was_kept_of_an_erased_conversation_is_gone(reader: Reader, sink: Sink) -> None:
    log = reader.substrate.log
    chat = await write(log, CHAT, 3)
    await reader.subscribe(Listening(), "heard", sink=sink).catch_up()
    await append(log, CHAT, ConversationErased(reason="asked"), head=chat[-1].head)
    await reader.subscribe(Listening(), "heard", sink=sink).catch_up()

    assert (await kept(sink))[CHAT] == Heard(CHAT, [(4, "conversation.erased")])


async def test_a_log_that_begins_with_its_erasure_is_that_and_no_damage(reader: Reader, sink: Sink) -> None:
    chat = await write(MemoryLog(), CHAT, 3)
    tombstone = frame_after(chat[-1].head, "last words")
    tombstone = msgspec.structs.replace(tombstone, events=(*tombstone.events, ConversationErased(reason="asked")))
    await reader.substrate.log.restore(CHAT, msgspec.json.encode(tombstone), cut_at(chat[-1]))
    await reader.subscribe(Strict(), "heard", sink=sink).catch_up()

    assert (await kept(sink))[CHAT] == Heard(CHAT, [(5, "conversation.erased")])


class Strict(Listening):
    """Relies on what it knows: that nobody speaks in a conversation of which it has heard nothing."""

    def evolve(self, state: Heard, recorded: Recorded) -> Heard:
        assert state.tags or recorded.version == 1 or recorded.type == "conversation.erased"
        return super().evolve(state, recorded)


async def test_a_damaged_frame_stops_it_before_the_batch_and_is_named(reader: Reader, sink: Sink) -> None:
    log = reader.substrate.log
    chat = await write(log, CHAT, 2)
    subscription = reader.subscribe(Listening(), "heard", sink=sink)
    await subscription.catch_up()
    positions = [mark.position for mark in (await sink.begin("heard")).values()]
    await write(log, CHAT, 1, chat[-1].head)
    position = await put_raw(log._records, b"garbage", (await log.last(CHAT)).head.position)  # type: ignore[attr-defined, union-attr]

    for _ in range(2):
        with pytest.raises(CorruptLog, match=f"conversation 'c-1', position {position}: stored bytes are not a frame"):
            await subscription.catch_up()
        assert await kept(sink) == {CHAT: heard(*chat)}
        assert [mark.position for mark in (await sink.begin("heard")).values()] == positions


async def test_frames_that_are_missing_stop_it(reader: Reader, sink: Sink) -> None:
    chat = await write(MemoryLog(), CHAT, 3)
    await put_raw(reader.substrate.log._records, chat[0].data, 0)  # type: ignore[attr-defined]
    position = await put_raw(reader.substrate.log._records, chat[2].data, 1)  # type: ignore[attr-defined]

    with pytest.raises(CorruptLog, match=f"'c-1' at position {position} continues version 2, and was folded up to 1"):
        await reader.subscribe(Listening(), "heard", sink=sink).catch_up()
    assert await kept(sink) == {}


async def test_several_projections_share_a_sink(reader: Reader, sink: Sink) -> None:
    chat = await write(reader.substrate.log, CHAT, 5)
    names = ["heard", "again", "third"]
    await asyncio.gather(*(reader.subscribe(Listening(), name, sink=sink).catch_up() for name in names))

    assert [await kept(sink, name) for name in names] == [{CHAT: heard(*chat)}] * 3

"""What ends a subscription, what that leaves behind, and how a projection is made anew."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from agent_runtime_framework import (
    Client,
    Conflict,
    CorruptLog,
    FrameworkError,
    InvalidInput,
    MemorySink,
    NotFound,
    Projection,
    Recorded,
    Sink,
    SQLiteSink,
    Unavailable,
)
from agent_runtime_framework.runtime import subscription
from agent_runtime_framework.runtime.clock import SystemClock, new_id
from agent_runtime_framework.runtime.feed import MemoryFeed
from agent_runtime_framework.runtime.nats.connection import api, connect
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.runtime.projecting import ProjectionFailed
from agent_runtime_framework.runtime.reader import Reader
from agent_runtime_framework.runtime.sinks import Mark, Row
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from support.chains import CHAT, OTHER, write
from support.projections import Listening, heard


@pytest.fixture
def substrate() -> Substrate:
    return in_memory(SystemClock())


@pytest.fixture
def reader(substrate: Substrate) -> Reader:
    return Reader(substrate)


@pytest.fixture(params=["memory", "sqlite"])
async def sink(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sink]:
    sink: Sink = MemorySink() if request.param == "memory" else SQLiteSink(tmp_path / "kept.db")
    yield sink
    await sink.close()


class Counting:
    """Counts events by `step`, and raises at the event of this id."""

    def __init__(self, fails_at: str = "", step: int = 1) -> None:
        self.fails_at, self.step = fails_at, step

    def initial(self, conversation_id: str) -> int:
        return 0

    def evolve(self, state: int, recorded: Recorded) -> int:
        if recorded.id == self.fails_at:
            raise KeyError("order")
        return state + self.step


async def rows(sink: Sink, name: str = "count") -> dict[str, Row]:
    return dict(await sink.load(name, [CHAT, OTHER]))


async def positions(sink: Sink) -> dict[int, int]:
    return {shard: mark.position for shard, mark in (await sink.begin("count")).items()}


async def test_what_an_author_raises_names_the_event_and_writes_nothing_of_the_batch(
    reader: Reader, sink: Sink
) -> None:
    chat = await write(reader.substrate.log, CHAT, 2)
    await reader.subscribe(Counting(), "count", sink=sink).catch_up()
    before = await rows(sink), await positions(sink)
    await write(reader.substrate.log, OTHER, 1)
    await write(reader.substrate.log, CHAT, 3, chat[-1].head)

    for fold in ("catch_up", "run"):
        with pytest.raises(ProjectionFailed, match=r"'count' failed at c-1@4 \(KeyError: 'order'\)") as caught:
            await getattr(reader.subscribe(Counting("c-1@4"), "count", sink=sink), fold)()
        assert isinstance(caught.value.__cause__, KeyError)
        assert (await rows(sink), await positions(sink)) == before
    assert await reader.subscribe(Counting(), "count", sink=sink).catch_up() == 4
    assert (await rows(sink))[CHAT] == Row(CHAT, 5, b"5")


async def test_what_an_author_raises_ends_a_running_one_too(reader: Reader, sink: Sink) -> None:
    tasks = asyncio.all_tasks()
    running = asyncio.create_task(reader.subscribe(Counting("c-1@2"), "count", sink=sink).run())
    (first,) = await write(reader.substrate.log, CHAT, 1)
    await write(reader.substrate.log, CHAT, 1, first.head)

    with pytest.raises(ProjectionFailed, match="c-1@2") as caught:
        await running
    assert isinstance(caught.value.__cause__, KeyError)
    assert asyncio.all_tasks() == tasks


class Exits(Counting):
    def evolve(self, state: int, recorded: Recorded) -> int:
        raise SystemExit(3)


async def test_an_author_cannot_end_the_process(reader: Reader, sink: Sink) -> None:
    await write(reader.substrate.log, CHAT, 1)
    with pytest.raises(ProjectionFailed, match="failed at c-1@1"):
        await reader.subscribe(Exits(), "count", sink=sink).run()


class Odd:
    """Gives what it is told to give."""

    def __init__(self, *states: Any) -> None:
        self.states = states

    def initial(self, conversation_id: str):  # type: ignore[no-untyped-def]
        return self.states[0]

    def evolve(self, state: Any, recorded: Recorded) -> Any:
        return self.states[1]


@pytest.mark.parametrize(
    ("states", "why"),
    [
        (({}, {1: "a"}), "not the same when it is read back"),
        (([], (1, 2)), "not the same when it is read back"),
        ((set(), object()), "unsupported"),
        ((0, None), "Expected `int`, got `null`"),
        ((0.5, float("nan")), "Expected `float`, got `null`"),
        (({}, {"a": "\ud800"}), "surrogates"),
    ],
)
async def test_what_cannot_be_read_back_as_it_is_is_not_kept(reader: Reader, sink: Sink, states: Any, why: str) -> None:
    await write(reader.substrate.log, CHAT, 1)
    with pytest.raises(ProjectionFailed, match=f"c-1@1 .*{why}"):
        await reader.subscribe(Odd(*states), "count", sink=sink).catch_up()
    assert await rows(sink) == {}


class Async(Counting):
    async def evolve(self, state: int, recorded: Recorded) -> int:  # type: ignore[override]
        return state


@pytest.mark.parametrize("name", ["", "a b", "a~rebuild"])
def test_a_name_is_a_token(reader: Reader, name: str) -> None:
    with pytest.raises(InvalidInput, match="name of a projection"):
        reader.subscribe(Counting(), name, sink=MemorySink())


def test_a_projection_is_plain_functions(reader: Reader) -> None:
    with pytest.raises(InvalidInput, match="evolve of the projection 'count' is async: make it a plain def"):
        reader.subscribe(cast("Projection[int]", Async()), "count", sink=MemorySink())


async def test_a_state_that_other_code_wrote_says_that_it_must_be_rebuilt(reader: Reader, sink: Sink) -> None:
    chat = await write(reader.substrate.log, CHAT, 1)
    await reader.subscribe(Counting(), "count", sink=sink).catch_up()
    await write(reader.substrate.log, CHAT, 1, chat[-1].head)
    other = reader.subscribe(Listening(), "count", sink=sink)

    with pytest.raises(FrameworkError, match=r"the state of 'c-1' in 'count' was written by other code .*: rebuild it"):
        await other.catch_up()
    await other.rebuild()
    assert await other.state("c-1") == heard(*[one async for one in reader.frames("c-1")])


async def test_of_an_unknown_conversation_nothing_is_kept(reader: Reader, sink: Sink) -> None:
    with pytest.raises(NotFound, match="no conversation 'c-9' in the projection 'count'"):
        await reader.subscribe(Counting(), "count", sink=sink).state("c-9")


class Held(MemoryFeed):
    """Holds what it has read until it is let go."""

    def __init__(self, feed: MemoryFeed) -> None:
        super().__init__(feed._records)
        self.held, self.go = asyncio.Event(), asyncio.Event()

    async def read(self, shard: int, after: int = 0) -> Any:
        async with aclosing(super().read(shard, after)) as batches:
            async for batch in batches:
                self.held.set()
                await self.go.wait()
                yield batch


async def test_of_two_that_run_under_one_name_the_earlier_one_ends_with_a_conflict(
    reader: Reader, substrate: Substrate, sink: Sink
) -> None:
    await write(substrate.log, CHAT, 5)
    feed = Held(substrate.feed)  # type: ignore[arg-type]
    slow = Reader(msgspec.structs.replace(substrate, feed=feed)).subscribe(Counting(), "count", sink=sink)
    running = asyncio.create_task(slow.catch_up())
    await feed.held.wait()
    assert await reader.subscribe(Counting(), "count", sink=sink).catch_up() == 5
    feed.go.set()

    with pytest.raises(
        Conflict, match="'count' is at position 5 in shard 0, not at position 0: another subscription has"
    ):
        await running
    assert await rows(sink) == {CHAT: Row(CHAT, 5, b"5")}


async def test_a_rebuild_ends_one_that_runs_with_the_code_of_before(
    reader: Reader, substrate: Substrate, sink: Sink
) -> None:
    chat = await write(substrate.log, CHAT, 2)
    await reader.subscribe(Counting(), "count", sink=sink).catch_up()
    await write(substrate.log, CHAT, 1, chat[-1].head)
    feed = Held(substrate.feed)  # type: ignore[arg-type]
    old = Reader(msgspec.structs.replace(substrate, feed=feed)).subscribe(Counting(), "count", sink=sink)
    running = asyncio.create_task(old.catch_up())
    await feed.held.wait()
    await reader.subscribe(Counting(step=10), "count", sink=sink).rebuild()
    feed.go.set()

    with pytest.raises(Conflict, match="or it was rebuilt"):
        await running
    assert await rows(sink) == {CHAT: Row(CHAT, 3, b"30")}


async def test_the_old_rows_stand_until_the_rebuild_is_done(reader: Reader, substrate: Substrate, sink: Sink) -> None:
    await write(substrate.log, CHAT, 3)
    await reader.subscribe(Counting(), "count", sink=sink).catch_up()
    feed = Held(substrate.feed)  # type: ignore[arg-type]
    anew = Reader(msgspec.structs.replace(substrate, feed=feed)).subscribe(Counting(step=10), "count", sink=sink)
    rebuilding = asyncio.create_task(anew.rebuild())
    await feed.held.wait()
    assert await rows(sink) == {CHAT: Row(CHAT, 3, b"3")}
    feed.go.set()

    assert await rebuilding == 3
    assert await rows(sink) == {CHAT: Row(CHAT, 3, b"30")}
    assert await reader.subscribe(Counting(step=10), "count", sink=sink).catch_up() == 0


async def test_a_rebuild_that_fails_or_is_cancelled_changes_nothing(reader: Reader, sink: Sink) -> None:
    await write(reader.substrate.log, CHAT, 3)
    await reader.subscribe(Counting(), "count", sink=sink).catch_up()
    with pytest.raises(ProjectionFailed):
        await reader.subscribe(Counting("c-1@3", step=10), "count", sink=sink).rebuild()

    assert await rows(sink) == {CHAT: Row(CHAT, 3, b"3")}
    assert await reader.subscribe(Counting(step=10), "count", sink=sink).rebuild() == 3
    assert await rows(sink) == {CHAT: Row(CHAT, 3, b"30")}


async def test_of_two_rebuilds_the_later_one_is_done(reader: Reader, sink: Sink) -> None:
    await write(reader.substrate.log, CHAT, 3)
    later: list[asyncio.Task[int]] = []

    def begin_another(done: int, total: int) -> None:
        if not later:
            later.append(asyncio.create_task(reader.subscribe(Counting(step=10), "count", sink=sink).rebuild()))

    first = asyncio.create_task(reader.subscribe(Counting(step=5), "count", sink=sink).rebuild(begin_another))
    outcomes = await asyncio.gather(first, return_exceptions=True)
    assert await later[0] == 3

    assert [type(outcome) for outcome in outcomes] in ([Conflict], [int])  # it may have been done before
    assert await rows(sink) == {CHAT: Row(CHAT, 3, b"30")}


async def test_progress_goes_up_to_all_that_there_is(reader: Reader, substrate: Substrate, sink: Sink) -> None:
    await write(substrate.log, CHAT, 10)
    feed = MemoryFeed(substrate.log.records, batch=4)  # type: ignore[attr-defined]
    slow = Reader(msgspec.structs.replace(substrate, feed=feed))
    told: list[tuple[int, int]] = []
    await slow.subscribe(Counting(), "count", sink=sink).rebuild(lambda done, total: told.append((done, total)))

    assert told == [(4, 10), (8, 10), (10, 10), (10, 10)]


async def test_a_sink_that_was_filled_from_another_place_is_refused(reader: Reader, sink: Sink) -> None:
    await reader.subscribe(Counting(), "count", sink=sink).catch_up()
    elsewhere = Reader(in_memory(SystemClock()))

    with pytest.raises(InvalidInput, match=r"the sink has 'count' of memory-.*, and here is memory-.*: use another"):
        await elsewhere.subscribe(Counting(), "count", sink=sink).catch_up()


async def test_a_namespace_that_was_made_anew_or_lost_its_end_is_refused(nats_url: str, sink: Sink) -> None:
    namespace = new_id("sub")
    async with Client.connect(nats_url, namespace=namespace) as client:
        await write(client.substrate.log, CHAT, 3)
        counted = client.subscribe(Counting(), "count", sink=sink)
        await counted.catch_up()
        shard = next(shard for shard, mark in (await sink.begin("count")).items() if mark.position)
        mark = (await sink.begin("count"))[shard]
        await sink.write("count", shard, mark, mark._replace(position=9), [])
        with pytest.raises(CorruptLog, match=r"ends at position 3, and 'count' was folded up to 9: .*rebuild the proj"):
            await counted.catch_up()
        await _made_anew(nats_url, namespace)
        with pytest.raises(InvalidInput, match=f"the sink has 'count' of {namespace}-ev-.*rebuild it if the namespace"):
            await counted.catch_up()
        assert await counted.rebuild() == 0
        assert await rows(sink) == {}


async def _made_anew(url: str, namespace: str) -> None:
    admin = await connect(url)
    for shard in range(8):
        await api(admin, f"STREAM.DELETE.{namespace}-ev-{shard}")
    await api(admin, f"STREAM.DELETE.KV_{namespace}-leases")
    await ensure(admin, namespace)
    await admin.close()


class Locked(MemorySink):
    """Cannot be used the first few times that something is written."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times, self.done = times, asyncio.Event()

    async def write(self, name: str, shard: int, before: Mark | None, after: Mark, rows: Sequence[Row]) -> None:
        if rows and self.times:
            self.times -= 1
            raise Unavailable("the file is locked")
        await super().write(name, shard, before, after, rows)
        if rows:
            self.done.set()


async def test_a_running_one_waits_for_a_sink_that_cannot_be_used(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(subscription, "PAUSE", 0.01)
    (first,) = await write(reader.substrate.log, CHAT, 1)
    sink = Locked(0)
    running = asyncio.create_task(reader.subscribe(Counting(), "count", sink=sink).run())
    for head in (None, first.head):
        if head is not None:
            sink.times = 2
            await write(reader.substrate.log, CHAT, 1, head)
        await asyncio.wait_for(sink.done.wait(), 10)
        sink.done.clear()
    running.cancel()
    await asyncio.wait([running])

    assert await rows(sink) == {CHAT: Row(CHAT, 2, b"2")}
    assert caplog.text.count("the projection 'count' waits: the file is locked") == 2
    with pytest.raises(Unavailable):
        await reader.subscribe(Counting(), "other", sink=Locked(1)).catch_up()

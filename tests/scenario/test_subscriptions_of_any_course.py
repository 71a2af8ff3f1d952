"""Whatever the batches, the crashes and what comes again: the rows are those of each log folded at once."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent_runtime_framework import MemorySink
from agent_runtime_framework.events import (
    AgentSpoke,
    AnyEvent,
    ConversationErased,
    ConversationId,
    FrameworkError,
    MemoryLog,
    Stored,
    UserSpoke,
    decode_event,
)
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.feed import MemoryFeed
from agent_runtime_framework.runtime.reader import Reader
from agent_runtime_framework.runtime.sinks import Mark, Row
from agent_runtime_framework.runtime.substrate import in_memory
from support.chains import read
from support.forks import fork
from support.projections import Heard, Listening, append, heard

NAMES = [ConversationId(name) for name in "abcd"]

events = st.sampled_from(
    [
        UserSpoke(message_id="m", text="hi "),
        AgentSpoke(),
        decode_event(b'{"type":"mood.guessed"}'),
        ConversationErased(reason="asked"),
    ]
)
said = st.tuples(st.sampled_from(NAMES), st.lists(events, min_size=1, max_size=3))
forked = st.tuples(st.sampled_from(NAMES), st.integers(0, 5))
folded = st.tuples(st.integers(1, 5), st.none() | st.tuples(st.integers(0, 3), st.sampled_from(["nothing", "rows"])))
courses = st.lists(
    st.one_of(said.map(lambda a: ("say", a)), forked.map(lambda a: ("fork", a)), folded.map(lambda a: ("fold", a))),
    max_size=25,
)


class Crash(FrameworkError):
    """Is the end of a process."""


class CrashingSink(MemorySink):
    """Ends in a write: before it, or between rows and mark, as a sink does that cannot write both together."""

    def __init__(self) -> None:
        super().__init__()
        self.crash: tuple[int, str] | None = None

    async def write(self, name: str, shard: int, before: Mark | None, after: Mark, rows: Sequence[Row]) -> None:
        if rows and self.crash is not None:
            count, written = self.crash
            self.crash = (count - 1, written)
            if count == 0:
                if written == "rows":
                    self._rows[name].update((row.conversation, row) for row in rows)
                raise Crash(written)
        await super().write(name, shard, before, after, rows)


class Course:
    """Is a place with some conversations, and a sink that is filled from it now and then."""

    def __init__(self) -> None:
        self.substrate = in_memory(SystemClock())
        assert isinstance(self.substrate.log, MemoryLog)
        self.log, self.sink, self.forks = self.substrate.log, CrashingSink(), 0

    async def say(self, name: ConversationId, said: list[AnyEvent]) -> None:
        last = await self.log.last(name)
        if last is not None and last.frame.erases:
            return  # only refusals follow an erasure
        erased = next((at for at, event in enumerate(said) if isinstance(event, ConversationErased)), len(said))
        said = said[: erased + 1]
        await (append(self.log, name, *said) if last is None else append(self.log, name, *said, head=last.head))

    async def fork(self, name: ConversationId, at: int) -> None:
        own = [stored for stored in await read(self.log, name) if not (stored.inherited or stored.frame.erases)]
        if own:
            self.forks += 1
            child = ConversationId(f"f-{self.forks}")
            await fork(self.log, own[min(at, len(own) - 1)], child)

    async def fold(self, batch: int, crash: tuple[int, str] | None) -> None:
        self.sink.crash = crash
        reader = Reader(replace(self.substrate, feed=MemoryFeed(self.log.records, batch=batch)))
        try:
            await reader.subscribe(Listening(), "heard", sink=self.sink).catch_up()
        except Crash:
            assert crash is not None


async def follow(steps: list[tuple[str, tuple[object, ...]]]) -> None:
    course = Course()
    for step, arguments in steps:
        await getattr(course, step)(*arguments)
    await course.fold(3, None)
    logs: dict[str, list[Stored]] = {}
    for name in {stored.conversation async for stored in course.log.lasts()}:
        logs[name] = await read(course.log, name)
    rows: Mapping[str, Row] = course.sink.rows("heard")

    assert {name: msgspec.json.decode(row.state, type=Heard) for name, row in rows.items()} == {
        name: heard(*log) for name, log in logs.items()
    }
    assert {name: row.version for name, row in rows.items()} == {
        name: log[-1].head.version for name, log in logs.items()
    }


@settings(max_examples=200, deadline=None)
@given(courses)
def test_the_rows_are_those_of_each_log_folded_at_once(steps: list[tuple[str, tuple[object, ...]]]) -> None:
    asyncio.run(follow(steps))

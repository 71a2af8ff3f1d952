"""What holds for the log of a fork: in memory, and on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from agent_runtime_framework.events import (
    START,
    Conflict,
    ConversationId,
    CorruptLog,
    FrameLog,
    Head,
    MemoryRecords,
    NewerRelease,
    Records,
    Stored,
    decode_event,
    encode_frame,
)
from agent_runtime_framework.runtime.clock import SystemClock, new_id
from agent_runtime_framework.runtime.follower import Follower
from agent_runtime_framework.runtime.live import MemoryLive
from agent_runtime_framework.runtime.looking import after_each
from agent_runtime_framework.runtime.nats.connection import connect
from agent_runtime_framework.runtime.nats.records import JetStreamRecords
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.runtime.reader import Reader
from agent_runtime_framework.runtime.substrate import in_memory
from support.chains import CHAT, frame_after, put_raw, read, write
from support.faults import FaultyRecords
from support.forks import as_of, cut_at, first_of_fork, fork

FORK = ConversationId("f-1")
DEEP = 100


@pytest.fixture(params=["memory", "jetstream"])
async def records(request: pytest.FixtureRequest) -> AsyncIterator[Records]:
    if request.param == "memory":
        yield MemoryRecords()
        return
    url = request.getfixturevalue("nats_url")
    appends, reads = await asyncio.gather(connect(url), connect(url))
    yield JetStreamRecords(await ensure(appends, new_id("log"), shards=2), appends=appends, reads=reads)
    await asyncio.gather(appends.close(), reads.close())


@pytest.fixture
def log(records: Records) -> FrameLog:
    return FrameLog(records)


async def forked(log: FrameLog, *, at: int = 3) -> tuple[list[Stored], list[Stored]]:
    """Return what stands in a parent of five frames, and in a fork with two more of its own."""
    written = await write(log, CHAT, 5)
    first = await fork(log, written[at - 1], FORK)
    return written, [first, *await write(log, FORK, 2, first.head)]


async def test_a_fork_is_read_as_what_its_parent_was_and_then_its_own(log: FrameLog) -> None:
    written, own = await forked(log)

    found = await read(log, FORK)

    assert found == [*as_of(FORK, *written[:3]), *own]
    assert [stored.frame.first for stored in found] == list(range(1, 7))
    assert [stored.inherited for stored in found] == [True] * 3 + [False] * 3
    assert [stored.head.position for stored in found[:3]] == [0, 0, 0]


async def test_the_parent_goes_on_as_if_nothing_were(log: FrameLog) -> None:
    written, _ = await forked(log)
    after = await write(log, CHAT, 1, written[-1].head)

    assert await read(log, CHAT) == [*written, *after]
    assert await log.last(CHAT) == after[0]
    assert {last.conversation async for last in log.lasts()} == {CHAT, FORK}


async def test_a_beginning_of_a_newer_release_is_said_to_be_one(log: FrameLog) -> None:
    written = await write(log, CHAT, 2)
    newer = decode_event(b'{"type":"conversation.branched","from":"c-1"}')
    began = replace(first_of_fork(cut_at(written[-1]), CHAT), events=(newer,))
    await log.append(FORK, began, cut_at(written[-1]))

    with pytest.raises(NewerRelease, match=r"with an event of a newer release \(conversation\.branched\)"):
        await read(log, FORK)


@pytest.mark.parametrize("index", range(6))
async def test_a_fork_is_read_on_from_any_head(log: FrameLog, index: int) -> None:
    await forked(log)
    found = await read(log, FORK)

    assert await read(log, FORK, after=found[index].head) == found[index + 1 :]


async def test_a_fork_has_the_chain_of_its_parent(log: FrameLog) -> None:
    await forked(log)
    found = await read(log, FORK)

    for head in (Head(2, 0, "0" * 64), Head(3, 0, "0" * 64), Head(9, 0, found[2].head.hash)):
        with pytest.raises(CorruptLog, match="the log was changed or frames are missing"):
            await read(log, FORK, after=head)


async def test_nothing_stands_after_the_cut_of_a_fork_that_has_not_begun(log: FrameLog) -> None:
    written = await write(log, CHAT, 3)

    assert await read(log, FORK, after=cut_at(written[1])) == []


async def test_a_cut_within_a_frame_is_none(log: FrameLog) -> None:
    one = await log.append(CHAT, frame_after(START, "a"), START)
    await log.append(CHAT, frame_after(one.head, "b", "c"), one.head)
    within = Head(2, 0, one.head.hash)
    await log.append(FORK, first_of_fork(within, CHAT), within)

    with pytest.raises(
        CorruptLog, match=r"'f-1' descends from 'c-1' at version 2, where no frame .* \(one ends at 3\)"
    ):
        await read(log, FORK)


async def test_a_cut_after_another_frame_is_none(log: FrameLog) -> None:
    await write(log, CHAT, 3)
    elsewhere = Head(2, 0, "ab" * 32)
    await log.append(FORK, first_of_fork(elsewhere, CHAT), elsewhere)

    with pytest.raises(CorruptLog, match=r"'f-1' descends from 'c-1' at version 2, .* with the hash abababababab ends"):
        await read(log, FORK)


async def test_a_cut_after_the_end_of_the_parent_is_none(log: FrameLog) -> None:
    await write(log, CHAT, 3)
    beyond = Head(9, 0, "ab" * 32)
    await log.append(FORK, first_of_fork(beyond, CHAT), beyond)

    with pytest.raises(CorruptLog, match=r"at version 9, where no frame .* \(one ends at 3\)"):
        await read(log, FORK)


async def test_a_fork_without_its_parent_names_it(log: FrameLog) -> None:
    head = Head(9, 0, "ab" * 32)
    first = await log.append(FORK, first_of_fork(head, CHAT), head)

    with pytest.raises(CorruptLog, match="'f-1' descends from 'c-1' at version 9, and there is no conversation 'c-1'"):
        await read(log, FORK)
    assert await log.last(FORK) == first
    assert await read(log, FORK, after=first.head) == []


@pytest.mark.parametrize("wrong", [{"version": 2}, {"hash_": "0" * 64}, {"version": 9}])
async def test_a_lineage_that_is_not_what_the_frame_continues_is_no_lineage(
    log: FrameLog, wrong: dict[str, int | str]
) -> None:
    written = await write(log, CHAT, 3)
    await log.append(FORK, first_of_fork(cut_at(written[2]), CHAT, **wrong), cut_at(written[2]))  # type: ignore[arg-type]

    with pytest.raises(CorruptLog, match="'f-1' says that it was cut from 'c-1' at version"):
        await read(log, FORK)


@pytest.mark.parametrize("parent", ["", "c.>", "*", "c 1", "c" * 200])
async def test_a_parent_that_is_no_token_is_asked_of_nobody(log: FrameLog, parent: str) -> None:
    written = await write(log, CHAT, 3)
    await log.append(FORK, first_of_fork(cut_at(written[2]), parent), cut_at(written[2]))

    with pytest.raises(CorruptLog, match="'f-1' names a parent that cannot be one"):
        await read(log, FORK)


@pytest.mark.parametrize("ring", [("f-1",), ("f-1", "f-2"), ("f-1", "f-2", "f-3")])
async def test_a_lineage_in_a_circle_leads_nowhere(log: FrameLog, ring: tuple[str, ...]) -> None:
    head = Head(5, 0, "ab" * 32)
    for child, parent in zip(ring, (*ring[1:], ring[0]), strict=True):
        await log.append(ConversationId(child), first_of_fork(head, parent), head)

    with pytest.raises(CorruptLog, match="its lineage leads nowhere"):
        await read(log, FORK)


async def test_forks_of_forks_are_read_to_any_depth(log: FrameLog) -> None:
    (cut,) = await write(log, CHAT, 1)
    every = [cut]
    for number in range(DEEP):
        cut = await fork(log, cut, ConversationId(f"f-{number}"))
        every.append(cut)

    found = await read(log, cut.conversation)

    assert found == [*as_of(cut.conversation, *every[:-1]), every[-1]]
    assert await read(log, cut.conversation, after=found[50].head) == found[51:]


async def test_an_ancestor_is_read_up_to_the_earlier_cut(log: FrameLog) -> None:
    written, own = await forked(log)
    child = ConversationId("f-2")
    last = await fork(log, own[1], child)

    assert await read(log, child) == [*as_of(child, *written[:3], *own[:2]), last]


async def test_of_two_forks_of_one_name_exactly_one_is_stored(log: FrameLog) -> None:
    written = await write(log, CHAT, 3)
    outcomes = await asyncio.gather(*(fork(log, written[index], FORK) for index in (0, 1, 2)), return_exceptions=True)

    (won,) = [outcome for outcome in outcomes if isinstance(outcome, Stored)]
    assert [type(outcome) for outcome in outcomes if outcome is not won] == [Conflict] * 2
    assert (await read(log, FORK))[-1] == won


async def test_a_fork_of_a_name_that_is_taken_is_refused(log: FrameLog) -> None:
    written = await write(log, CHAT, 3)
    taken = await write(log, FORK, 2)

    with pytest.raises(Conflict, match="'f-1' is at version 2, not at 3"):
        await fork(log, written[2], FORK)
    assert await read(log, FORK) == taken


async def test_a_first_message_finds_the_fork_that_was_there_first(log: FrameLog) -> None:
    await forked(log)

    with pytest.raises(Conflict, match="'f-1' is at version 6, not at 0"):
        await log.append(FORK, frame_after(START), START)


async def test_a_lost_ack_of_a_fork_is_found(records: Records, log: FrameLog) -> None:
    written = await write(log, CHAT, 3)
    stored = await fork(FrameLog(FaultyRecords(records, lost_acks=1)), written[2], FORK)

    assert await read(log, FORK) == [*as_of(FORK, *written), stored]
    assert not stored.inherited


async def test_a_lost_request_of_a_fork_is_made_again(records: Records, log: FrameLog) -> None:
    written = await write(log, CHAT, 3)
    faulty = FaultyRecords(records, lost_requests=1)
    stored = await fork(FrameLog(faulty), written[2], FORK)

    assert faulty.puts == 2
    assert (await read(log, FORK))[-1] == stored


async def test_damage_in_a_parent_is_said_to_be_there(records: Records, log: FrameLog) -> None:
    written = await write(log, CHAT, 1)
    position = await put_raw(records, b"garbage", written[0].head.position)
    head = Head(2, 0, "ab" * 32)
    await log.append(FORK, first_of_fork(head, CHAT), head)

    with pytest.raises(CorruptLog, match=f"conversation 'c-1', position {position}"):
        await read(log, FORK)


async def test_a_gap_in_a_parent_is_one_in_its_fork(records: Records, log: FrameLog) -> None:
    written = await write(log, CHAT, 1)
    far = await put_and_return(records, written[0], Head(5, 0, "cd" * 32))
    await fork(log, far, FORK)

    with pytest.raises(CorruptLog, match="the frame of 'f-1' that it inherits continues version 5"):
        await read(log, FORK)


async def put_and_return(records: Records, after: Stored, head: Head) -> Stored:
    """Put a frame that does not continue what is there."""
    await put_raw(records, encode_frame(frame_after(head)), after.head.position)
    found = await FrameLog(records).last(CHAT)
    assert found is not None
    return found


async def test_a_follower_hears_the_whole_of_a_fork(log: FrameLog) -> None:
    _, own = await forked(log)
    followed = Follower(log, MemoryLive(), silence=0.05).follow(FORK)
    found = [await anext(followed) for _ in range(6)]
    (more,) = await write(log, FORK, 1, own[-1].head)

    assert found == (await read(log, FORK))[:6]
    assert await anext(followed) == more
    await followed.aclose()  # type: ignore[attr-defined]


class Behind(MemoryRecords):
    """Are records of which a server answers the next reads of one log without what came last."""

    reads = 0

    async def get(self, conversation: ConversationId, after: int) -> AsyncIterator[tuple[int, bytes]]:
        every = [one async for one in super().get(conversation, after)]
        if conversation == CHAT and self.reads > 0:
            self.reads -= 1
            every = every[:-1]
        for one in every:
            yield one


@pytest.mark.parametrize("count", [1, 3])
async def test_what_a_server_does_not_know_yet_of_a_parent_is_looked_for_again(count: int) -> None:
    records = Behind()
    log = FrameLog(records, again=after_each((0.001, 0.001)))
    written = await write(log, CHAT, count)
    own = await fork(log, written[-1], FORK)

    records.reads = 2
    assert await read(log, FORK) == [*as_of(FORK, *written), own]
    records.reads = 9
    with pytest.raises(CorruptLog, match="descends from 'c-1'"):
        await read(log, FORK)


async def test_what_hangs_on_a_log_is_known_also_where_its_end_is_damaged(records: Records, log: FrameLog) -> None:
    written, own = await forked(log)
    await put_raw(records, b"garbage", own[-1].head.position, FORK)
    await fork(log, written[4], ConversationId("f-2"))
    await write(log, ConversationId("c-9"), 1)
    await put_raw(records, b"garbage", 0, ConversationId("c-10"))
    reader = Reader(replace(in_memory(SystemClock()), log=log))

    assert await reader.forks(CHAT) == ("f-1", "f-2")
    assert await reader.forks(FORK) == ()

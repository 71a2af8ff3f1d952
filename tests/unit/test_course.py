"""Reading and verifying take the same erasures: honest, interrupted and forged, in clear and sealed."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from agent_runtime_framework.events import (
    START,
    AnyEvent,
    Chain,
    CommandRefused,
    ConversationErased,
    ConversationStarted,
    CorruptLog,
    Frame,
    FrameLog,
    Head,
    Lineage,
    MemoryRecords,
    RawFrame,
    Status,
    Stored,
    UserSpoke,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.events.codec import seal_frame
from agent_runtime_framework.events.course import Course
from agent_runtime_framework.runtime.crypto.ciphers import AesGcm
from support.chains import CHAT

CIPHER = AesGcm(b"k" * 32)
ERASED = ConversationErased(reason="asked for")
REFUSED = CommandRefused(command_id="m-9", reason="the conversation was erased")


def log(frames: int, *, sealed: bool) -> list[bytes]:
    found: list[bytes] = []
    for number in range(frames):
        prev = frame_hash(found[-1]) if found else ""
        event = UserSpoke(message_id=f"m-{number}", text="hello")
        frame = Frame(first=number + 1, time=0, writer="w", agent="a", prev=prev, events=(event,))
        data = encode_frame(frame)
        found.append(seal_frame(frame, data, CHAT, CIPHER) if sealed else data)
    return found


def next_to(data: bytes, first: int, *events: ConversationErased | CommandRefused) -> bytes:
    frame = Frame(first=first, time=0, writer="e", agent="a", status="erased", prev=frame_hash(data), events=events)
    return encode_frame(frame)


async def course(frames: Sequence[bytes]) -> tuple[int, str, bool]:
    """Return how many frames fit, what is wrong with the next, and whether erasing was not completed."""
    records, chain, position = MemoryRecords(), Chain(CHAT), 0
    for data in frames:
        position = await records.put(CHAT, data, id="", expected=position)
        chain.add(RawFrame(CHAT, position, data, frame_hash(data), "s"))
    read, refused = 0, False
    try:
        async for _ in FrameLog(records).read(CHAT):
            read += 1
    except CorruptLog:
        refused = True
    assert (read, refused) == (chain.frames, chain.fault is not None)
    return chain.frames, "" if chain.fault is None else chain.fault.line, chain.unfinished


@pytest.mark.parametrize("keeps", [0, 1, 3, 4])
async def test_an_erasure_in_clear_may_take_away_any_frames_before_it(keeps: int) -> None:
    frames = log(4, sealed=False)
    tombstone = next_to(frames[-1], 5, ERASED)

    found = await course([*frames[:keeps], tombstone, next_to(tombstone, 6, REFUSED)])
    assert found == (keeps + 2, "", keeps in (1, 3))


@pytest.mark.parametrize("keeps", [1, 3])
async def test_an_erasure_of_sealed_frames_takes_none_away(keeps: int) -> None:
    frames = log(4, sealed=True)
    tombstone = next_to(frames[-1], 5, ERASED)
    assert await course([*frames, tombstone]) == (5, "", False)

    fitting, fault, _ = await course([*frames[:keeps], tombstone])
    assert fitting == keeps
    assert f"expected the sealed frames from version {keeps + 1} on, which an erasure leaves" in fault


async def test_whoever_reads_on_after_an_erasure_takes_only_refusals_after_the_next() -> None:
    frames = log(2, sealed=False)
    tombstone = next_to(frames[-1], 3, ERASED)
    refused = next_to(tombstone, 4, REFUSED)
    again = next_to(refused, 5, ERASED)
    records, position = MemoryRecords(), 0
    for data in (*frames, tombstone, refused, again):
        position = await records.put(CHAT, data, id="", expected=position)
    read = FrameLog(records).read(CHAT)
    heads = [(await anext(read)).head for _ in range(4)]
    with pytest.raises(CorruptLog, match="only refusals follow an erasure"):
        await anext(read)

    for head in heads[:3]:
        with pytest.raises(CorruptLog, match="only refusals follow an erasure"):
            [one async for one in FrameLog(records).read(CHAT, head)]


FORKED = ConversationStarted(agent="a", journey_hash="", state={}, lineage=Lineage(parent="p", version=0, frame=""))
KINDS = (UserSpoke(message_id="m-1", text="hello"), ERASED, REFUSED, FORKED)


class Drawn(NamedTuple):
    """Is a frame to be drawn: how many versions it leaves out, and what else may be amiss with it."""

    gap: int
    other_prev: bool
    status: Status
    inherited: bool
    events: list[AnyEvent]


def standing(head: Head, drawn: Drawn) -> Stored:
    first, prev = head.version + 1 + drawn.gap, "0" * 64 if drawn.other_prev else head.hash
    frame = Frame(
        first=first, time=0, writer="w", agent="a", prev=prev, status=drawn.status, events=tuple(drawn.events)
    )
    data = encode_frame(frame)
    return Stored(CHAT, frame, Head(frame.last, 0 if drawn.inherited else first, frame_hash(data)), data)


seldom = st.sampled_from((False, False, False, True))
frames = st.builds(
    Drawn,
    st.sampled_from((0, 0, 0, 2)),
    seldom,
    st.sampled_from(("running", "idle", "erased")),
    seldom,
    st.lists(st.sampled_from(KINDS), max_size=3),
)


@for_all(st.sampled_from((START, Head(3, 7, "h"))), st.lists(frames, max_size=6))
def test_a_frame_is_checked_as_one_that_is_asked_about_and_then_taken(head: Head, drawn: list[Drawn]) -> None:
    checking, asking = Course(head), Course(head)
    for each in drawn:
        stored = standing(asking.head, each)
        if asking.misfit(stored) is not None:
            with pytest.raises(CorruptLog):
                checking.check(stored)
            break
        asking.take(stored)
        checking.check(stored)

    assert [getattr(checking, name) for name in Course.__slots__] == [
        getattr(asking, name) for name in Course.__slots__
    ]

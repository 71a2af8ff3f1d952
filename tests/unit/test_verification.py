"""Any change to the bytes of a stored log, to their order or to what is there, is found: by itself, or by a seal."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent_runtime_framework.events import (
    START,
    Chain,
    ConversationId,
    CorruptLog,
    Frame,
    FrameLog,
    MemoryRecords,
    RawFrame,
    Sealed,
    SealedAt,
    SealedHead,
    UserSpoke,
    decode_frame,
    encode_frame,
    frame_hash,
)
from support.chains import CHAT


def stored(frames: int) -> list[RawFrame]:
    found, prev, first = [], "", 1
    for number in range(frames):
        events = tuple(UserSpoke(message_id=f"m-{number}-{index}", text="hello") for index in range(number % 3 + 1))
        data = encode_frame(Frame(first=first, time=number, writer="w", agent="a", turn=1, prev=prev, events=events))
        prev, first = frame_hash(data), first + len(events)
        found.append(RawFrame(CHAT, number + 1, data, prev, "arf-ev-0"))
    return found


LOG = stored(6)


def walked(frames: Sequence[RawFrame], *, sealed: Sequence[SealedAt] = ()) -> list[str]:
    """Return what is found in a log, by itself and by what was sealed of it."""
    chain, compared = Chain(CHAT), Sealed(CHAT, sealed)
    for raw in frames:
        fits = chain.add(raw)
        if fits is not None:
            compared.passes(fits)
    fault = chain.fault or compared.ended(chain.head.version)
    return [] if fault is None else [fault.line]


def sealed_of(frames: Sequence[RawFrame], *counts: int) -> list[SealedAt]:
    """Return the heads that were sealed when the log had so many frames."""
    found = []
    for seal, count in enumerate(counts, 1):
        chain = Chain(CHAT)
        for raw in frames[:count]:
            chain.add(raw)
        found.append(SealedAt(SealedHead(chain.head.version, chain.head.hash), seal))
    return found


SEALED = sealed_of(LOG, 2, 6)


@st.composite
def changes(draw: st.DrawFn) -> list[RawFrame]:
    """Draw the log with one change: in the bytes of a frame, of its place, or of how many there are."""
    frames = list(LOG)
    index = draw(st.integers(0, len(frames) - 1))
    raw = frames[index]
    match draw(st.sampled_from(["bit", "cut", "piece", "out", "twice", "moved", "tail"])):
        case "bit":
            data = bytearray(raw.data)
            data[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
            frames[index] = raw._replace(data=bytes(data))
        case "cut":
            start = draw(st.integers(0, len(raw.data) - 1))
            end = draw(st.integers(start + 1, len(raw.data)))
            frames[index] = raw._replace(data=raw.data[:start] + raw.data[end:])
        case "piece":
            at = draw(st.integers(0, len(raw.data)))
            frames[index] = raw._replace(data=raw.data[:at] + draw(st.binary(min_size=1, max_size=9)) + raw.data[at:])
        case "out":
            del frames[index]
        case "twice":
            frames.insert(draw(st.integers(0, len(frames))), raw)
        case "moved":
            frames.insert(draw(st.integers(0, len(frames) - 1)), frames.pop(index))
        case _:
            del frames[index:]
    assume(frames != LOG)
    return frames


def test_an_untouched_log_passes() -> None:
    assert walked(LOG, sealed=SEALED) == []


@given(changes(), st.booleans())
def test_any_change_is_found(frames: list[RawFrame], ids_made_right: bool) -> None:
    if ids_made_right:
        frames = [raw._replace(id=frame_hash(raw.data)) for raw in frames]
    (found,) = walked(frames, sealed=SEALED)
    assert found.startswith(f"{CHAT}: ")


@given(changes())
def test_any_change_but_a_cut_tail_is_found_without_a_seal(frames: list[RawFrame]) -> None:
    assume(frames != LOG[: len(frames)])
    (found,) = walked(frames)
    assert found.startswith(f"{CHAT}: position ")


@given(changes())
async def test_reading_and_verifying_agree_on_what_fits(frames: list[RawFrame]) -> None:
    records = MemoryRecords()
    position = 0
    for raw in frames:
        position = await records.put(CHAT, raw.data, id="", expected=position)
    read, refused = 0, False
    try:
        async for _ in FrameLog(records).read(CHAT):
            read += 1
    except CorruptLog:
        refused = True
    chain = Chain(CHAT)
    for raw in frames:
        chain.add(raw._replace(id=frame_hash(raw.data)))

    assert (chain.frames, chain.fault is not None) == (read, refused)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4, unique=True).map(sorted), st.integers(0, 5))
def test_a_rewritten_log_is_found_between_two_seals(counts: list[int], start: int) -> None:
    forged, prev = LOG[:start], LOG[start - 1].id or "" if start else ""
    for raw in LOG[start:]:
        frame = Frame(
            first=_first(raw),
            time=9,
            writer="w-forged",
            agent="a",
            prev=prev,
            events=(UserSpoke(message_id="m", text=""),) * _count(raw),
        )
        data = encode_frame(frame)
        prev = frame_hash(data)
        forged.append(raw._replace(data=data, id=prev))
    sealed = sealed_of(LOG, *counts)
    before = [one.head.version for one in sealed if one.head.version < _first(LOG[start])]
    after = [one.head.version for one in sealed if one.head.version >= _first(LOG[start])]

    found = walked(forged, sealed=sealed)
    if not after:
        assert found == []
    elif before:
        assert found[0].startswith(f"{CHAT}: was rewritten between version {before[-1]} and {after[0]}: ")
    else:
        assert found[0].startswith(f"{CHAT}: was rewritten at or before version {after[0]}: ")


def _first(raw: RawFrame) -> int:
    return decode_frame(raw.data).first


def _count(raw: RawFrame) -> int:
    return len(decode_frame(raw.data).events)


async def test_a_frame_without_events_is_refused_by_reading_and_verifying() -> None:
    empty = encode_frame(Frame(first=1, time=0, writer="w", agent="a"))
    records = MemoryRecords()
    await records.put(CHAT, empty, id="", expected=0)

    with pytest.raises(CorruptLog, match="'c-1' at position 1 has no events"):
        [one async for one in FrameLog(records).read(CHAT)]
    (found,) = walked([RawFrame(CHAT, 1, empty, frame_hash(empty), "s")])
    assert found == "c-1: position 1, version 1: expected a frame with events, found one without any"


def test_a_conversation_that_is_not_there_was_dropped_or_never_was() -> None:
    assert Sealed(ConversationId("c-9"), ()).ended(START.version) is None
    fault = Sealed(CHAT, SEALED).ended(0)
    assert fault is not None
    assert fault.line.startswith("c-1: was dropped: expected version 12 (")
    assert (fault.kind, fault.version) == ("dropped", 12)

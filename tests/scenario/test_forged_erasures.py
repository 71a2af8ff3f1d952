"""A forged erasure hides nothing: what it takes away is told, and nothing is said after it."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from agent_runtime_framework.events import (
    AnyEvent,
    CommandRefused,
    ConversationErased,
    CorruptLog,
    Frame,
    TurnStarted,
    UserSpoke,
    decode_frame,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.runtime.verifying import Verdict
from support.tampering import ONE, TWO, Attacked, Kept, attacked

FORGED = "forged words after the erasure"
ERASED = ConversationErased(reason="forged")
WORDS = (UserSpoke(message_id="m-f", text=FORGED), TurnStarted(number=9, cause=1))
REFUSED = (CommandRefused(command_id="m-w", reason="the conversation was erased"),)
ONLY = "expected only refusals follow an erasure (at version 6), found "


@pytest.fixture
async def place(nats_url: str, tmp_path: Path) -> AsyncIterator[Attacked]:
    async with attacked(nats_url, tmp_path) as place:
        await place.forget_ids()
        yield place


def made(first: int, prev: str, *events: AnyEvent, status: str = "erased") -> Kept:
    fields = {"first": first, "time": 0, "writer": "w-f", "agent": "onboarding", "status": status, "prev": prev}
    return Kept(encode_frame(replace(msgspec.convert(fields, Frame), events=events)), None).with_its_id(TWO)


def after(kept: Kept, *events: AnyEvent, status: str = "erased") -> Kept:
    return made(decode_frame(kept.data).last + 1, frame_hash(kept.data), *events, status=status)


async def read(place: Attacked) -> list[Frame]:
    return [stored.frame async for stored in place.substrate.log.read(TWO)]


async def verdict(place: Attacked, *, sealed: bool = True) -> Verdict:
    verdicts, _, _ = await place.verdicts(await place.evidence() if sealed else None)
    return next(one for one in verdicts if one.conversation == TWO)


@pytest.mark.parametrize(
    ("events", "status", "found"),
    [
        (WORDS, "idle", "user.spoke in the frame of version 7"),
        (WORDS, "erased", "user.spoke in the frame of version 7"),
        ((*REFUSED, *WORDS), "erased", "user.spoke in the frame of version 7"),
        (REFUSED, "idle", "a frame of status idle"),
        ((ERASED,), "erased", "conversation.erased in the frame of version 7"),
        ((*REFUSED, ERASED), "erased", "conversation.erased in the frame of version 7"),
    ],
)
@pytest.mark.parametrize("keeps", [0, 1])
async def test_nothing_but_refusals_follows_an_erasure(
    place: Attacked, keeps: int, events: tuple[AnyEvent, ...], status: str, found: str
) -> None:
    kept = (await place.kept(TWO))[:keeps]
    forged = made(6, "f" * 64, ERASED)
    await place.put(TWO, [*kept, forged, after(forged, *events, status=status)])

    for lines in (await place.found(), await place.found_by_seals()):
        (line,) = lines
        assert line.startswith("c-2: position ")
        assert line.endswith(f", version 7: {ONLY}{found}")
    with pytest.raises(CorruptLog, match="only refusals follow an erasure"):
        await read(place)


async def test_nobody_speaks_in_the_frame_of_an_erasure_that_takes_frames_away(place: Attacked) -> None:
    for forged in (made(5, "f" * 64, *WORDS, ERASED), made(5, "f" * 64, ERASED, status="idle")):
        await place.put(TWO, [forged])
        (line,) = await place.found()
        assert "version 1: expected a frame that continues version 0" in line
        with pytest.raises(CorruptLog, match="frames are missing"):
            await read(place)


async def test_nothing_follows_an_erasure_in_its_own_frame(place: Attacked) -> None:
    frames = await place.kept(TWO)
    await place.put(TWO, [*frames, after(frames[-1], ERASED, *WORDS)])

    (line,) = await place.found()
    assert "expected only refusals follow an erasure (at version 8), found more events in the same frame" in line
    with pytest.raises(CorruptLog, match="only refusals follow an erasure"):
        await read(place)


async def test_what_a_forged_erasure_hides_of_the_seals_is_told(place: Attacked) -> None:
    forged = made(10, "f" * 64, ERASED)
    await place.put(TWO, [forged, after(forged, *REFUSED)])

    told = await verdict(place)
    assert (told.erased, told.fault) == (10, None)
    assert told.notes == ("what was sealed up to 7 cannot be compared any more",)
    assert (await verdict(place, sealed=False)).notes == ()


async def test_an_erasure_of_the_very_version_that_was_sealed_has_its_hash(place: Attacked) -> None:
    frames = await place.kept(TWO)
    await place.put(TWO, [made(8, "f" * 64, ERASED)])
    (line,) = await place.found_by_seals()
    assert line.startswith("c-2: was rewritten at or before version 7: expected version 7 (")

    await place.put(TWO, [after(frames[-1], ERASED)])
    told = await verdict(place)
    assert (told.erased, told.fault, told.notes) == (8, None, ())


async def test_an_erasure_that_was_not_completed_is_told(place: Attacked) -> None:
    frames = await place.kept(TWO)
    await place.put(TWO, [frames[0], after(frames[-1], ERASED)])

    told = await verdict(place)
    assert (told.fault, told.notes) == (None, ("erasing was not completed, run `arf erase` again",))
    assert len(await read(place)) == 2


async def test_kept_frames_that_are_not_those_that_were_sealed_are_no_erasure_s(place: Attacked) -> None:
    """`c-1` was sealed at 13, which is the end of no frame of what is kept, and erased later."""
    first, *_ = await place.kept(ONE)
    long = after(first, *[UserSpoke(message_id=f"m-{number}", text="") for number in range(20)], status="idle")
    forged = made(40, "f" * 64, ERASED)
    await place.put(ONE, [Kept(one.data, None).with_its_id(ONE) for one in (first, long, forged)])

    (line,) = [line for line in await place.found_by_seals() if line.startswith("c-1")]
    assert line.startswith("c-1: was rewritten at or before version 13")


async def test_an_erasure_that_is_not_believed_explains_no_removed_messages(place: Attacked) -> None:
    frames = await place.kept(TWO)
    stream = place.names.event_stream(place.names.shard(TWO))
    forged = after(frames[-1], ERASED)
    await place.put(TWO, [forged, after(forged, *WORDS, status="idle")])
    _, _, warnings = await place.verdicts()
    assert warnings == [f"2 messages of stream {stream} were removed, and no erased conversation explains that"]

    await place.put(TWO, [forged, after(forged, *REFUSED)])
    _, _, warnings = await place.verdicts()
    assert warnings == []

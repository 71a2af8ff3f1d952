"""Whatever is changed in a stored log, by someone with full rights on the server, is found and named."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent_runtime_framework.events import (
    ConversationErased,
    ConversationId,
    Frame,
    MemoryRecords,
    RawFrame,
    decode_frame,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.runtime.archive import MemoryArchive
from agent_runtime_framework.runtime.verifying import Verification
from support.tampering import FORK, IMPORTED, ONE, TWO, Attacked, Kept, attacked, changed, fields, retold


@pytest.fixture
async def place(nats_url: str, tmp_path: Path) -> AsyncIterator[Attacked]:
    async with attacked(nats_url, tmp_path) as place:
        await place.forget_ids()
        yield place


async def put(place: Attacked, frames: list[Kept], conversation: ConversationId = ONE) -> None:
    await place.put(conversation, frames)


async def test_nothing_is_found_in_an_untouched_log(place: Attacked) -> None:
    verdicts, missing, warnings = await place.verdicts(await place.evidence())

    assert [(one.conversation, one.version, one.frames, one.unsealed) for one in verdicts] == [
        (ONE, 25, 8, 0),
        (TWO, 7, 2, 0),
        (FORK, 20, 3, 0),
        (IMPORTED, 13, 4, 0),
    ]
    assert (await place.found_by_seals(), missing, warnings) == ([], [], [])


@pytest.mark.parametrize(("index", "version"), [(0, 1), (3, 11), (-1, 23)])
async def test_a_changed_byte_is_found_in_its_frame(place: Attacked, index: int, version: int) -> None:
    frames = await place.kept(ONE)
    frames[index] = changed(frames[index])
    await put(place, frames)

    (found,) = [line for line in await place.found() if line.startswith("c-1")]
    assert f", version {version}: expected" in found


@pytest.mark.parametrize("conversation", [ONE, TWO, FORK, IMPORTED])
async def test_a_changed_last_frame_is_found_though_no_other_names_it(
    place: Attacked, conversation: ConversationId
) -> None:
    *frames, last = await place.kept(conversation)
    await place.put(conversation, [*frames, changed(last)])
    (found,) = await place.found()
    assert found.startswith(f"{conversation}: position ")
    assert "expected the message id" in found

    await place.put(conversation, [*frames, changed(last).with_its_id(conversation)])
    assert await place.found() == []
    (found,) = await place.found_by_seals()
    assert found.startswith(f"{conversation}: was rewritten ")


@pytest.mark.parametrize("with_ids", [True, False])
async def test_a_frame_that_was_taken_out_is_missed(place: Attacked, with_ids: bool) -> None:
    frames = await place.kept(ONE)
    del frames[3]
    await put(place, [kept if with_ids else Kept(kept.data, None) for kept in frames])

    found = await place.found()
    if with_ids:
        assert "version 11: expected a frame that continues version 10 (" in found[0]
        assert "found one that continues version 13 (" in found[0]
        assert found[1].startswith("c-3: what it inherits, before version 14")
    else:
        assert "version 1: expected the message id" in found[0]


async def test_two_frames_that_were_swapped_are_found(place: Attacked) -> None:
    frames = await place.kept(ONE)
    frames[2], frames[3] = frames[3], frames[2]
    await put(place, frames)

    assert "c-1: position " in (found := (await place.found())[0])
    assert "version 8: expected a frame that continues version 7" in found


async def test_a_frame_that_was_put_in_is_found(place: Attacked) -> None:
    frames = await place.kept(ONE)
    forged = Frame(**{**fields(frames[4]), "writer": "w-forged"})  # type: ignore[arg-type]
    await put(place, [*frames[:4], Kept(encode_frame(forged), None).with_its_id(ONE), *frames[4:]])

    (found,) = await place.found()
    assert "c-1: position " in found
    assert "version 17: expected a frame that continues version 16" in found
    assert "found one that continues version 13" in found


async def test_a_tail_that_was_cut_off_is_proved_by_a_seal(place: Attacked) -> None:
    frames = await place.kept(ONE)
    await put(place, frames[:6])

    assert await place.found() == []
    (found,) = await place.found_by_seals()
    assert found.startswith("c-1: was truncated: it ends at version 19, and was sealed at 25: expected version 25 (")


@pytest.mark.parametrize(("start", "between"), [(0, "at or before version 13"), (5, "between version 13 and 25")])
async def test_a_log_that_was_rewritten_with_right_hashes_is_proved_by_a_seal(
    place: Attacked, start: int, between: str
) -> None:
    await put(place, retold(await place.kept(ONE), ONE, start))

    by_itself = await place.found()
    assert [line for line in by_itself if not line.startswith("c-3: what it inherits")] == []
    assert f"c-1: was rewritten {between}: expected version" in (await place.found_by_seals())[0]


async def test_a_rewritten_parent_is_found_by_its_fork(place: Attacked) -> None:
    await put(place, retold(await place.kept(ONE), ONE, 2))

    (found,) = await place.found()
    assert found.startswith(
        "c-3: what it inherits, before version 14: expected the parent's frames up to the cut, found"
    )
    assert "'c-3' descends from 'c-1' at version 13" in found


async def test_a_conversation_that_was_dropped_is_named(place: Attacked) -> None:
    await place.purge(TWO)

    verdicts, _, warnings = await place.verdicts()
    stream = place.names.event_stream(place.names.shard(TWO))
    assert len(verdicts) == 3
    assert warnings[-1] == f"2 messages of stream {stream} were removed, and no erased conversation explains that"
    assert (await place.found_by_seals())[0].startswith("c-2: was dropped: expected version 7 (")


async def test_a_stream_that_was_dropped_is_named_with_what_it_had(place: Attacked) -> None:
    stream = place.names.event_stream(place.names.shard(ONE))
    await place.drop(stream)

    assert (await place.found())[0].startswith(f"stream {stream}: expected the stream")
    found = await place.found_by_seals()
    assert next(line.partition(":")[0] for line in found if "was dropped" in line) == "c-1"
    assert any(line.startswith("c-3: what it inherits") for line in found)


async def test_a_stream_that_was_made_anew_with_the_same_frames_passes(place: Attacked) -> None:
    shard = place.names.shard(ONE)
    mine = [one for one in (ONE, TWO, FORK, IMPORTED) if place.names.shard(one) == shard]
    frames = {one: await place.kept(one) for one in mine}
    await place.drop(place.names.event_stream(shard))
    await place.make(shard)
    for one in mine:
        await place.add(place.names.event_subject(one), frames[one])

    assert await place.found_by_seals() == []


async def test_a_frame_under_another_conversation_is_found(place: Attacked) -> None:
    first, *_ = await place.kept(ONE)
    await place.add(place.names.event_subject(TWO), [first])
    stranger = ConversationId("c-9")
    await place.add(place.names.event_subject(stranger), [first])

    found = await place.found()
    assert found[0].startswith("c-2: position ")
    assert "version 8: expected a frame that continues version 7" in found[0]
    assert "c-9: position " in found[1]
    assert "version 1: expected the message id" in found[1]
    assert f"found {first.id}" in found[1]


async def test_a_frame_where_nobody_looks_is_found(place: Attacked) -> None:
    stray = f"{place.names.namespace}.ev.{(place.names.shard(TWO) + 1) % 8}.{TWO}"
    await place.add(stray, (await place.kept(TWO))[:1])

    (found,) = await place.found()
    assert found.startswith("c-2: position ")
    assert f"found a frame at {stray}, which nobody reads" in found


async def test_bytes_that_are_no_frame_are_found(place: Attacked) -> None:
    frames = await place.kept(TWO)
    await place.put(TWO, [frames[0], Kept(b"{}", None)])

    (found,) = await place.found()
    assert "c-2: position " in found
    assert "expected a frame, found stored bytes are not a frame" in found


# --- erasure


def tombstone(conversation: str, frames: list[Kept]) -> Kept:
    last = decode_frame(frames[-1].data)
    frame = Frame(
        first=last.last + 1,
        time=0,
        writer="w-e",
        agent="onboarding",
        status="erased",
        prev=frame_hash(frames[-1].data),
        events=(ConversationErased(reason="asked for"),),
    )
    return Kept(encode_frame(frame), None).with_its_id(conversation)


async def test_an_erased_conversation_is_no_damage(place: Attacked) -> None:
    frames = await place.kept(TWO)
    await place.put(TWO, [tombstone(TWO, frames)])

    assert await place.found_by_seals() == []
    verdicts, _, warnings = await place.verdicts(await place.evidence())
    assert [(one.erased, one.unsealed) for one in verdicts if one.conversation == TWO] == [(8, 1)]
    assert warnings == []


async def test_an_erasure_that_is_not_complete_is_no_damage(place: Attacked) -> None:
    frames = await place.kept(IMPORTED)
    await place.put(IMPORTED, [*frames[:2], tombstone(IMPORTED, frames)])

    assert await place.found_by_seals() == []
    assert len([one async for one in place.substrate.log.read(IMPORTED)]) == 3


async def test_what_is_erased_while_all_is_verified_is_no_damage(place: Attacked) -> None:
    frames = await place.kept(IMPORTED)

    class Meanwhile(MemoryArchive):
        """Gives what was there at first, and then has the conversation erased."""

        async def everything(self) -> AsyncIterator[Sequence[RawFrame]]:
            assert place.substrate.archive is not None
            read = [raw async for batch in place.substrate.archive.everything() for raw in batch]
            await place.put(IMPORTED, [tombstone(IMPORTED, frames)])
            yield [raw for raw in read if raw.data != frames[1].data]

        async def frames(self, conversation: ConversationId) -> AsyncIterator[Sequence[RawFrame]]:
            assert place.substrate.archive is not None
            async for batch in place.substrate.archive.frames(conversation):
                yield batch

    verification = Verification(replace(place.substrate, archive=Meanwhile(MemoryRecords())))
    verdicts = [verdict async for verdict in verification.all()]
    assert [(one.conversation, one.fault, one.erased) for one in verdicts][-1] == (IMPORTED, None, 14)


async def test_frames_that_are_missing_elsewhere_than_before_the_erasure_are_found(place: Attacked) -> None:
    frames = await place.kept(IMPORTED)
    await place.put(IMPORTED, [*frames[1:], tombstone(IMPORTED, frames)])

    (found,) = await place.found()
    assert "version 1: expected a frame that continues version 0" in found


async def test_an_erasure_that_hides_a_truncation_is_found(place: Attacked) -> None:
    frames = await place.kept(IMPORTED)
    await place.put(IMPORTED, [tombstone(IMPORTED, frames[:2])])

    assert await place.found() == []
    (found,) = await place.found_by_seals()
    assert found.startswith(
        "c-4: was truncated before it was erased: the erasure says that it ended at version 7, and it was sealed at 13"
    )


async def test_an_erasure_of_another_log_than_was_sealed_is_found(place: Attacked) -> None:
    frames = retold(await place.kept(IMPORTED), IMPORTED, 1)
    await place.put(IMPORTED, [tombstone(IMPORTED, frames)])

    (found,) = await place.found_by_seals()
    assert found.startswith("c-4: was rewritten at or before version 13: expected version 13 (")

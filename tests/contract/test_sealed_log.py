"""What holds for a log whose conversations are sealed: in memory, and on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from agent_runtime_framework.events import (
    SEALED,
    START,
    AgentSpoke,
    CommandRefused,
    Conflict,
    ConversationStarted,
    CorruptLog,
    Edits,
    Frame,
    FrameLog,
    Lineage,
    MemoryRecords,
    ModelAnswered,
    Records,
    Refused,
    Stored,
    TurnStarted,
    Unavailable,
    UnknownEvent,
    UserSpoke,
    Withheld,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.projections import fold, initial
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.crypto.ciphers import MasterKey, new_key
from agent_runtime_framework.runtime.logfiles import Recording
from agent_runtime_framework.runtime.nats.connection import connect
from agent_runtime_framework.runtime.nats.records import JetStreamRecords
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.runtime.restoring import restoring
from agent_runtime_framework.runtime.vault import KeyVault, MemoryKeys
from support.chains import CHAT, OTHER, frame_after, put_raw, read, write
from support.faults import FaultyRecords


@pytest.fixture(params=["memory", "jetstream"])
async def records(request: pytest.FixtureRequest) -> AsyncIterator[Records]:
    if request.param == "memory":
        yield MemoryRecords()
        return
    client = await connect(request.getfixturevalue("nats_url"))
    yield JetStreamRecords(await ensure(client, new_id("sealed"), shards=1), appends=client, reads=client)
    await client.close()


@pytest.fixture
async def vault() -> KeyVault:
    made = KeyVault(MemoryKeys(), MasterKey(new_key()))
    await made.encrypt()
    return made


@pytest.fixture
def log(records: Records, vault: KeyVault) -> FrameLog:
    return FrameLog(records, vault=vault)


def locked(records: Records, vault: KeyVault) -> FrameLog:
    """Return the log as somebody without the master key has it."""
    return FrameLog(records, vault=KeyVault(vault._keys))


async def test_what_is_read_is_what_was_appended_and_its_words_are_not_stored(log: FrameLog) -> None:
    written = await write(log, CHAT, 5)

    found = await read(log)

    assert found == written
    assert [stored.frame.prev for stored in found] == ["", *(frame_hash(stored.data) for stored in written[:-1])]
    assert not any(b"text" in stored.data for stored in found)
    assert b"m-0" in found[0].data


async def test_without_the_key_the_structure_is_read_and_says_what_is_missing(
    log: FrameLog, records: Records, vault: KeyVault
) -> None:
    written = await write(log, CHAT, 3)

    found = await read(locked(records, vault))

    assert [stored.head for stored in found] == [stored.head for stored in written]
    assert [event for stored in found for event in stored.frame.events] == [
        UserSpoke(message_id="m-0", text=SEALED)
    ] * 3
    assert fold(initial(CHAT), [stored.frame for stored in found]).withheld
    assert not fold(initial(CHAT), [stored.frame for stored in written]).withheld


async def test_without_the_key_nothing_is_appended(log: FrameLog, records: Records, vault: KeyVault) -> None:
    (first,) = await write(log, CHAT, 1)

    with pytest.raises(Withheld, match="set ARF_MASTER_KEY"):
        await locked(records, vault).append(CHAT, frame_after(first.head, "more"), first.head)
    with pytest.raises(Withheld, match="set ARF_MASTER_KEY"):
        await locked(records, vault).append(OTHER, frame_after(START, "new"), START)

    assert len(await read(log)) == 1
    assert await read(log, OTHER) == []


async def test_a_conversation_that_was_begun_in_clear_goes_on_so(records: Records, vault: KeyVault) -> None:
    (first,) = await write(FrameLog(records), CHAT, 1)

    await FrameLog(records, vault=vault).append(CHAT, frame_after(first.head, "more words"), first.head)

    assert b"more words" in (await read(FrameLog(records)))[1].data


async def test_a_ciphertext_that_was_moved_does_not_open(log: FrameLog, records: Records, vault: KeyVault) -> None:
    (first,) = await write(log, CHAT, 1)
    await vault.created(OTHER)
    await put_raw(records, first.data, 0, OTHER)
    fields = msgspec.json.decode(first.data)
    shifted = msgspec.json.encode({**fields, "first": 2, "prev": first.head.hash})
    await put_raw(records, shifted, first.head.position)

    with pytest.raises(CorruptLog, match=r"conversation 'c-2', position .*does not open under its key"):
        await read(log, OTHER)
    with pytest.raises(CorruptLog, match=r"conversation 'c-1', position .*does not open under its key"):
        await read(log)


async def test_a_ciphertext_that_was_changed_is_found_out(log: FrameLog, records: Records) -> None:
    (first,) = await write(log, CHAT, 1)
    second = frame_after(first.head, "hello")
    await log.append(OTHER, frame_after(START), START)
    sealed = msgspec.json.decode((await read(log, OTHER))[0].data)["sealed"]
    changed = msgspec.json.encode(msgspec.structs.replace(second, sealed=f"{sealed[:-6]}AAAA=="))

    await put_raw(records, changed, first.head.position)

    with pytest.raises(CorruptLog, match=r"position .*does not open under its key"):
        await read(log)


async def test_an_event_of_a_newer_release_is_sealed_whole_and_comes_back(
    log: FrameLog, records: Records, vault: KeyVault
) -> None:
    raw = b'{"type":"mood.guessed","mood":"glad","cause":1}'
    event = UnknownEvent(tag="mood.guessed", raw=raw, cause=1)

    await log.append(CHAT, Frame(first=1, time=0, writer="w", agent="a", events=(AgentSpoke(), event)), START)

    (stored,) = await read(log)
    assert stored.frame.events == (AgentSpoke(), event)
    assert b"glad" not in stored.data
    (shut,) = await read(locked(records, vault))
    assert shut.frame.events[1] == UnknownEvent(tag="mood.guessed", raw=b'{"type":"mood.guessed","cause":1}', cause=1)


async def test_a_fork_has_a_key_of_its_own_and_reads_its_parents_frames_with_the_parents(
    log: FrameLog, records: Records, vault: KeyVault
) -> None:
    (first,) = await write(log, CHAT, 1)
    began = ConversationStarted(
        agent="agent",
        journey_hash="",
        state={},
        lineage=Lineage(parent=CHAT, version=1, frame=first.head.hash),
        edits=Edits(model="gpt", prompt="speak softly", step="one"),
    )
    frame = Frame(first=2, time=0, writer="w", agent="agent", prev=first.head.hash, parent=CHAT, events=(began,))

    cut = msgspec.structs.replace(first.head, position=0)
    await log.append(OTHER, frame, cut)

    inherited, own = await read(log, OTHER)
    assert (inherited.frame, own.frame) == (first.frame, frame)
    assert b"softly" not in own.data
    assert b"gpt" in own.data
    await vault.erase(OTHER)
    assert (await read(log, OTHER))[0].frame == first.frame
    assert (await read(log, OTHER))[1].frame.sealed


async def test_an_erased_key_opens_nothing_from_the_next_reading_on(
    log: FrameLog, records: Records, vault: KeyVault
) -> None:
    await write(log, CHAT, 2)
    elsewhere = KeyVault(vault._keys, vault._wrapper)

    await elsewhere.erase(CHAT)

    assert all(stored.frame.sealed for stored in await read(log))


async def test_an_answer_is_withheld_as_a_message_of_the_assistants(
    log: FrameLog, records: Records, vault: KeyVault
) -> None:
    answered = ModelAnswered(message={"role": "assistant", "content": "hi"}, usage={"total_tokens": 3})
    await log.append(CHAT, Frame(first=1, time=0, writer="w", agent="a", events=(answered,)), START)

    (shut,) = await read(locked(records, vault))

    assert shut.frame.events == (
        ModelAnswered(message={"role": "assistant", "content": SEALED}, usage={"total_tokens": 3}),
    )


async def test_bytes_of_a_sealed_log_are_restored_as_they_are(log: FrameLog, vault: KeyVault) -> None:
    written = await write(log, CHAT, 3)
    backup, head = FrameLog(MemoryRecords(), vault=vault), START

    for stored in written:
        head = (await backup.restore(CHAT, stored.data, head)).head

    assert [stored.data for stored in await read(backup)] == [stored.data for stored in written]
    assert [stored.frame for stored in await read(backup)] == [stored.frame for stored in written]


async def restored(log: FrameLog, recording: Recording, *, encrypted: bool) -> list[Stored]:
    return [stored async for stored in restoring(log, recording, encrypted=encrypted)]


async def test_nothing_is_restored_in_clear_where_all_is_sealed(log: FrameLog) -> None:
    quiet = Frame(first=1, time=0, writer="w", agent="agent", events=(TurnStarted(number=1),))
    clear = FrameLog(MemoryRecords())
    head = (await clear.append(CHAT, quiet, START)).head
    await clear.append(CHAT, frame_after(head, "words"), head)
    recording = Recording(CHAT, tuple(await read(clear)))
    refused = "conversation 'c-1' is in clear, and this namespace is encrypted: import it into one that is not"

    with pytest.raises(Refused, match=refused):
        await restored(log, recording, encrypted=True)
    assert await read(log) == []
    with pytest.raises(Refused, match=refused):  # and the log itself does not take it
        await restored(log, recording, encrypted=False)


async def test_what_is_there_in_clear_is_completed_in_clear(records: Records, vault: KeyVault) -> None:
    recording = Recording(CHAT, tuple(await write(FrameLog(MemoryRecords()), CHAT, 3)))
    await FrameLog(records).restore(CHAT, recording.frames[0].data, START)

    await restored(FrameLog(records, vault=vault), recording, encrypted=True)

    assert [stored.data for stored in await read(FrameLog(records))] == [stored.data for stored in recording.frames]


async def test_what_is_there_sealed_is_not_completed_in_clear(log: FrameLog) -> None:
    (first,) = await write(log, CHAT, 1)
    more = encode_frame(frame_after(first.head, "words"))

    with pytest.raises(Refused, match="is in clear, and this namespace is encrypted"):
        await log.restore(CHAT, more, first.head)


async def test_without_its_key_a_sealed_conversation_does_not_go_on_in_clear(
    log: FrameLog, records: Records, vault: KeyVault
) -> None:
    await write(log, CHAT, 1)
    (first,) = await write(log, OTHER, 1)
    other = KeyVault(MemoryKeys(), vault._wrapper)
    for encrypted in (False, True):
        if encrypted:
            await other.encrypt()
        for reads in (False, True):
            without = FrameLog(records, vault=other)
            if reads:
                await read(without, OTHER)
            with pytest.raises(Withheld, match="the content of 'c-2' is sealed, and its key is missing"):
                await without.append(OTHER, frame_after(first.head, "words"), first.head)

    assert len(await read(log, OTHER)) == 1


async def test_where_a_key_was_erased_and_nothing_recorded_the_append_says_so(log: FrameLog, vault: KeyVault) -> None:
    await vault.erase(CHAT)

    with pytest.raises(Withheld, match="conversation 'c-1' was erased"):
        await log.append(CHAT, frame_after(START, "words"), START)
    refused = Frame(first=1, time=0, writer="w", agent="agent", events=(CommandRefused(command_id="m-1"),))
    await log.append(CHAT, refused, START)

    assert [stored.frame for stored in await read(log)] == [refused]


async def test_an_append_whose_acknowledgement_is_lost_for_long_is_found_again(vault: KeyVault) -> None:
    async def away() -> None:
        raise Unavailable("away")

    log = FrameLog(FaultyRecords(MemoryRecords(), lost_acks=1, meanwhile=away), vault=vault)
    frame = frame_after(START, "hello")
    with pytest.raises(Unavailable):
        await log.append(CHAT, frame, START)

    stored = await log.append(CHAT, frame, START)

    assert stored.head.version == 1
    assert len(await read(log)) == 1


async def test_of_two_who_append_at_once_one_meets_a_conflict(log: FrameLog) -> None:
    results = await asyncio.gather(
        *(log.append(CHAT, frame_after(START, writer=f"w-{number}"), START) for number in range(2)),
        return_exceptions=True,
    )

    assert sorted(type(result).__name__ for result in results) == ["Conflict", "Stored"]
    assert any(isinstance(result, Conflict) for result in results)

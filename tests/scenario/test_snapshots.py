"""Conversations are opened by what is kept of them, which is what their log folds to, or they are folded from it."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec import structs

from agent_runtime_framework import Client
from agent_runtime_framework.events import (
    ConversationId,
    Frame,
    FrameLog,
    MemoryRecords,
    Stored,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.projections import read_part
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.runtime.vault import KeyVault
from agent_runtime_framework.testing import ScriptedLLM
from support.journeys import frames, order_agent, working
from support.snapshots import (
    Faulty,
    ReadLog,
    is_used,
    kept_often,
    opened,
    parts_of,
    replied,
    stored_parts,
    talk,
    tried,
    until_kept,
)

CHAT = ConversationId("c-1")


async def test_a_worker_opens_a_conversation_by_what_is_kept_and_reads_on_from_there(substrate: Substrate) -> None:
    place = kept_often(substrate)
    await talk(place, 3)
    await replied(structs.replace(place, snapshots=None))  # which is not kept
    kept = await place.snapshots.load(CHAT)  # type: ignore[union-attr]
    log = ReadLog(place.log)

    with ScriptedLLM("Good day.") as llm:
        async with working(order_agent(llm), substrate=structs.replace(place, log=log)) as rt:
            await rt.publish("order", "c-1", "hello", message_id="m")
            async with asyncio.timeout(20):
                while (await frames(place, "c-1"))[-1].frame.turn < 5:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    assert log.read_after == [kept.snapshot.head.version]
    assert [message["content"] for message in llm.requests[0].messages if message["role"] == "user"] == [
        *["I am Ada"] * 3,
        *["hello"] * 2,
    ]
    assert await is_used(place)
    assert await opened(place) == await opened(place, snapshots=False)


async def test_who_says_something_opens_a_long_conversation_by_what_is_kept_and_finds_an_old_reply_all_the_same(
    substrate: Substrate,
) -> None:
    place = kept_often(substrate)
    await talk(place, 3)
    kept = await place.snapshots.load(CHAT)  # type: ignore[union-attr]
    first = next(id_ for id_, turn in kept.snapshot.conversation.handled.items() if turn == 1)
    log = ReadLog(place.log)

    with ScriptedLLM("Good day.") as llm:
        async with working(order_agent(llm), substrate=place):
            reply = await Client(structs.replace(place, log=log)).send("order", "c-1", "hello")
            read, log.read_after = log.read_after, []
            again = await Client(structs.replace(place, log=log)).send("order", "c-1", "I am Ada", message_id=first)

    assert (reply.text, reply.turn, reply.state["name"]) == ("Good day.", 4, "Ada Lovelace")
    assert read == [kept.snapshot.head.version]
    assert (again.turn, log.read_after) == (1, [0])


async def test_of_a_log_that_ends_where_it_was_kept_or_was_never_begun_no_frame_is_read(substrate: Substrate) -> None:
    place = kept_often(substrate)
    await talk(place, 1)
    log = ReadLog(place.log)

    now = await opened(structs.replace(place, log=log))
    nothing = await opened(structs.replace(place, log=log), conversation="c-2")

    assert (now.turns, nothing.version, log.read_after) == (1, 0, [])


async def test_what_is_said_after_a_snapshot_is_folded_on_top_of_it(substrate: Substrate) -> None:
    await talk(kept_often(substrate), 2)
    assert await replied(substrate) == "Good day."  # where conversations are kept seldom

    assert len(await stored_parts(substrate)) == 2
    assert await is_used(substrate)
    assert await opened(substrate) == await opened(substrate, snapshots=False)


async def test_a_conversation_is_kept_seldom(substrate: Substrate) -> None:
    with ScriptedLLM("Nice to meet you, Ada.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "I am Ada", timeout=20)

    assert await stored_parts(substrate) == []


def swapped(parts: list[bytes]) -> list[bytes]:
    return [parts[1], parts[0], *parts[2:]]


def flipped(parts: list[bytes]) -> list[bytes]:
    return [*parts[:-1], bytes([*parts[-1][:-1], parts[-1][-1] ^ 1])]


SPOILED: dict[str, Callable[[list[bytes], list[bytes]], list[bytes]]] = {
    "a changed byte": lambda mine, _: flipped(mine),
    "another order": lambda mine, _: swapped(mine),
    "one missing": lambda mine, _: [mine[0], *mine[2:]],
    "the first missing": lambda mine, _: mine[1:],
    "one twice": lambda mine, _: [*mine[:2], *mine[1:]],
    "another conversation's": lambda _, others: others,
    "one of another conversation": lambda mine, others: [mine[0], others[1], mine[2]],
    "no parts at all": lambda *_: [b"nonsense", b"x" * 100],
}


@pytest.mark.parametrize("spoiled", SPOILED.values(), ids=SPOILED)
async def test_a_chain_that_does_not_fit_is_thrown_away_and_another_takes_its_place(
    substrate: Substrate, spoiled: Callable[[list[bytes], list[bytes]], list[bytes]]
) -> None:
    place, parts = kept_often(substrate), parts_of(substrate)
    await talk(place, 3)
    await talk(place, 3, "c-2")
    mine, others = await stored_parts(place), await stored_parts(place, "c-2")
    for position, _ in await parts.get(CHAT):
        await parts.remove(CHAT, position)
    position, planted = 0, spoiled(mine, others)
    for data in planted:
        position = await parts.put(CHAT, data, position)

    assert not await is_used(place)
    assert await opened(place) == await opened(place, snapshots=False)
    assert await replied(place) == "Good day."
    assert await is_used(place)
    assert len(await stored_parts(place)) == 1
    assert await opened(place) == await opened(place, snapshots=False)
    assert read_part((await stored_parts(place))[0]).part.number == 1


async def rewritten(substrate: Substrate, turn: Callable[[list[Stored]], list[bytes]]) -> Substrate:
    """Return the place with another log, in which the frames are stored that `turn` makes of the old ones."""
    found = await frames(substrate, "c-1")
    records, position = MemoryRecords(), 0
    for data in turn(found):
        position = await records.put(CHAT, data, id=frame_hash(data), expected=position)
    log = FrameLog(records, vault=substrate.vault)
    return kept_often(substrate, log=log)


def later(found: list[Stored]) -> list[bytes]:
    """Return the frames, the last but four of them decided at another time, and those after it in a chain with it."""
    lines, prev = [stored.data for stored in found[:-4]], found[-5].head.hash
    for stored in found[-4:]:
        frame: Frame = structs.replace(stored.frame, time=stored.frame.time + 1, prev=prev)
        lines.append(encode_frame(frame))
        prev = frame_hash(lines[-1])
    return lines


async def test_a_log_that_was_cut_or_rewritten_is_not_overlaid_by_what_was_kept(substrate: Substrate) -> None:
    place = kept_often(substrate)
    await talk(place, 3)
    whole = [stored.data for stored in await frames(place, "c-1")]
    changes: list[Callable[[list[Stored]], list[bytes]]] = [
        lambda found: [stored.data for stored in found[:-1]],
        lambda found: [stored.data for stored in found[:4]],
        lambda _: [],
    ]
    if not isinstance(place.vault, KeyVault) or not await place.vault.encrypted():
        changes.append(later)
    for change in changes:
        other = await rewritten(place, change)

        assert not await is_used(other)
        now = await opened(other)
        assert now == await opened(other, snapshots=False)
        assert now.version < 30 or change is later
    assert whole == [stored.data for stored in await frames(place, "c-1")]


async def test_a_log_that_was_restored_and_grew_again_is_folded_from_its_beginning(substrate: Substrate) -> None:
    place = kept_often(substrate)
    await talk(place, 3)
    other = await rewritten(place, lambda found: [stored.data for stored in found[:4]])
    quiet = structs.replace(other, snapshots=None)
    for _ in range(8):  # beyond where the old one ended, by version and by position
        await replied(quiet)

    assert (await frames(other, "c-1"))[-1].head.version > (await frames(place, "c-1"))[-1].head.version
    assert await opened(other) == await opened(other, snapshots=False)


async def test_who_leaves_waits_for_what_is_being_kept(substrate: Substrate) -> None:
    place = kept_often(substrate)
    await replied(place)

    assert await is_used(place)


async def test_two_workers_that_keep_a_conversation_at_once_never_mix_their_chains(substrate: Substrate) -> None:
    place = kept_often(substrate)
    await talk(place, 1)
    assert place.snapshots is not None
    kept = await place.snapshots.load(CHAT)
    await replied(structs.replace(place, snapshots=None))
    now, head = await opened(place), (await frames(place, "c-1"))[-1].head

    both = await asyncio.gather(*(place.snapshots.keep(kept, now, head) for _ in range(2)))

    assert sorted(each.closed for each in both) == [False, True]
    assert len(await stored_parts(place)) == 2
    assert await is_used(place)
    assert await opened(place) == await opened(place, snapshots=False)


async def test_where_nothing_can_be_kept_or_opened_conversations_go_on_and_it_is_tried_again(
    substrate: Substrate,
) -> None:
    parts = Faulty(parts_of(substrate))
    place = kept_often(substrate, parts=parts)
    with ScriptedLLM("One.", "Two.") as llm:
        async with working(order_agent(llm), substrate=place) as rt:
            parts.fails = {"put"}
            assert (await rt.send("order", "c-1", "hi", timeout=20)).text == "One."
            await tried(parts, "put", 1)
            parts.fails = set()
            assert (await rt.send("order", "c-1", "hi", timeout=20)).text == "Two."
            await until_kept(place, 1)
    parts.fails = {"get"}
    assert await replied(place) == "Good day."

    parts.fails = set()
    assert await is_used(place)
    assert await opened(place) == await opened(place, snapshots=False)


async def test_old_parts_that_could_not_be_taken_away_are_so_with_the_next(substrate: Substrate) -> None:
    parts = Faulty(parts_of(substrate))
    place = kept_often(substrate, parts=parts)
    old = await parts.put(CHAT, b"old", 0)
    parts.fails = {"remove"}
    await talk(place, 1)
    assert (await parts.get(CHAT))[0][0] == old
    assert await is_used(place)

    parts.fails = set()
    await replied(place)
    assert all(position != old for position, _ in await parts.get(CHAT))
    assert await is_used(place)

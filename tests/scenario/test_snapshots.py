"""Conversations are opened by what is kept of them, which is what their log folds to, or they are folded from it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from agent_runtime_framework import Client
from agent_runtime_framework.actors import Kept
from agent_runtime_framework.events import (
    ConversationId,
    Frame,
    FrameLog,
    MemoryRecords,
    Stored,
    Unavailable,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.projections import nothing_kept, read_part
from agent_runtime_framework.runtime.snapshots import MARK, ConversationSnapshots, Parts
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.runtime.vault import KeyVault
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import frames, order_agent, working
from support.snapshots import ReadLog, is_used, kept_often, opened, parts_of, stored_parts, until_kept

CHAT = ConversationId("c-1")
NAMED = calls(("save_name", {"name": "Ada Lovelace"}))
WHY = "asked by the customer"


async def talk(substrate: Substrate, turns: int, conversation: str = "c-1") -> None:
    """Hold a conversation of so many turns, each of which is kept."""
    answers: list[Any] = [NAMED, "Nice to meet you, Ada."] * turns
    with ScriptedLLM(*answers) as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            for turn in range(1, turns + 1):
                await rt.send("order", conversation, "I am Ada", timeout=20)
                await until_kept(substrate, turn, conversation)


async def replied(substrate: Substrate, conversation: str = "c-1") -> str:
    """Say something more, to a worker that has to open the conversation, and return the reply."""
    with ScriptedLLM("Good day.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            return (await rt.send("order", conversation, "hello", timeout=20)).text


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
    with ScriptedLLM(NAMED, "Nice to meet you, Ada.") as llm:
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


class Faulty:
    """Is a place of parts where each call fails that is told to."""

    def __init__(self, inner: Parts) -> None:
        self._inner = inner
        self.fails: set[str] = set()
        self.tried: list[str] = []

    def _try(self, what: str) -> None:
        self.tried.append(what)
        if what in self.fails:
            raise Unavailable("the server is away")

    async def get(self, conversation: ConversationId) -> list[tuple[int, bytes]]:
        self._try("get")
        return await self._inner.get(conversation)

    async def put(self, conversation: ConversationId, data: bytes, expected: int) -> int:
        self._try("put")
        return await self._inner.put(conversation, data, expected)

    async def remove(self, conversation: ConversationId, position: int) -> None:
        self._try("remove")
        await self._inner.remove(conversation, position)

    async def erase(self, conversation: ConversationId) -> int:
        self._try("erase")
        return await self._inner.erase(conversation)


async def tried(parts: Faulty, what: str, times: int) -> None:
    async with asyncio.timeout(20):
        while parts.tried.count(what) < times:  # nobody tells of it  # noqa: ASYNC110
            await asyncio.sleep(0.01)


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


# --- erasing


async def test_an_erasure_takes_away_what_is_kept_and_nothing_is_kept_any_more(substrate: Substrate) -> None:
    place = kept_often(substrate)
    assert place.snapshots is not None
    await talk(place, 2)
    before = await place.snapshots.load(CHAT)
    now, head = await opened(place), (await frames(place, "c-1"))[-1].head

    receipt = await Client(place).erase("c-1", WHY)

    assert (receipt.snapshots, await stored_parts(place)) == (2, [MARK])
    assert (await place.snapshots.keep(before, now, head)).closed  # by whoever had it in memory
    assert (await place.snapshots.keep(Kept(nothing_kept(CHAT)), now, head)).closed
    assert (await place.snapshots.load(CHAT)).closed
    assert await stored_parts(place) == [MARK]
    assert (await Client(place).erase("c-1", WHY)).snapshots == 0
    assert (await opened(place)).erased


async def test_a_worker_that_has_a_conversation_keeps_nothing_of_it_once_it_is_erased(substrate: Substrate) -> None:
    parts = Faulty(parts_of(substrate))
    place = kept_often(substrate, parts=parts)
    with ScriptedLLM("One.") as llm:
        async with working(order_agent(llm), substrate=place) as rt:
            parts.fails = {"put"}
            await rt.send("order", "c-1", "I am Ada", timeout=20)
            await tried(parts, "put", 1)
            parts.fails = set()
            await Client(place).erase("c-1", WHY)
            with pytest.raises(Exception, match="was erased"):
                await rt.send("order", "c-1", "hello?", timeout=20)

    assert await stored_parts(place) == [MARK]


async def test_an_erasure_that_ended_before_the_parts_were_gone_is_finished_by_the_next(substrate: Substrate) -> None:
    parts = Faulty(parts_of(substrate))
    place = kept_often(substrate, parts=parts)
    await talk(place, 2)
    parts.fails = {"erase"}
    with pytest.raises(Unavailable):
        await Client(place).erase("c-1", WHY)
    assert not await is_used(place)
    assert (await opened(place)).erased

    parts.fails = set()
    receipt = await Client(place).erase("c-1", WHY)

    assert (receipt.again, receipt.snapshots, await stored_parts(place)) == (True, 2, [MARK])


async def test_forks_are_not_kept_since_their_parents_words_are_erased_elsewhere(substrate: Substrate) -> None:
    place = kept_often(substrate)
    await talk(place, 2)
    with ScriptedLLM("One.", "Two.") as llm:
        async with working(order_agent(llm), substrate=place) as rt:
            await rt.fork("c-1", as_id="c-2")
            await rt.send("order", "c-2", "hi", timeout=20)
            await rt.send("order", "c-2", "hi", timeout=20)

    assert await stored_parts(place, "c-2") == []
    assert len(await stored_parts(place)) == 2


# --- sealed


@pytest.mark.parametrize("substrate", ["sealed"], indirect=True)
async def test_what_is_kept_of_a_sealed_conversation_opens_only_with_its_key(substrate: Substrate) -> None:
    place = kept_often(substrate)
    await talk(place, 2)
    assert isinstance(place.vault, KeyVault)
    keyless = KeyVault(place.vault._keys)
    without = ConversationSnapshots(parts_of(place), place.log, keyless, versions=1)
    now, head = await opened(place), (await frames(place, "c-1"))[-1].head

    assert all(read_part(data).part.sealed for data in await stored_parts(place))
    assert not any(b"Ada" in data for data in await stored_parts(place))
    assert (await without.load(CHAT)).closed
    assert (await without.keep(Kept(nothing_kept(CHAT)), now, head)).closed
    assert len(await stored_parts(place)) == 2


@pytest.mark.parametrize("substrate", ["sealed"], indirect=True)
async def test_a_part_in_clear_is_not_used_nor_stored_where_conversations_are_sealed(substrate: Substrate) -> None:
    place, parts = kept_often(substrate), parts_of(substrate)
    await talk(place, 1)
    now, head = await opened(place), (await frames(place, "c-1"))[-1].head
    clear = ConversationSnapshots(parts, place.log, None, versions=1)
    kept = await clear.keep((await place.snapshots.load(CHAT)).thrown_away, now, head)  # type: ignore[union-attr]
    assert not kept.closed
    assert not read_part((await stored_parts(place))[-1]).part.sealed

    assert not await is_used(place)
    assert await opened(place) == now


@pytest.mark.parametrize("substrate", ["sealed"], indirect=True)
async def test_what_began_in_clear_is_not_kept_where_conversations_are_sealed(substrate: Substrate) -> None:
    assert isinstance(substrate.vault, KeyVault)
    place = kept_often(substrate)
    await talk(place, 1)
    now, head = await opened(place), (await frames(place, "c-1"))[-1].head
    another = structs.replace(now, id=ConversationId("c-9"), root="c-9")

    assert place.snapshots is not None
    assert (await place.snapshots.keep(Kept(nothing_kept(another.id)), another, head)).closed
    assert await stored_parts(place, "c-9") == []

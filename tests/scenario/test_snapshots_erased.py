"""What is kept of conversations is erased with them, is sealed where they are, and holds no words of others."""

import pytest
from msgspec import structs

from agent_runtime_framework import Client
from agent_runtime_framework.actors import Kept
from agent_runtime_framework.events import ConversationId, Unavailable
from agent_runtime_framework.projections import nothing_kept, read_part
from agent_runtime_framework.runtime.snapshots import MARK, ConversationSnapshots
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.runtime.vault import KeyVault
from agent_runtime_framework.testing import ScriptedLLM
from support.journeys import frames, order_agent, working
from support.snapshots import Faulty, is_used, kept_often, opened, parts_of, stored_parts, talk, tried

CHAT = ConversationId("c-1")
WHY = "asked by the customer"


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

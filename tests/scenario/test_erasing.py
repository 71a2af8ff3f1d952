"""A conversation is erased: in clear, sealed, in the middle of a turn, with forks, twice, and by whoever has no key."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from agent_runtime_framework import Client, InvalidInput, NotFound, Refused
from agent_runtime_framework.events import (
    START,
    Conflict,
    ConversationErased,
    ConversationId,
    CorruptLog,
    MemoryLog,
    Stored,
    TurnCancelled,
    Unavailable,
)
from agent_runtime_framework.projections import fold, initial
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.runtime.vault import KeyVault
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import OrderTools, frames, order_agent, working

NAMED = calls(("save_name", {"name": "Ada"}))
WHY = "asked by the customer"


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not await true():  # nobody tells of it  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def keyed(substrate: Substrate, conversation: str = "c-1") -> bool:
    """Say whether a conversation is sealed."""
    return substrate.vault is not None and await substrate.vault.cipher(ConversationId(conversation)) is not None


def chained(found: list[Stored]) -> bool:
    """Say whether each frame is continued by the next one."""
    return all(
        (after.frame.first, after.frame.prev) == (before.head.version + 1, before.head.hash)
        for before, after in itertools.pairwise(found)
    )


def words_in(found: list[Stored]) -> bool:
    return any(word in stored.data for stored in found for word in (b"I am Ada", b"Ask for the name", b"Nice to"))


async def test_what_was_said_is_gone_and_the_log_says_so(substrate: Substrate) -> None:
    with ScriptedLLM(NAMED, "What would you like, Ada?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "I am Ada", timeout=20)
            before, sealed = await frames(substrate, "c-1"), await keyed(substrate)

            receipt = await rt.erase("c-1", WHY)

            after = await frames(substrate, "c-1")
            now = await rt.conversation("c-1")
            summary = [each async for each in rt.conversations()]

    assert (receipt.sealed, receipt.again, receipt.version, receipt.reason) == (sealed, False, 14, WHY)
    assert receipt.hash == before[-1].head.hash
    if sealed:
        assert (receipt.key, receipt.frames_kept, receipt.frames_removed) == ("overwritten", 5, 0)
        assert [stored.data for stored in after[:-1]] == [stored.data for stored in before]
        assert all(stored.frame.sealed for stored in after[:-1])
    else:
        assert (receipt.key, receipt.frames_kept, receipt.frames_removed) == ("none", 1, 4)
        assert len(after) == 1
    assert chained(after)
    assert not words_in(after)
    assert after[-1].frame.before.version == before[-1].head.version
    assert after[-1].frame.prev == before[-1].head.hash
    assert (now.status, now.version, now.agent, now.turns, dict(now.state)) == ("erased", 14, "order", 1, {})
    assert [(each.status, each.agent, each.version) for each in summary] == [("erased", "order", 14)]


async def test_what_is_said_afterwards_is_refused_also_by_who_knew_it_before(substrate: Substrate) -> None:
    with ScriptedLLM("Who?", "Who again?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)  # and its actor stays in memory
            sealed = await keyed(substrate)
            await Client(substrate).erase("c-1", WHY)

            with pytest.raises(Refused, match="was erased"):
                await rt.send("order", "c-1", "hello?", timeout=20)
            await rt.send("order", "c-2", "hi", timeout=20)
            await Client(substrate).erase("c-2", WHY)
        async with working(order_agent(llm), substrate=substrate) as rt:  # and by who never did
            with pytest.raises(Refused, match="was erased"):
                await rt.send("order", "c-2", "hello?", timeout=20)
        found = await frames(substrate, "c-1")

    assert chained(found)
    assert fold(initial(ConversationId("c-1")), [one.frame for one in found]).erased
    # what is sealed is refused at the door, since nobody could seal it
    assert found[-1].frame.erases == sealed
    assert len(llm.requests) == 2


async def test_a_turn_in_progress_ends_with_the_erasure_and_its_message_has_its_outcome(substrate: Substrate) -> None:
    running, ended = asyncio.Event(), asyncio.Event()

    async def over(_: Client) -> bool:
        return ended.is_set()

    class Slow(OrderTools):
        async def save_name(self, name: str) -> str:
            running.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return "never"

    with ScriptedLLM(NAMED) as llm:
        async with working(order_agent(llm, tools=Slow), substrate=substrate) as rt:
            await rt.publish("order", "c-1", "I am Ada", message_id="m-1")
            await asyncio.wait_for(running.wait(), 20)
            await rt.erase("c-1", WHY)
            (tombstone,) = [stored for stored in await frames(substrate, "c-1") if stored.frame.erases]
            await until(lambda: over(rt))
            await until(lambda: nothing_waits(substrate))

    kinds = [type(event).__name__ for event in tombstone.frame.events]
    assert kinds == ["ToolFailed", "TurnCancelled", "ConversationErased"]
    assert isinstance(tombstone.frame.events[1], TurnCancelled)
    assert tombstone.frame.events[-1] == ConversationErased(reason=WHY)
    assert b"Ada" not in tombstone.data


async def _refused(substrate: Substrate, id_: str) -> bool:
    last = await substrate.log.last(ConversationId("c-1"))
    return last is not None and any(getattr(event, "command_id", "") == id_ for event in last.frame.events)


async def test_messages_that_wait_are_refused_and_their_words_are_gone(substrate: Substrate) -> None:
    client = Client(substrate)
    with ScriptedLLM("Who?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
        await client.publish("order", "c-1", "I am Ada", message_id="m-1")
        sealed = await keyed(substrate)

        receipt = await client.erase("c-1", WHY)

        assert substrate.shredder is not None
        waiting = await substrate.shredder.waiting(ConversationId("c-1"))
        assert (receipt.commands, len(waiting)) == ((0, 1) if sealed else (1, 0))
        assert not any(b"Ada" in data for data in waiting.values())
        async with working(order_agent(llm), substrate=substrate):
            await until(lambda: _refused(substrate, "m-1"))
            await until(lambda: nothing_waits(substrate))

    assert [letter async for letter in client.dead_letters()] == []
    assert chained(await frames(substrate, "c-1"))


async def nothing_waits(substrate: Substrate) -> bool:
    assert substrate.shredder is not None
    return not await substrate.shredder.waiting(ConversationId("c-1"))


async def test_erased_again_it_changes_nothing_and_says_so(substrate: Substrate) -> None:
    with ScriptedLLM("Who?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
            first = await rt.erase("c-1", WHY)
            found = await frames(substrate, "c-1")

            again = await rt.erase("c-1", "another reason")

            assert [one.data for one in await frames(substrate, "c-1")] == [one.data for one in found]
    assert (again.again, again.reason, again.version, again.time) == (True, WHY, first.version, first.time)
    assert (again.sealed, again.frames_kept, again.frames_removed) == (first.sealed, first.frames_kept, 0)
    assert again.key == ("was overwritten" if first.sealed else "none")


async def test_an_erasure_that_was_cut_off_is_completed(substrate: Substrate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends once after the tombstone, and once in the middle of the frames."""
    shredder, client = substrate.shredder, Client(substrate)
    assert shredder is not None
    with ScriptedLLM(NAMED, "Hello Ada.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "I am Ada", timeout=20)
    sealed = await keyed(substrate)

    async def dies(*_: Any) -> bool:
        raise Unavailable("the process ended")

    def dies_at_2(removed: int) -> None:
        if removed == 2:
            raise Unavailable("the process ended")

    with monkeypatch.context() as patched:
        patched.setattr(KeyVault, "encrypted", dies)
        with pytest.raises(Unavailable):
            await client.erase("c-1", WHY)
    if not sealed:
        with pytest.raises(Unavailable):
            await client.erase("c-1", WHY, on_progress=dies_at_2)
        half = await frames(substrate, "c-1")
        assert (len(half), half[-1].frame.erases) == (3, True)
        now = await client.conversation("c-1")
        assert (now.status, now.version) == ("erased", 14)

    receipt = await client.erase("c-1", WHY)

    assert (receipt.again, receipt.sealed) == (True, sealed)
    assert not words_in(await frames(substrate, "c-1"))
    assert receipt.frames_kept == (5 if sealed else 1)


async def test_a_conversation_with_forks_is_erased_only_with_them(substrate: Substrate) -> None:
    with ScriptedLLM("Who?", "Hello.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
            await rt.fork("c-1", as_id="c-2")
            await rt.send("order", "c-2", "I am Ada", timeout=20)
            await rt.fork("c-2", as_id="c-3")
            with pytest.raises(Refused, match=r"'c-1' has forks, .*: 'c-2'; erase them first, or with it"):
                await rt.erase("c-1", WHY)
            assert (await rt.conversation("c-1")).status == "idle"

            receipt = await rt.erase("c-1", WHY, with_forks=True)

            statuses = {each.conversation: each.status async for each in rt.conversations()}
            for each in ("c-1", "c-2", "c-3"):
                assert (await rt.conversation(each)).erased
                assert not words_in(await frames(substrate, each))
    assert statuses == {"c-1": "erased", "c-2": "erased", "c-3": "erased"}
    assert [fork.conversation for fork in receipt.forks] == ["c-2"]
    assert [fork.conversation for fork in receipt.forks[0].forks] == ["c-3"]


async def test_the_erasure_of_a_fork_leaves_its_parent(substrate: Substrate) -> None:
    with ScriptedLLM("Who?", "Hello.", "And now?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
            await rt.fork("c-1", as_id="c-2")
            await rt.send("order", "c-2", "I am Ada", timeout=20)

            await rt.erase("c-2", WHY)

            assert await rt.forks("c-1") == (("c-2",) if await keyed(substrate) else ())
            reply = await rt.send("order", "c-1", "well?", timeout=20)
            assert (await rt.conversation("c-2")).erased
    assert reply.text == "And now?"


async def test_two_who_erase_at_once_record_it_once(substrate: Substrate) -> None:
    with ScriptedLLM("Who?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
            receipts = await asyncio.gather(*(rt.erase("c-1", WHY) for _ in range(4)))

    found = await frames(substrate, "c-1")
    assert sum(stored.frame.erases for stored in found) == 1
    assert len({receipt.version for receipt in receipts}) == 1


async def test_a_stale_writer_never_brings_it_back(substrate: Substrate) -> None:
    with ScriptedLLM("Who?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
            before = await frames(substrate, "c-1")
            frame = msgspec.structs.replace(before[-1].frame, writer="w-stale")
            await rt.erase("c-1", WHY)

            for expected in (before[-2].head, START):
                stale = msgspec.structs.replace(frame, first=expected.version + 1, prev=expected.hash)
                with pytest.raises(Conflict, match=r"another writer appended|was erased by another writer"):
                    await substrate.log.append(ConversationId("c-1"), stale, expected)

    assert (await Client(substrate).conversation("c-1")).erased


async def test_a_follower_hears_of_it(substrate: Substrate) -> None:
    heard: list[str] = []

    async def follow(client: Client) -> None:
        async for each in client.follow("c-1"):
            heard.append(getattr(each, "type", ""))  # noqa: PERF401  it never ends

    async def is_in(kind: str) -> bool:
        return kind in heard

    with ScriptedLLM("Who?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
            following = asyncio.ensure_future(follow(rt))
            await until(lambda: is_in("turn.completed"))
            await rt.erase("c-1", WHY)
            await until(lambda: is_in("conversation.erased"))
            following.cancel()


@pytest.mark.parametrize("reason", ["", "  ", "\ud800"])
async def test_a_reason_is_needed(substrate: Substrate, reason: str) -> None:
    with pytest.raises(InvalidInput, match="reason"):
        await Client(substrate).erase("c-1", reason)


async def test_what_is_not_there_is_not_erased(substrate: Substrate) -> None:
    with pytest.raises(NotFound, match="no conversation 'c-1'"):
        await Client(substrate).erase("c-1", WHY)


async def test_dead_letters_go_with_it(substrate: Substrate) -> None:
    client = Client(substrate)
    with ScriptedLLM("Who?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
            await substrate.bus.publish("order", ConversationId("c-1"), b"what Ada said", id="m-x")  # type: ignore[arg-type]
            await until(lambda: _letters(client))
            (letter,) = [each async for each in client.dead_letters()]
            assert await client.dead_letter(letter.name) == (letter, b"what Ada said")
            receipt = await rt.erase("c-1", WHY)

    assert receipt.dead_letters == 1
    assert [each async for each in client.dead_letters()] == []
    assert not receipt.remains or receipt.remains[0].startswith("the work queue")


async def _letters(client: Client) -> bool:
    return bool([each async for each in client.dead_letters()])


async def test_a_damaged_conversation_is_erased_too() -> None:
    substrate = in_memory(SystemClock())
    assert isinstance(substrate.log, MemoryLog)
    with ScriptedLLM("Who?", "Hello, Ada.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi")
            await rt.send("order", "c-1", "I am Ada")
    stored = substrate.log.records._stored[ConversationId("c-1")]
    stored[1] = (stored[1][0], stored[1][1].replace(b"Who?", b"What"))
    client = Client(substrate)
    with pytest.raises(CorruptLog):
        await client.conversation("c-1")

    receipt = await client.erase("c-1", WHY)

    assert (receipt.frames_removed, receipt.frames_kept) == (4, 1)
    assert (await client.conversation("c-1")).erased
    assert (await client.erase("c-1", WHY)).again

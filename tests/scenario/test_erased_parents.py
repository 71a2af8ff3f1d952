"""A fork whose parent is erased while it is cut off is erased, too, or refuses what is said; nobody gets stuck."""

from typing import Any
from uuid import UUID

import pytest

from agent_runtime_framework import Client, Recording, Refused, Withheld
from agent_runtime_framework.events import CommandRefused, ConversationId
from agent_runtime_framework.runtime import client as door
from agent_runtime_framework.runtime import forking
from agent_runtime_framework.runtime.bus import partition_of
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.crypto.ciphers import MasterKey, new_key
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.testing import ScriptedLLM
from support.journeys import frames, order_agent, working

CHAT, FORK = ConversationId("c-1"), ConversationId("c-2")
WHY = "asked by the customer"
NEIGHBOUR = next(f"n-{n}" for n in range(1_000) if partition_of(ConversationId(f"n-{n}")) == partition_of(FORK))


class Early(Client):
    """Lists forks for the first time before any was cut off."""

    listed = False

    async def forks(self, conversation_id: str | UUID) -> tuple[ConversationId, ...]:
        if self.listed:
            return await super().forks(conversation_id)
        self.listed = True
        return ()


@pytest.fixture
async def sealed() -> Substrate:
    substrate = in_memory(SystemClock(), MasterKey(new_key()))
    assert substrate.vault is not None
    await substrate.vault.encrypt()
    return substrate


async def test_a_fork_that_was_cut_off_before_the_tombstone_is_named_or_erased(substrate: Substrate) -> None:
    with ScriptedLLM("Who?", "Who?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            for parent, fork in (("c-1", "c-2"), ("c-3", "c-4")):
                await rt.send("order", parent, "hi", timeout=20)
                await rt.fork(parent, as_id=fork)

    named = await Early(substrate).erase("c-1", WHY)
    with_it = await Early(substrate).erase("c-3", WHY, with_forks=True)

    assert (named.left, named.forks) == (("c-2",), ())
    assert (with_it.left, [fork.conversation for fork in with_it.forks]) == ((), ["c-4"])
    assert (await Client(substrate).conversation("c-4")).erased
    with pytest.raises(Refused, match="'c-1' has forks, which cannot be read without it: 'c-2'"):
        await Client(substrate).erase("c-1", WHY)
    await Client(substrate).erase("c-2", WHY)
    assert (await Client(substrate).erase("c-1", WHY)).again  # an erased fork is no reason against it


async def test_a_fork_that_is_cut_off_after_the_tombstone_is_erased_again(
    substrate: Substrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_cut = forking.find_cut

    async def slowly(*given: Any) -> Any:
        found = await find_cut(*given)
        await Client(substrate).erase("c-1", WHY)
        return found

    with ScriptedLLM("Who?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
    monkeypatch.setattr(door, "find_cut", slowly)

    with pytest.raises(Refused, match="'c-1' was erased while 'c-2' was cut off: that was erased again"):
        await Client(substrate).fork("c-1", as_id="c-2")

    assert (await Client(substrate).conversation("c-2")).erased


async def test_what_is_said_in_a_fork_that_nobody_can_read_is_refused(sealed: Substrate) -> None:
    with ScriptedLLM("Who?", "Fine.") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:
            await rt.send("order", "c-1", "hi")
            await rt.fork("c-1", as_id="c-2")
        await Early(sealed).erase("c-1", WHY)
        async with working(order_agent(llm), substrate=sealed) as rt:
            for _ in range(2):
                with pytest.raises(Refused, match="was refused in 'c-2': what it goes on from was erased"):
                    await rt.send("order", "c-2", "well?", timeout=20)
            reply = await rt.send("order", NEIGHBOUR, "how are you?", timeout=20)  # its worker keeps the partition

    assert reply.text == "Fine."
    last = (await frames(sealed, "c-2"))[-1]
    assert not last.frame.sealed
    assert [type(event) for event in last.frame.events] == [CommandRefused]


async def test_a_message_whose_key_was_erased_before_anything_was_recorded_is_refused(sealed: Substrate) -> None:
    assert sealed.vault is not None
    await Client(sealed).publish("order", "c-1", "hi", message_id="m-1")
    await sealed.vault.erase(CHAT)

    with ScriptedLLM("Fine.") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:
            neighbour = next(f"n-{n}" for n in range(1_000) if partition_of(_id(f"n-{n}")) == partition_of(CHAT))
            await rt.send("order", neighbour, "how are you?", timeout=20)

    (stored,) = await frames(sealed, "c-1")
    assert stored.frame.events == (CommandRefused(command_id="m-1"),)


def _id(name: str) -> ConversationId:
    return ConversationId(name)


async def test_a_message_for_what_was_brought_here_sealed_is_not_queued_in_clear(sealed: Substrate) -> None:
    with ScriptedLLM("Who?") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:
            await rt.send("order", "c-1", "hi")
    clear = in_memory(SystemClock())
    recording = Recording(CHAT, tuple(await frames(sealed, "c-1")))
    await Client(clear).restore(recording)

    with pytest.raises(Withheld, match="the content of 'c-1' is sealed, and its key cannot be had here"):
        await Client(clear).publish("order", "c-1", "I am Ada")

    assert clear.shredder is not None
    assert not await clear.shredder.waiting(CHAT)

"""What goes beside the log of a sealed conversation is sealed, too, and nobody decides on what he cannot open."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from msgspec.structs import replace

from agent_runtime_framework import Client, Delta, Recording, Refused, Runtime, Withheld
from agent_runtime_framework.events import AgentKey, ConversationId, FrameLog, FrameworkError, MemoryLog, WriterId
from agent_runtime_framework.events.codec import is_sealed
from agent_runtime_framework.projections import Recorded
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.crypto.ciphers import MasterKey, new_key
from agent_runtime_framework.runtime.opening import Opened, Place, opened
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.runtime.testing.working import at_work
from agent_runtime_framework.runtime.vault import KeyVault, KeyWrapper, MemoryKeys
from agent_runtime_framework.runtime.verifying import Verification
from agent_runtime_framework.runtime.worker import Worker
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import NO_WAITING, frames, order_agent, working

CHAT = ConversationId("c-1")
NAMED = calls(("save_name", {"name": "Ada"}))


@pytest.fixture
def master() -> MasterKey:
    return MasterKey(new_key())


@pytest.fixture
async def sealed(master: MasterKey) -> Substrate:
    substrate = in_memory(SystemClock(), master)
    assert substrate.vault is not None
    await substrate.vault.encrypt()
    return substrate


async def test_a_whole_turn_is_sealed_and_reads_as_in_clear(sealed: Substrate) -> None:
    with ScriptedLLM(NAMED, "What would you like, Ada?") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:
            reply = await rt.send("order", "c-1", "I am Ada")
            state = await rt.state("c-1")

    assert (reply.text, state["name"]) == ("What would you like, Ada?", "Ada")
    found = await frames(sealed, "c-1")
    assert all(is_sealed(stored.data) for stored in found)
    assert not any(b"I am Ada" in stored.data or b"Ask for the name" in stored.data for stored in found)


async def test_followers_hear_words_that_nobody_else_can_read(sealed: Substrate) -> None:
    heard: list[Recorded | Delta | object] = []
    raw: list[bytes] = []
    listening = asyncio.Event()

    async def listen() -> None:
        async with sealed.live.subscribe(CHAT) as messages:
            listening.set()
            async for message in messages:
                raw.append(message)  # noqa: PERF401  it never ends

    with ScriptedLLM("Hello, who are you?") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:
            follower, listener = rt.follow("c-1"), asyncio.ensure_future(listen())
            await listening.wait()
            await rt.publish("order", "c-1", "hi", message_id="m-1")
            async for each in follower:
                heard.append(each)
                if isinstance(each, Recorded) and each.type == "turn.completed":
                    break
            listener.cancel()

    assert "".join(each.text for each in heard if isinstance(each, Delta)) == "Hello, who are you?"
    assert any(b'"type":"sealed"' in message for message in raw)
    assert not any(b"who are" in message or b'"hi"' in message for message in raw)


async def test_without_the_master_key_nobody_reads_states_and_nobody_works(sealed: Substrate) -> None:
    with ScriptedLLM(NAMED, "What would you like, Ada?") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:
            await rt.send("order", "c-1", "I am Ada")
    shut = without_key(sealed)

    now = await Client(shut).conversation("c-1")
    assert (now.withheld, dict(now.state), now.turns, now.step) == (True, {}, 1, "order")
    for needs in (Client(shut).state("c-1"), Client(shut).request("c-1", 4), Client(shut).fork("c-1")):
        with pytest.raises(Withheld, match="the content of 'c-1' is sealed"):
            await needs
    for says in ("c-1", "c-9"):
        with pytest.raises(Withheld, match="set ARF_MASTER_KEY"):
            await Client(shut).publish("order", says, "hello")
    with ScriptedLLM() as llm, pytest.raises(Withheld, match="is encrypted, and there is no master key here"):
        async with Runtime([order_agent(llm)], substrate=shut) as rt:
            await rt.run_worker()


def without_key(substrate: Substrate) -> Substrate:
    """Return the same place, as somebody without the master key has it."""
    assert isinstance(substrate.log, MemoryLog)
    assert substrate.vault is not None
    vault = KeyVault(substrate.vault._keys)
    return replace(substrate, log=FrameLog(substrate.log.records, vault=vault), vault=vault)


async def test_an_actor_that_cannot_open_a_conversation_does_not_decide_on_it(sealed: Substrate) -> None:
    """Its worker began before the namespace was encrypted, so nobody kept it from beginning."""
    with ScriptedLLM("Who?") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:
            await rt.send("order", "c-1", "hi")
    before = await frames(sealed, "c-1")
    await Client(sealed).publish("order", "c-1", "I am Ada", message_id="m-2")
    shut = without_key(sealed)
    assert shut.vault is not None

    async def nothing() -> None:
        return

    shut.vault.check_usable = nothing  # type: ignore[method-assign]
    with ScriptedLLM() as llm:
        worker = Worker([order_agent(llm)], shut, clock=SystemClock(), writer=WriterId("w-late"))
        running = asyncio.ensure_future(worker.run())
        await worker.owning.wait()
        while not worker._shares.declined:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        worker.stop()
        await running

    assert await frames(sealed, "c-1") == before
    with ScriptedLLM("Hello, Ada.") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:  # and who can, gets the command
            reply = await rt.send("order", "c-1", "I am Ada", message_id="m-2")
    assert reply.text == "Hello, Ada."


async def test_a_key_that_cannot_be_unwrapped_keeps_nobody_from_verifying_and_erasing(sealed: Substrate) -> None:
    with ScriptedLLM("Who?", "Hello.") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:
            await rt.send("order", "c-1", "hi")
            await rt.fork("c-1", as_id="c-2")
            await rt.send("order", "c-2", "hi")
    assert sealed.vault is not None
    keys = sealed.vault._keys
    assert isinstance(keys, MemoryKeys)
    assert keys._kept is not None
    keys._kept["c.c-1"] = keys._kept["c.c-2"] = b"damaged"
    client = Client(sealed)
    with pytest.raises(FrameworkError, match="the key of 'c-1' was not wrapped by this master key"):
        await client.conversation("c-1")

    verdicts = [verdict async for verdict in Verification(sealed).all()]
    receipt = await client.erase("c-1", "asked by the customer", with_forks=True)

    assert [(verdict.conversation, verdict.fault) for verdict in verdicts] == [("c-1", None), ("c-2", None)]
    assert (receipt.key, receipt.sealed, receipt.forks[0].key) == ("overwritten", True, "overwritten")
    assert (await client.conversation("c-1")).erased


async def test_a_conversation_in_clear_is_not_imported_where_all_is_sealed(sealed: Substrate) -> None:
    clear = in_memory(SystemClock())
    with ScriptedLLM("Who?") as llm:
        async with working(order_agent(llm), substrate=clear) as rt:
            await rt.send("order", "c-1", "hi")
    recording = Recording(CHAT, tuple(await frames(clear, "c-1")))

    with pytest.raises(Refused, match="'c-1' is in clear, and this namespace is encrypted: import it into one that"):
        await Client(sealed).restore(recording)

    assert await frames(sealed, "c-1") == []


@asynccontextmanager
async def place(url: str, namespace: str, *, encrypt: bool | KeyWrapper = False) -> AsyncIterator[Opened]:
    wrapper = None if isinstance(encrypt, bool) else encrypt
    place = Place(nats=url, namespace=namespace, shards=1, encrypt=bool(encrypt), wrapper=wrapper)
    async with opened(place, WriterId("w-test")) as there:
        yield there


async def test_once_a_namespace_is_encrypted_whoever_is_open_there_seals_what_begins(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, namespace = new_key(), f"t-{uuid4().hex[:12]}"
    monkeypatch.setenv("ARF_MASTER_KEY", base64.b64encode(key).decode())
    async with place(nats_url, namespace) as old:
        with ScriptedLLM("One.", "Two.", "Three.") as llm:
            agent = order_agent(llm)
            async with at_work(Runtime([agent], substrate=old.substrate, retry=NO_WAITING)) as rt:
                await rt.send("order", "c-1", "hi", timeout=20)
                async with place(nats_url, namespace, encrypt=True):
                    await rt.send("order", "c-2", "hello again", timeout=20)
                    await rt.send("order", "c-1", "still in clear", timeout=20)
        one, two = await frames(old.substrate, "c-1"), await frames(old.substrate, "c-2")

    assert not any(is_sealed(stored.data) for stored in one)
    assert b"still in clear" in b"".join(stored.data for stored in one)
    assert all(is_sealed(stored.data) for stored in two)


async def test_dead_letters_are_kept_sealed(sealed: Substrate) -> None:
    client = Client(sealed)
    with ScriptedLLM("Who?") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:
            await rt.send("order", "c-1", "hi")
            await sealed.bus.publish(AgentKey("order"), CHAT, b"what Ada said", id="m-x")
            while not (letters := [each async for each in client.dead_letters()]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    (letter,) = letters
    assert letter.error == "nobody can decode its command, which is sealed"
    assert (await client.dead_letter(letter.name))[1] == b"what Ada said"
    kept = [each async for each in sealed.store("dead-letters-data").values()]
    assert not any(b"Ada" in base64.b64decode(each) for each in kept)
    shut = Client(without_key(sealed))
    assert b"Ada" not in (await shut.dead_letter(letter.name))[1]
    with pytest.raises(Withheld, match=r"dead letter c-1/.* is sealed"):
        await shut.retry_dead_letter(letter.name)

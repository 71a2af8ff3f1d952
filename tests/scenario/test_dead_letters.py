"""What no worker is given again is kept before it is acknowledged, and can be said again."""

import asyncio
from typing import Any

import msgspec
import pytest

from agent_runtime_framework import Client, DeadLetter, InMemoryStore, InvalidInput, NoReply, NotFound, Refused, Runtime
from agent_runtime_framework.events import AgentKey, ConversationId, Unavailable
from agent_runtime_framework.runtime import worker
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.deadletters import DATA_STORE, STORE, DeadLetters
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import OrderTools, order_agent, recorded, working

NAMED = calls(("save_name", {"name": "Ada"}))
LOOK = calls(("look", {}))
NOISE = b"\xff\x00 not a command"


class Ending(OrderTools):
    """Looks for ever, until its worker ends."""

    began: asyncio.Event

    async def look(self) -> str:
        Ending.began.set()
        await asyncio.Event().wait()
        return "seen"


class Away(InMemoryStore[Any]):
    """Is a store that cannot be reached."""

    async def get(self, key: str) -> Any:
        raise Unavailable("the store is away")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RETRY_AFTER", 0.05)


async def four_lives(substrate: Substrate) -> None:
    """Say `m-1` in `c-1`, and end four workers in its turn."""
    for life in range(4):
        Ending.began = asyncio.Event()
        with ScriptedLLM(*([NAMED, LOOK] if life == 0 else [])) as llm:
            async with working(order_agent(llm, tools=Ending), substrate=substrate, grace=0) as rt:
                if life == 0:
                    await rt.publish("order", "c-1", "Ada", {"lang": "en"}, message_id="m-1")
                await Ending.began.wait()


async def ended(rt: Runtime, conversation: str = "c-1") -> None:
    """Return once the turn has failed."""
    async for event in rt.follow(conversation):
        if getattr(event, "type", "") == "turn.failed":
            return


async def first_letter(rt: Client) -> DeadLetter:
    """Return a dead letter once there is one."""
    async with asyncio.timeout(10):
        while True:
            async for letter in rt.dead_letters():
                return letter
            await asyncio.sleep(0.01)


async def kept(substrate: Substrate) -> list[str]:
    """Return the names of the letters."""
    return sorted([letter.name async for letter in Client(substrate).dead_letters()])


async def take_what_was_left(substrate: Substrate) -> None:
    """Let a new worker take all that is unacknowledged; what it then does is over when it has left."""
    with ScriptedLLM("Hello.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "anybody there?")


async def test_a_message_whose_turn_four_workers_ended_in_is_kept_and_acknowledged(substrate: Substrate) -> None:
    await four_lives(substrate)
    with ScriptedLLM("Hello again.") as llm:
        async with working(order_agent(llm, tools=Ending), substrate=substrate) as rt:
            await ended(rt)
            letter = await first_letter(rt)
            reply = await rt.send("order", "c-1", "still there?")
            _, data = await rt.dead_letter(letter.name)

    assert (letter.name, letter.agent, letter.reason, letter.attempts) == ("c-1/m-1", "order", "poison", 4)
    assert msgspec.json.decode(data)["text"] == "Ada"
    assert reply.text == "Hello again."

    await Client(substrate).drop_dead_letter(letter.name)
    await take_what_was_left(substrate)
    assert await kept(substrate) == [], "its command had not been acknowledged"


async def test_as_long_as_it_cannot_be_kept_it_stays_unacknowledged_whatever_is_said_meanwhile(
    substrate: Substrate,
) -> None:
    await four_lives(substrate)
    away = msgspec.structs.replace(substrate, store=lambda _name: Away())
    with ScriptedLLM("Hello again.") as llm:
        async with working(order_agent(llm, tools=Ending), substrate=away) as rt:
            await ended(rt)
            await rt.send("order", "c-1", "still there?")

    assert await kept(substrate) == []

    await take_what_was_left(substrate)
    every = [event.type async for event in Client(substrate).events("c-1")]
    assert await kept(substrate) == ["c-1/m-1"]
    assert (every.count("turn.failed"), every.count("turn.completed")) == (1, 2)


async def test_a_store_that_comes_back_gets_the_letter_from_the_same_worker(substrate: Substrate) -> None:
    await four_lives(substrate)
    tries = iter([Away(), Away()])
    stores = {name: substrate.store(name) for name in (STORE, DATA_STORE)}

    class Coming(InMemoryStore[Any]):
        async def exists(self, key: str) -> bool:
            return await next(tries, stores[STORE]).exists(key)

        async def set(self, key: str, value: Any) -> None:
            await stores[STORE].set(key, value)

    coming = msgspec.structs.replace(substrate, store=lambda name: Coming() if name == STORE else stores[name])
    async with working(order_agent(ScriptedLLM(), tools=Ending), substrate=coming):
        letter = await first_letter(Client(substrate))
    assert letter.name == "c-1/m-1"
    assert next(tries, None) is None


async def test_bytes_that_nobody_can_decode_are_kept_and_harm_no_neighbour(substrate: Substrate) -> None:
    agent, conversation = AgentKey("order"), ConversationId("c-1")
    await substrate.bus.publish(agent, conversation, NOISE, id="x")
    await substrate.bus.publish(agent, conversation, b'{"type":"say","id":"a b","agent":"order","text":"x"}', id="y")
    await take_what_was_left(substrate)

    letters = [letter async for letter in Client(substrate).dead_letters()]
    assert {letter.reason for letter in letters} == {"undecodable"}
    assert [("this is no command" in letter.error, "command id 'a b'" in letter.error) for letter in letters].count(
        (True, False)
    ) == 1
    whole = [await Client(substrate).dead_letter(letter.name) for letter in letters]
    assert NOISE in [data for _, data in whole]
    for letter in letters:
        with pytest.raises(Refused, match="cannot be sent again"):
            await Client(substrate).retry_dead_letter(letter.name)
        await Client(substrate).drop_dead_letter(letter.name)
    await take_what_was_left(substrate)
    assert await kept(substrate) == []


async def test_a_letter_is_said_again_once_under_a_new_id_and_then_it_is_gone(substrate: Substrate) -> None:
    await four_lives(substrate)
    with ScriptedLLM("Hello.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            with pytest.raises(NoReply, match="poison"):
                await rt.send("order", "c-1", "Ada", message_id="m-1")
            letter, data = await rt.dead_letter((await first_letter(rt)).name)
            id_ = await rt.retry_dead_letter(letter.name)
            reply = await rt.send("order", "c-1", "Ada", message_id=id_)
            with pytest.raises(NotFound, match=r"no dead letter 'c-1/m-1'"):
                await rt.retry_dead_letter(letter.name)
            # as if whoever did that had ended between the two: it is not said twice
            await DeadLetters(substrate.store).keep(letter, data)
            assert await rt.retry_dead_letter(letter.name) == id_
            said = [event.data for event in await recorded(rt, "c-1") if event.type == "user.spoke"]

    assert reply.text == "Hello."
    assert [(one["text"], one["metadata"]) for one in said] == [("Ada", {"lang": "en"})] * 2
    assert [one["message_id"] for one in said] == ["m-1", id_]


@pytest.mark.parametrize("name", ["dead-letters", "dead-letters-data"])
def test_the_stores_of_dead_letters_are_not_an_authors(name: str) -> None:
    with pytest.raises(InvalidInput, match="the runtime's own"):
        Client(in_memory(SystemClock())).store(name)

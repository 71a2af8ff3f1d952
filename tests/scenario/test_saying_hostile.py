"""Whoever may publish what followers hear, or write a log, changes nothing for whoever says something later."""

import asyncio

import pytest
from msgspec import Raw
from msgspec.structs import replace

from agent_runtime_framework import Client, Refused, Reply
from agent_runtime_framework.events import (
    START,
    ConversationId,
    ConversationStarted,
    Frame,
    FrameLog,
    Head,
    KnownEvent,
    StateChanged,
    TurnCompleted,
    TurnStarted,
    UserSpoke,
    encode_frame,
    frame_hash,
    without_keys,
)
from agent_runtime_framework.events.codec import is_sealed
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.crypto.ciphers import MasterKey, new_key
from agent_runtime_framework.runtime.live import MemoryLive
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.runtime.wire import LiveFrame, encode
from agent_runtime_framework.testing import ScriptedLLM
from support.journeys import frames, order_agent, working

CHAT = ConversationId("c-1")


@pytest.fixture
async def sealed() -> Substrate:
    substrate = in_memory(SystemClock(), MasterKey(new_key()))
    assert substrate.vault is not None
    await substrate.vault.encrypt()
    return substrate


def turn_of(message: str, *, agent: str, head: Head = START, number: int = 1) -> Frame:
    """Return a frame that anybody could make up: a whole turn, answered by this agent."""
    begins: tuple[KnownEvent, ...] = (ConversationStarted(agent=agent, journey_hash="", state={}),)
    says = (UserSpoke(message_id=message, text="hi"), TurnStarted(number=number), TurnCompleted(reason="closing"))
    events = (*begins, *says)
    return Frame(first=head.version + 1, time=0, writer="w", agent=agent, turn=number, prev=head.hash, events=events)


async def tell(substrate: Substrate, frame: Frame, position: int) -> Head:
    """Publish a frame to all who listen."""
    data = encode_frame(frame)
    await substrate.live.publish(CHAT, encode(LiveFrame(position, Raw(data))))
    return Head(frame.last, position, frame_hash(data))


async def listening(substrate: Substrate) -> None:
    """Wait until somebody listens in the conversation."""
    async with asyncio.timeout(10):
        while CHAT not in substrate.live._listeners:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def hears_what_is_made_up(client: Client, *, agent: str, parent: str = "") -> Reply:
    """Say something where nobody works, and hear a turn that nobody recorded."""
    saying = asyncio.ensure_future(client.send("order", CHAT, "hi", message_id="m-1", timeout=20))
    await listening(client.substrate)
    await tell(client.substrate, replace(turn_of("m-1", agent=agent), parent=parent), 1)
    return await saying


async def test_a_frame_that_nobody_recorded_refuses_no_later_message() -> None:
    substrate = in_memory(SystemClock())
    client = Client(substrate)
    await hears_what_is_made_up(client, agent="mallory")

    with ScriptedLLM("Hello!", "Hello again!") as llm:
        async with working(order_agent(llm), substrate=substrate):
            reply = await client.send("order", CHAT, "hi", timeout=20)

    assert reply.text in ("Hello!", "Hello again!")


async def test_a_frame_in_clear_that_nobody_recorded_lets_nothing_be_said_in_clear(sealed: Substrate) -> None:
    client = Client(sealed)
    await hears_what_is_made_up(client, agent="order")

    await client.publish("order", CHAT, "my secret")

    waiting = sealed.bus.waiting(CHAT)  # type: ignore[attr-defined]
    assert not any(b"my secret" in data for data in waiting.values())


async def test_whoever_said_a_thing_twice_finds_the_reply_whatever_parent_was_made_up() -> None:
    substrate = in_memory(SystemClock())
    client = Client(substrate)
    await hears_what_is_made_up(client, agent="order", parent="nobody")

    with ScriptedLLM("Hello!") as llm:
        async with working(order_agent(llm), substrate=substrate):
            reply = await client.send("order", CHAT, "hi", message_id="m-1", timeout=10)

    assert reply.text == "Hello!"


async def test_frames_that_are_long_known_keep_nobody_from_looking_at_the_log() -> None:
    substrate = in_memory(SystemClock())
    deaf = replace(substrate, live=MemoryLive())
    with ScriptedLLM("Hello!", "Hello again!") as llm:
        async with working(order_agent(llm), substrate=substrate):
            client = Client(deaf)
            await client.send("order", CHAT, "hi", timeout=20)
            old = (await frames(substrate, CHAT))[0]

            async def repeat() -> None:
                while True:
                    await deaf.live.publish(CHAT, encode(LiveFrame(old.head.position, Raw(old.data))))
                    await asyncio.sleep(0.1)

            repeating = asyncio.ensure_future(repeat())
            reply = await client.send("order", CHAT, "hi again", timeout=10)
            repeating.cancel()

    assert reply.text == "Hello again!"


# --- whoever may write the log of a sealed conversation, and has no key


async def planted(substrate: Substrate) -> Head:
    """Let a frame in clear go on with a sealed conversation."""
    head = (await frames(substrate, CHAT))[-1].head
    events = (StateChanged(set={"name": Raw(b'"Mallory"')}, unset=()),)
    frame = Frame(first=head.version + 1, time=0, writer="w", agent="order", turn=1, prev=head.hash, events=events)
    stored = await without_keys(substrate.log).append(CHAT, frame, head)
    assert not is_sealed(stored.data)
    return stored.head


async def test_a_frame_in_clear_lets_nothing_be_said_in_clear_in_a_sealed_conversation(sealed: Substrate) -> None:
    with ScriptedLLM("Hello!") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:
            await rt.send("order", CHAT, "hi", timeout=20)
    await planted(sealed)

    await Client(sealed).publish("order", CHAT, "my secret")

    assert not any(b"my secret" in data for data in sealed.bus.waiting(CHAT).values())  # type: ignore[attr-defined]


async def words_after_a_planted_frame(sealed: Substrate) -> tuple[FrameLog, Head, Frame]:
    """Return a log that knows nothing yet, the head of what was planted there, and a frame that goes on from that."""
    with ScriptedLLM("Hello!") as llm:
        async with working(order_agent(llm), substrate=sealed) as rt:
            await rt.send("order", CHAT, "hi", timeout=20)
    head = await planted(sealed)
    says = (UserSpoke(message_id="m-2", text="my secret"),)
    frame = Frame(first=head.version + 1, time=0, writer="w", agent="order", turn=1, prev=head.hash, events=says)
    return FrameLog(sealed.log.records, vault=sealed.vault), head, frame  # type: ignore[attr-defined]


async def test_a_frame_in_clear_lets_no_later_one_be_stored_in_clear_in_a_sealed_conversation(
    sealed: Substrate,
) -> None:
    log, head, frame = await words_after_a_planted_frame(sealed)
    before = (await frames(sealed, CHAT))[-2].head

    assert [stored.head async for stored in log.read(CHAT, before)] == [head]  # as whoever opened it by a snapshot
    assert is_sealed((await log.append(CHAT, frame, head)).data)


async def test_a_frame_in_clear_lets_no_other_be_imported_in_clear_into_a_sealed_conversation(
    sealed: Substrate,
) -> None:
    log, head, frame = await words_after_a_planted_frame(sealed)

    with pytest.raises(Refused, match="this namespace is encrypted"):
        await log.restore(CHAT, encode_frame(frame), head)

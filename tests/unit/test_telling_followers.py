"""Followers hear words in order, and before the frame that was stored after they were said."""

import asyncio
from typing import Any

from msgspec import structs

from agent_runtime_framework.events import START, AgentSpoke, ConversationId, Frame, MemoryLog
from agent_runtime_framework.projections import Request, initial
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import in_memory
from agent_runtime_framework.runtime.telling import FollowerTelling
from agent_runtime_framework.runtime.wire import Delta, LiveFrame, decode_live

CHAT = ConversationId("c-1")


class Asked:
    """Is a vault that has no keys, and says so once it may."""

    def __init__(self) -> None:
        self.may_say = asyncio.Event()

    async def cipher(self, conversation: ConversationId, *, anew: bool = False) -> None:
        await self.may_say.wait()


async def test_a_frame_comes_after_the_words_that_were_said_before_it_and_its_turn_does_not_wait_for_them() -> None:
    vault: Any = Asked()
    substrate = structs.replace(in_memory(SystemClock()), vault=vault)
    telling = FollowerTelling(substrate, asyncio.ensure_future)  # type: ignore[arg-type]
    frame = Frame(first=1, time=0, writer="w", agent="a", events=(AgentSpoke(),))
    stored = await MemoryLog().append(CHAT, frame, START)
    heard: list[object] = []
    request = Request(3, 1, "m", {}, "", "", {}, 0, 1, "")

    async with substrate.live.subscribe(CHAT) as listener:
        for number, word in enumerate(("It", " is", " here")):
            telling.said(CHAT, request, number, word)
        await asyncio.wait_for(telling.stored(stored, initial(CHAT)), 5)
        vault.may_say.set()
        while len(heard) < 4:
            heard.append(decode_live(await asyncio.wait_for(anext(listener), 5)))
        await telling.stored(stored, initial(CHAT))  # nothing is on its way any more
        heard.append(decode_live(await asyncio.wait_for(anext(listener), 5)))

    assert [each.text if isinstance(each, Delta) else type(each) for each in heard] == [
        *("It", " is", " here"),
        *(LiveFrame, LiveFrame),
    ]

"""Commands that are sealed are opened in line: none overtakes another of its conversation, nor waits for others'."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from agent_runtime_framework.actors import BusCommand, SayToAgent
from agent_runtime_framework.events import AgentKey, Cipher, ConversationId, FrameworkError, InvalidInput, Withheld
from agent_runtime_framework.runtime.bus import Delivery
from agent_runtime_framework.runtime.command_opener import CommandOpener
from agent_runtime_framework.runtime.crypto.ciphers import AesGcm, new_key
from agent_runtime_framework.runtime.vault import Shut
from agent_runtime_framework.runtime.wire import encode, seal_command

ONE, TWO = ConversationId("c-1"), ConversationId("c-2")


class SlowVault:
    """Gives keys when it is told."""

    def __init__(self, cipher: Cipher | None) -> None:
        self.given = asyncio.Event()
        self._cipher = cipher

    async def cipher(self, conversation: ConversationId, *, anew: bool = False) -> Cipher | None:
        await self.given.wait()
        return self._cipher

    async def created(self, conversation: ConversationId) -> Cipher | None:
        return self._cipher

    async def encrypted(self) -> bool:
        return True

    def forget(self, conversation: ConversationId) -> None:
        return


class Sent:
    agent = AgentKey("order")

    def __init__(self, conversation: ConversationId, data: bytes) -> None:
        self.conversation = conversation
        self.data = data

    async def ack(self) -> None:
        return

    async def retry(self, delay: float) -> None:
        return


class Taken:
    def __init__(self, cipher: Cipher | None) -> None:
        self.vault = SlowVault(cipher)
        self.got: list[str] = []
        self.errors: list[FrameworkError] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.opener = CommandOpener(self.vault, spawn=self._spawn, take=self._take)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    def _take(self, delivery: Delivery, command: BusCommand | FrameworkError, id_: str) -> None:
        if isinstance(command, FrameworkError):
            self.errors.append(command)
        self.got.append(id_)

    async def done(self) -> None:
        self.vault.given.set()
        await asyncio.gather(*self._tasks)


def said(number: int, conversation: ConversationId = ONE, cipher: Cipher | None = None) -> Sent:
    say = SayToAgent(id=f"m-{number}", agent="order", text="hi")
    return Sent(conversation, seal_command(say, conversation, cipher))


async def test_none_overtakes_another_of_its_conversation() -> None:
    cipher = AesGcm(new_key())
    taken = Taken(cipher)

    for number in range(6):  # some in clear, as of somebody who did not know
        taken.opener.deliver(said(number, cipher=cipher if number % 2 == 0 else None))
    taken.opener.deliver(said(7, TWO))
    assert taken.got == ["m-7"]
    await taken.done()
    taken.opener.deliver(said(8))

    assert taken.got == ["m-7", *(f"m-{number}" for number in range(6)), "m-8"]
    assert taken.errors == []


async def test_a_command_of_another_conversation_is_none_here() -> None:
    cipher = AesGcm(new_key())
    taken = Taken(cipher)

    taken.opener.deliver(Sent(TWO, said(1, ONE, cipher).data))
    await taken.done()

    assert [type(error) for error in taken.errors] == [InvalidInput]


async def test_what_cannot_be_opened_is_told_with_its_id() -> None:
    cipher = AesGcm(new_key())
    for known in (Shut("why", erased=True), None):
        taken = Taken(known)
        taken.opener.deliver(said(1, ONE, cipher))
        await taken.done()
        assert taken.got == ["m-1"]
        assert isinstance(taken.errors[0], Withheld if known is not None else InvalidInput)


async def test_a_command_under_a_strange_id_is_undecodable() -> None:
    taken = Taken(None)

    taken.opener.deliver(Sent(ONE, encode(SayToAgent(id="no id", agent="order", text="hi"))))

    assert [type(error).__name__ for error in taken.errors] == ["InvalidId"]

"""Clients: each holds one conversation after another, sends again under the same id after an error, and remembers."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from agent_runtime_framework import Client, NoReply, NotFound, Refused, Unavailable
from agent_runtime_framework.events import AgentKey, ConversationId
from agent_runtime_framework.runtime.testing.rules import Broken

from .book import Book, Sent
from .script import Call, Script
from .town import NAMESPACE, Town

AGENT, HASTY, STRAY = "chaos", "hasty", "stray"
TOOLS = ("look", "reserve", "charge")
MESSAGES = 12
"""So many messages one conversation has, more or less."""

PATIENCE = 6.0
"""Seconds after which a client sends again."""

GIVE_UP = 60.0
"""Seconds after which an acknowledged message is not sent again.

A message that is sent again may wake a turn that nobody would have gone on with.  So whoever waits that long leaves it
to the runtime, and so does the last message of each conversation, which nobody waits for.
"""

PAUSE = 0.2


@asynccontextmanager
async def clients(town: Town, count: int) -> AsyncIterator[list[Client]]:
    """Open so many clients, each the way that its number says."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Client.connect(nats=town.url(number), namespace=NAMESPACE, create=False))
            for number in range(count)
        ]


class Silence(Exception):
    """Raised where no reply came for a long time."""


class Talker:
    """Holds conversations until told to stop; then ends the one that it is in, with an answer to all that it said."""

    def __init__(self, name: str, client: Client, book: Book, chance: random.Random) -> None:
        self._name = name
        self._client = client
        self._book = book
        self._chance = chance
        self._stopping = asyncio.Event()
        self._talks = 0
        self._said = 0
        self._conversation = ConversationId("")
        self._agent = AGENT
        self._replied: list[tuple[Sent, Script]] = []

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    async def run(self) -> None:
        """Talk."""
        while not self._stopping.is_set():
            self._talks += 1
            self._conversation = ConversationId(f"c-{self._name}-{self._talks}")
            self._agent = HASTY if self._chance.random() < 0.25 else AGENT
            self._said, self._replied = 0, []
            try:
                await self._talk()
            except Silence:
                continue  # whether the message has an outcome is seen in the end
            except Exception as error:  # noqa: BLE001  whatever else a client raises is what is looked for here
                self._book.broken.append(Broken(8, self._conversation, f"the client raised {error!r}"))

    async def _talk(self) -> None:
        steps: list[Callable[[], Awaitable[None]]] = [
            self._send, self._burst, self._cancel, self._again, self._stray, self._junk
        ]  # fmt: skip
        await self._send()
        while self._said < MESSAGES and not self._stopping.is_set():
            (step,) = self._chance.choices(steps, weights=(55, 15, 12, 8, 5, 5))
            await step()
            await asyncio.sleep(self._chance.uniform(0, 0.4))
        await self._publish(*self._new())

    async def _send(self) -> None:
        """Say something and wait for the reply."""
        sent, script = self._new()
        if self._chance.random() < 0.5:
            await self._publish(sent, script)
        await self._hear(sent, script)

    async def _burst(self) -> None:
        """Say some things at once, and wait for all the replies."""
        burst = [self._new() for _ in range(self._chance.randint(2, 4))]
        for sent, script in burst:
            await self._publish(sent, script)
        await asyncio.gather(*(self._hear(sent, script) for sent, script in burst))

    async def _cancel(self) -> None:
        """Say something, and end the turn a moment later."""
        sent, script = self._new()
        await self._publish(sent, script)
        await asyncio.sleep(self._chance.uniform(0, 0.5))
        try:
            id_ = await self._client.cancel(self._conversation, "changed my mind")
        except (Unavailable, NotFound):
            pass  # whether it was stored is not known, and another one would be another command
        else:
            self._book.send(id_, self._conversation, self._agent, "cancel").acknowledged = True
        await self._hear(sent, script)

    async def _again(self) -> None:
        """Say once more what has its reply already: it is the same one."""
        if self._replied:
            await self._hear(*self._chance.choice(self._replied))

    async def _stray(self) -> None:
        """Say something under another agent's key; it is refused."""
        self._said += 1
        script = Script(f"{self._conversation}-s-{self._said}")
        await self._publish(self._book.send(script.id, self._conversation, STRAY, "stray"), script, STRAY)

    async def _junk(self) -> None:
        """Put onto the bus what is no command; it is dropped."""
        bus, id_ = self._client.substrate.bus, f"junk-{self._chance.random()}"
        with suppress(Unavailable):  # junk may be lost
            await bus.publish(AgentKey(self._agent), self._conversation, b"{junk", id=id_)

    def _new(self) -> tuple[Sent, Script]:
        self._said += 1
        chance = self._chance
        rounds = [
            [Call(chance.choice(TOOLS), self._work(), chance.uniform(0, 0.1)) for _ in range(chance.randint(1, 3))]
            for _ in range(chance.choice((0, 1, 1, 1, 2)))
        ]
        script = Script(f"{self._conversation}-m-{self._said}", rounds, chance.uniform(0, 0.3))
        return self._book.send(script.id, self._conversation, self._agent), script

    def _work(self) -> float:
        """Return how long a tool works: some longer than a lease."""
        return 3.0 if self._chance.random() < 0.03 else self._chance.uniform(0, 0.3)

    async def _publish(self, sent: Sent, script: Script, agent: str = "") -> None:
        """Publish until it is acknowledged."""
        while not sent.acknowledged:
            sent.tries += 1
            try:
                await self._client.publish(agent or self._agent, sent.conversation, script.text(), message_id=sent.id)
            except Unavailable:
                await asyncio.sleep(PAUSE)
            else:
                sent.acknowledged = True

    async def _hear(self, sent: Sent, script: Script) -> None:
        """Send until there is an outcome."""
        known, until = sent.replied is not None, time.monotonic() + GIVE_UP
        while time.monotonic() < until:
            sent.tries += 1
            try:
                reply = await self._client.send(
                    self._agent, sent.conversation, script.text(), message_id=sent.id, timeout=PATIENCE
                )
            except Unavailable:
                await asyncio.sleep(PAUSE)
                continue
            except (Refused, NoReply):
                sent.acknowledged = True
                if known:
                    self._book.broken.append(Broken(1, sent.conversation, f"{sent.id} had a reply, and has none now"))
                return
            sent.acknowledged = True
            if reply.text != script.reply:
                self._book.broken.append(Broken(1, sent.conversation, f"{sent.id} was answered with {reply.text!r}"))
            if not known:
                sent.replied = time.monotonic()
                self._replied.append((sent, script))
            return
        await self._publish(sent, script)
        raise Silence

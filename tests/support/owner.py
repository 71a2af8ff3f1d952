"""An owner of a partition as tests need one: it takes commands and remembers what came."""

import asyncio

from agent_runtime_framework.events import AgentKey, ConversationId
from agent_runtime_framework.runtime.bus import Bus, Consumption, Delivery, partition_of
from agent_runtime_framework.runtime.leases import Lease

AGENT = AgentKey("agent")
CHAT = ConversationId("c-1")
PATIENCE = 10


class Owner:
    """Consumes one partition under one epoch, and remembers what came."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[Delivery] = asyncio.Queue()
        self.flow: Consumption

    @classmethod
    async def of(
        cls, bus: Bus, epoch: int = 1, *, agent: AgentKey = AGENT, chat: ConversationId = CHAT, partition: int = -1
    ) -> "Owner":
        owner = cls()
        lease = Lease(agent, partition_of(chat) if partition < 0 else partition, epoch)
        owner.flow = await bus.consume(lease, owner._came.put_nowait)
        return owner

    async def take(self, count: int = 1) -> list[Delivery]:
        async with asyncio.timeout(PATIENCE):
            return [await self._came.get() for _ in range(count)]

    async def read(self, count: int = 1) -> list[bytes]:
        return [delivery.data for delivery in await self.take(count)]

    @property
    def idle(self) -> bool:
        return self._came.empty()

    async def lost(self) -> bool:
        async with asyncio.timeout(PATIENCE):
            return await self.flow.lost()


async def say(bus: Bus, *texts: str, agent: AgentKey = AGENT, chat: ConversationId = CHAT) -> None:
    for text in texts:
        await bus.publish(agent, chat, text.encode(), id=f"{agent}.{chat}.{text}")

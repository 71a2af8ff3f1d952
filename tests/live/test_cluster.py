"""A cluster of three servers with replicas 3."""

import asyncio
from pathlib import Path

from agent_runtime_framework import Client
from agent_runtime_framework.events import START, AgentSpoke, ConversationId, Frame, FrameworkError
from agent_runtime_framework.runtime.nats import connect
from agent_runtime_framework.runtime.nats.topology import ensure
from support.cluster import cluster


async def created(url: str) -> None:
    """Create the namespace, once the servers have agreed on who leads."""
    client = await connect(url)
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    await ensure(client, "arf", replicas=3)
                except FrameworkError:
                    await asyncio.sleep(0.1)
                else:
                    return
    finally:
        await client.close()


async def test_every_listing_finds_all_conversations_though_servers_hear_late_of_its_consumers(tmp_path: Path) -> None:
    async with cluster(tmp_path) as servers:
        await created(servers[0].url)
        async with Client.connect(nats=servers[0].url) as client:
            frame = Frame(first=1, time=0, writer="w-1", agent="greeter", events=(AgentSpoke(),))
            for number in range(20):
                await client.substrate.log.append(ConversationId(f"c-{number}"), frame, START)
            found = [len([summary async for summary in client.conversations()]) for _ in range(12)]

    assert found == [20] * 12

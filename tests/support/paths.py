"""The two ways by which a turn is taken: `JourneyAgent.run`, which needs no server, and a worker."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest

from agent_runtime_framework import AgentContext, JourneyAgent
from agent_runtime_framework.events import EventLog, KnownEvent, MemoryLog, ToolFailed
from agent_runtime_framework.runtime.agents.run import run_turn
from support.journeys import recorded, working


@dataclass
class Taken:
    """Is a turn that was taken: its reply, the state after it, and all that was recorded."""

    text: str
    state: dict[str, Any]
    events: list[KnownEvent]

    @property
    def failures(self) -> list[tuple[str, str]]:
        """The kind and the text of each call that failed."""
        return [(event.kind, event.content) for event in self.events if isinstance(event, ToolFailed)]


Take: TypeAlias = Callable[[JourneyAgent[Any, Any, Any], str], Awaitable[Taken]]


async def by_run(agent: JourneyAgent[Any, Any, Any], text: str) -> Taken:
    """Take a turn without a server."""
    log: EventLog = MemoryLog()
    ctx = AgentContext("r-1", "c-1", [{"role": "user", "content": text}])
    result = await run_turn(agent, ctx, log)
    events: Any = [event async for stored in log.read(ctx.conversation_id) for event in stored.frame.events]
    return Taken(result.response, result.state or {}, events)


async def by_worker(agent: JourneyAgent[Any, Any, Any], text: str) -> Taken:
    """Take a turn in a worker."""
    async with working(agent) as rt:
        reply = await rt.send(agent.key, "c-1", text, timeout=10)
        events: Any = [one.event for one in await recorded(rt, "c-1")]
    return Taken(reply.text, reply.state, events)


both_paths = pytest.mark.parametrize("take", [by_run, by_worker])
"""Runs a test once without a server and once in a worker; it is given the way as `take`."""

"""Whole runtimes, in memory and on a real server, there also with sealed conversations."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from agent_runtime_framework.events import WriterId
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.crypto.ciphers import MasterKey, new_key
from agent_runtime_framework.runtime.opening import Place, opened
from agent_runtime_framework.runtime.substrate import Substrate, in_memory


@pytest.fixture(params=["memory", "jetstream", "sealed"])
async def substrate(request: pytest.FixtureRequest) -> AsyncIterator[Substrate]:
    """What a runtime stands on: once in memory, once on a real nats-server, once sealed there."""
    if request.param == "memory":
        yield in_memory(SystemClock())
        return
    place = Place(
        nats=request.getfixturevalue("nats_url"),
        namespace=f"t-{uuid4().hex[:12]}",
        shards=2,
        encrypt=request.param == "sealed",
        wrapper=MasterKey(new_key()) if request.param == "sealed" else None,
    )
    async with opened(place, WriterId("w-test")) as there:
        yield there.substrate

"""A stream that is full: what comes is refused clearly, workers wait, and nothing is lost once there is room."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent_runtime_framework import Client, Runtime, Unavailable
from agent_runtime_framework.events import ToolStarted
from agent_runtime_framework.runtime.findings import Finding
from agent_runtime_framework.runtime.inspection import inspect
from agent_runtime_framework.runtime.nats.connection import api, connect, publish
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.topology import command_stream, event_stream
from agent_runtime_framework.runtime.opening import Place
from agent_runtime_framework.runtime.testing.working import at_work
from agent_runtime_framework.testing import NatsServer, ScriptedLLM, calls
from support.heard import Heard
from support.journeys import NO_WAITING, OrderTools, order_agent, recorded

NAMES = Names("arf", 1)
NAMED = calls(("save_name", {"name": "Ada"}))
NO_LIMIT = -1


class Streams:
    """Gives the namespace's streams limits, and takes them away."""

    def __init__(self, server: NatsServer, client: Any) -> None:
        self.url = server.url
        self.place = Place(nats=server.url)
        self._client = client

    async def used(self, config: dict[str, Any]) -> int:
        """Return how many bytes a stream holds."""
        answer = await api(self._client, f"STREAM.INFO.{config['name']}")
        used: int = msgspec.json.decode(answer)["state"]["bytes"]
        return used

    async def limit(self, config: dict[str, Any], limit: int) -> None:
        """Let a stream hold at most so many bytes."""
        await api(self._client, f"STREAM.UPDATE.{config['name']}", {**config, "max_bytes": limit})

    async def fill(self, config: dict[str, Any]) -> None:
        """Leave no room in a stream."""
        await self.limit(config, await self.used(config))

    async def put(self, subject: str, size: int) -> None:
        """Store so many bytes."""
        await publish(self._client, subject, b"x" * size, {})


@pytest.fixture
async def streams(tmp_path: Path) -> AsyncIterator[Streams]:
    (tmp_path / "nats").mkdir()
    with NatsServer(tmp_path / "nats") as server:
        client = await connect(server.url)
        async with Client.connect(server.url):
            pass  # it creates the namespace, with as many shards as ever
        yield Streams(server, client)
        await client.close()


EVENTS = event_stream(NAMES, 0)
COMMANDS = command_stream(NAMES)


def runtime(streams: Streams, llm: ScriptedLLM, **options: Any) -> Any:
    return at_work(Runtime([order_agent(llm, **options)], nats=streams.url, retry=NO_WAITING))


async def test_what_is_recorded_waits_for_room_and_is_then_recorded_once(tmp_path: Path) -> None:
    here: Streams

    class Filling(OrderTools):
        """Names somebody, and meanwhile the log fills up."""

        async def save_name(self, name: str) -> str:
            await here.fill(EVENTS)
            return await super().save_name(name)

    with NatsServer(tmp_path) as server, Heard() as heard, ScriptedLLM(NAMED, "Hello Ada.", "Hello too.") as llm:
        client = await connect(server.url)
        async with at_work(
            Runtime([order_agent(llm, tools=Filling)], nats=server.url, shards=1, retry=NO_WAITING)
        ) as rt:
            here = Streams(server, client)
            sending = asyncio.ensure_future(rt.send("order", "c-1", "Ada", message_id="m-1"))
            await heard.line("'c-1' was not stored")
            why = r"because it cannot be recorded now \(the frame for 'c-2' was not stored: .*\); message m-2 is kept"
            with pytest.raises(Unavailable, match=why):
                await rt.send("order", "c-2", "too", timeout=2, message_id="m-2")
            found = {finding.name: finding for finding in await inspect(here.place)}
            assert (found["stream arf-ev-0"].status, found["streams"].status) == ("warning", "ok")
            assert not sending.done()
            assert len(heard.having("'c-1' was not stored")) == 1, "it is said again and again"

            await here.limit(EVENTS, NO_LIMIT)
            first, second = await sending, await rt.send("order", "c-2", "too", message_id="m-2")
            events = [one.event for one in await recorded(rt, "c-1")]
        await client.close()

    assert {first.text, second.text} == {"Hello Ada.", "Hello too."}
    assert len([event for event in events if isinstance(event, ToolStarted)]) == 1
    assert first.state["name"] == "Ada"


async def test_a_message_that_finds_no_room_is_refused_and_those_before_it_are_answered(streams: Streams) -> None:
    async with Client.connect(streams.url) as client:
        await client.publish("order", "c-0", "Hello", message_id="m-0")
        await streams.limit(COMMANDS, 2_000)
        taken = ["m-0"]
        with pytest.raises(Unavailable, match=r"stream arf-cmd did not store command 'm-\d+' .*a full stream takes"):
            while len(taken) < 100:
                id_ = f"m-{len(taken)}"
                await client.publish("order", f"c-{len(taken)}", "Hello", message_id=id_)
                taken.append(id_)
        with pytest.raises(Unavailable, match="a full stream takes commands again once workers acknowledged some"):
            await client.send("order", "c-late", "Hello", message_id="m-late", timeout=5)
        found = {finding.name: finding for finding in await inspect(streams.place)}
        assert (found["stream arf-cmd"].status, found["streams"].status) == ("warning", "ok")

    with ScriptedLLM(*["Hi."] * (len(taken) + 1)) as llm:
        async with runtime(streams, llm) as rt:
            for number in range(len(taken)):
                assert (await rt.send("order", f"c-{number}", "Hello", message_id=f"m-{number}")).text == "Hi."
            assert (await rt.send("order", "c-late", "Hello", message_id="m-late")).text == "Hi."
    assert len(taken) > 3


async def test_a_stream_that_is_nearly_full_is_a_warning_and_its_limit_is_none(streams: Streams) -> None:
    for _ in range(8):
        await streams.put("arf.ev.1.c-1", 10_000)
    config = event_stream(Names("arf", 8), 1)
    used = await streams.used(config)
    found: dict[str, Finding] = {}
    for limit, status in ((10 * used, "ok"), (int(used / 0.79), "ok"), (int(used / 0.81), "warning"), (1, "warning")):
        await streams.limit(config, limit)
        found = {finding.name: finding for finding in await inspect(streams.place)}
        assert (found["streams"].status, found["stream arf-ev-1"].status) == ("ok", status), limit
    assert found["stream arf-ev-1"].value.endswith("of 1 bytes used, 0 bytes left")
    assert "max_bytes" in found["stream arf-ev-1"].advice
    assert "stream arf-ev-0" not in found

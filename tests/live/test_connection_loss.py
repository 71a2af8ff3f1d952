"""The server is away in the middle of a turn: what a tool did is recorded once, and its sender hears the reply."""

import asyncio
from pathlib import Path

import pytest

from agent_runtime_framework import Client, Unavailable
from support.town import BOOKED, HELLO, NAMED, book, of, town


@pytest.mark.parametrize("outage", [0, 3], ids=["shorter than a lease", "longer than a lease"])
async def test_what_a_tool_did_meanwhile_is_recorded_once_and_it_runs_once(tmp_path: Path, outage: float) -> None:
    async with (
        town(tmp_path, [NAMED, HELLO, book("charge"), BOOKED]) as here,
        here.worker() as worker,
        Client.connect(nats=here.nats.url) as client,
    ):
        await client.send("booking", "c-1", "I am Ada")
        sending = asyncio.ensure_future(client.send("booking", "c-1", "Room 7", message_id="m-2"))
        tool = await here.outside.tool()
        await asyncio.to_thread(here.nats.kill)
        await tool.answer("Charged.")
        await asyncio.sleep(outage)
        await asyncio.to_thread(here.nats.start)
        await worker.line_with("connected again")
        reply, again = await sending, await client.send("booking", "c-1", "Room 7", message_id="m-2")
        events = await here.events("c-1")
        requests = await here.models.requests()

    assert (reply.text, reply.state["booked"]) == ("All done.", "7")
    assert again == reply
    assert len(here.outside.said) == 1
    assert of(events, "tool.failed", "turn.resumed") == []
    assert [event["data"]["content"] for event in of(events, "tool.returned")][-1:] == ["Charged."]
    assert len(of(events, "tool.started")) == len(of(events, "tool.returned")) == 2
    assert len(requests) == len(of(events, "model.answered")) == 4


async def test_a_message_that_could_not_be_sent_is_said_once_however_often_it_is_sent(tmp_path: Path) -> None:
    async with (
        town(tmp_path, [NAMED, HELLO]) as here,
        here.worker() as worker,
        Client.connect(nats=here.nats.url) as client,
    ):
        await asyncio.to_thread(here.nats.kill)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await client.send("booking", "c-1", "I am Ada", message_id="m-1", timeout=1)
        await asyncio.to_thread(here.nats.start)
        await worker.line_with("connected again")
        replies = await asyncio.gather(*(client.send("booking", "c-1", "I am Ada", message_id="m-1") for _ in range(3)))
        events = await here.events("c-1")

    assert {reply.text for reply in replies} == {"Hello Ada, which room?"}
    assert len(of(events, "user.spoke")) == len(of(events, "turn.started")) == 1

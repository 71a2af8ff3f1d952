"""Whole processes, and what is left when one is killed: nothing lost, nothing doubled, nothing forgotten."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from agent_runtime_framework import Client
from support.processes import output_of
from support.town import BOOKED, CONCIERGE, HELLO, NAMED, book, of, town


@pytest.mark.parametrize("stream", ["1", "0"])
async def test_three_processes_hold_a_conversation_of_two_turns(tmp_path: Path, stream: str) -> None:
    async with town(tmp_path, [NAMED, HELLO, book("reserve"), BOOKED]) as here, here.worker(BOOKING_STREAM=stream):
        first = await output_of("send", "booking", "c-1", "I am Ada", cwd=tmp_path, env=here.env)
        sending = asyncio.ensure_future(output_of("send", "booking", "c-1", "Room 7", cwd=tmp_path, env=here.env))
        await (await here.outside.tool()).answer("Room 7 is yours.")
        second = await sending
        events = await here.events("c-1")
        state = await here.state("c-1")
        requests = await here.models.requests()

    assert (first[:2], second[:2]) == ((0, "Hello Ada, which room?\n"), (0, "All done.\n"))
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    assert [event["data"]["step"] for event in of(events, "step.entered")] == ["book"]
    assert len(of(events, "tool.returned")) == 2
    assert (state["step"], state["state"]["name"], state["state"]["booked"]) == ("book", "Ada", "7")
    assert [bool(request["body"].get("stream")) for request in requests] == [stream == "1"] * 4
    assert [request["body"]["messages"][0]["content"] for request in requests] == [
        "Ask for the name.",
        *["Book a room for Ada."] * 3,
    ]


async def test_an_idempotent_tool_runs_again_under_its_key_after_a_kill(tmp_path: Path) -> None:
    async with town(tmp_path, [NAMED, HELLO, book("reserve"), BOOKED]) as here:
        async with here.worker() as worker, Client.connect(nats=here.nats.url) as client:
            await client.send("booking", "c-1", "I am Ada")
            sending = asyncio.ensure_future(client.send("booking", "c-1", "Room 7"))
            await here.outside.tool()
            worker.kill(signal.SIGKILL)
            await worker.ended()
            async with here.worker():
                await (await here.outside.tool()).answer("Room 7 is yours.")
                reply = await sending
        events = await here.events("c-1")
        requests = await here.models.requests()

    assert (reply.text, reply.state["booked"]) == ("All done.", "7")
    key = of(events, "tool.started")[-1]["cause"]
    assert here.outside.said == [f"reserve 7 c-1@{key}.0"] * 2
    assert [event["data"].get("attempt", 1) for event in of(events, "tool.started") if event["cause"] == key] == [1, 2]
    assert len([event for event in of(events, "tool.returned", "tool.failed") if event["cause"] == key]) == 1
    assert of(events, "turn.resumed")[0]["data"]["attempt"] == 2
    # one request for each answer in the log: the answer that called the tool was not asked for again
    assert len(requests) == len(of(events, "model.answered")) == 4


async def test_an_undeclared_tool_is_in_doubt_after_a_kill_and_never_runs_again(tmp_path: Path) -> None:
    async with town(tmp_path, [NAMED, HELLO, book("charge"), {"text": "I am not sure that it worked."}]) as here:
        async with here.worker() as worker, Client.connect(nats=here.nats.url) as client:
            await client.send("booking", "c-1", "I am Ada")
            sending = asyncio.ensure_future(client.send("booking", "c-1", "Room 7"))
            await here.outside.tool()
            worker.kill(signal.SIGKILL)
            await worker.ended()
            async with here.worker():
                reply = await sending
        events = await here.events("c-1")
        requests = await here.models.requests()

    assert (reply.text, reply.state["booked"]) == ("I am not sure that it worked.", "")
    assert len(here.outside.said) == 1
    (failed,) = of(events, "tool.failed")
    assert failed["data"]["kind"] == "in_doubt"
    assert "its outcome is unknown" in requests[-1]["body"]["messages"][-1]["content"]
    assert of(events, "turn.completed")[-1]["version"] == events[-1]["version"]
    assert len(requests) == len(of(events, "model.answered")) == 4


async def test_after_everything_is_killed_the_state_is_what_it_was_and_the_talk_goes_on(tmp_path: Path) -> None:
    async with town(tmp_path, [NAMED, HELLO, book("reserve"), BOOKED]) as here:
        async with here.worker() as worker, Client.connect(nats=here.nats.url) as client:
            await client.send("booking", "c-1", "I am Ada")
            before, log = await here.state("c-1"), await here.events("c-1")
            await asyncio.to_thread(here.nats.kill)
            worker.kill(signal.SIGKILL)
            await worker.ended()
        await asyncio.to_thread(here.nats.start)

        assert (await here.state("c-1"), await here.events("c-1")) == (before, log)
        async with here.worker(), Client.connect(nats=here.nats.url) as client:
            sending = asyncio.ensure_future(client.send("booking", "c-1", "Room 7"))
            await (await here.outside.tool()).answer("Room 7 is yours.")
            reply = await sending

    assert (reply.text, reply.turn) == ("All done.", 2)


async def test_a_worker_that_is_asked_to_leave_finishes_its_turn(tmp_path: Path) -> None:
    async with town(tmp_path, [NAMED, HELLO, book("charge"), BOOKED]) as here:
        async with here.worker() as worker, Client.connect(nats=here.nats.url) as client:
            await client.send("booking", "c-1", "I am Ada")
            sending = asyncio.ensure_future(client.send("booking", "c-1", "Room 7"))
            tool = await here.outside.tool()
            worker.kill(signal.SIGTERM)
            await tool.answer("Charged.")
            reply = await sending
            code = await worker.ended()
        events = await here.events("c-1")

    assert (reply.text, code) == ("All done.", 0)
    assert of(events, "turn.resumed", "tool.failed") == []


async def test_a_worker_killed_while_a_journey_is_entered_leaves_it_to_the_next_which_enters_it_once(
    tmp_path: Path,
) -> None:
    route = {"calls": [["start_booking", {}]]}
    async with (
        town(tmp_path, [route, book("reserve"), BOOKED]) as here,
        here.worker(CONCIERGE) as worker,
        Client.connect(nats=here.nats.url) as client,
    ):
        sending = asyncio.ensure_future(client.send("concierge", "c-1", "a room", message_id="m-1"))
        await here.outside.tool()
        worker.kill()
        await worker.ended()
        async with here.worker(CONCIERGE):
            await (await here.outside.tool()).answer("Ada")
            await (await here.outside.tool()).answer("Room 7 is yours.")
            reply = await sending
            events = await here.events("c-1")
            state = await here.state("c-1")
            requests = await here.models.requests()

    entered = of(events, "journey.entered")
    assert (reply.text, reply.state["name"], reply.state["booked"]) == ("All done.", "Ada", "7")
    assert [(event["data"]["previous"], event["data"]["journey"]) for event in entered] == [("concierge", "booking")]
    assert [event["data"].get("attempt", 1) for event in of(events, "tool.started")] == [1, 2, 1]
    assert here.outside.said[:2] == ["enter booking"] * 2
    assert (state["journey"], state["left"]["concierge"]["state"]["name"]) == ("booking", "")
    assert len(requests) == 3


async def test_a_worker_killed_after_a_journey_was_entered_leaves_it_entered(tmp_path: Path) -> None:
    route = {"calls": [["start_booking", {}]]}
    held: dict[str, Any] = {**book("reserve"), "hold": "asked"}
    async with (
        town(tmp_path, [route, held, book("reserve"), BOOKED]) as here,
        here.worker(CONCIERGE) as worker,
        Client.connect(nats=here.nats.url) as client,
    ):
        sending = asyncio.ensure_future(client.send("concierge", "c-1", "a room", message_id="m-1"))
        await (await here.outside.tool()).answer("Ada")
        await here.models.holding("asked")
        worker.kill()
        await worker.ended()
        async with here.worker(CONCIERGE):
            await (await here.outside.tool()).answer("Room 7 is yours.")
            reply = await sending
            events = await here.events("c-1")

    assert reply.text == "All done."
    assert len(of(events, "journey.entered")) == 1
    assert here.outside.said[0] == "enter booking"
    assert [line.split()[0] for line in here.outside.said[1:]] == ["reserve"]

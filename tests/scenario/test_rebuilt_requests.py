"""A request that is rebuilt from the log is the one that the model got, as the HTTP server of the model saw it."""

import contextlib
import hashlib
import json
from typing import Any

import pytest
from msgspec.structs import replace

from agent_runtime_framework import JourneyConfig, NoReply, OpenAIClient
from agent_runtime_framework.events import (
    START,
    ConversationId,
    CorruptLog,
    Frame,
    Head,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    NotFound,
    UserSpoke,
)
from agent_runtime_framework.projections import RENDERER, Rebuilt, evolve, initial, rebuilt
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.reader import Reader
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.runtime.testing.simulation import random_journeys
from agent_runtime_framework.testing import ScriptedLLM, random_script, simulate
from support.journeys import OrderAgent, working
from support.openai_server import OpenAIServer

PARAMETERS = {"temperature": 0.5, "seed": 7, "stop": ["\u2028", "é"]}
AWAY = {"status": 503, "error": {"message": "away"}}
SCRIPT: list[Any] = [
    "Who are you?",
    {"calls": [["save_name", {"name": "Zoë"}], ["add", {"line": "too soon"}]]},
    AWAY,
    {"cut": 0},
    "What may it be?",
    {"calls": [["add", {"line": "tea"}], ["look", "{"], ["fail", {}]]},
    {"text": "So. ", "calls": [["price", {"line": "tea", "amount": "1.5"}]]},
    "1.5 it is.",
    {"calls": [["finish", {}]]},
    "Good-day.",
    {"status": 401, "error": {"message": "no"}},
]
SAID = ("hi", "I am Zoë", "tea, how much is that?", "that is all", "and now?")


async def talk(substrate: Substrate, server: OpenAIServer, *, stream: bool) -> None:
    """Hold the whole talk."""
    async with contextlib.aclosing(OpenAIClient("gpt-test", base_url=server.url, stream=stream)) as client:
        config = JourneyConfig(history_turns=1, model_parameters=PARAMETERS)
        async with working(OrderAgent(client, config), substrate=substrate) as runtime:
            for said in SAID:
                with contextlib.suppress(NoReply):
                    await runtime.send("order", "c-1", said)


async def requests_of(reader: Reader) -> list[Rebuilt]:
    """Return all requests of the conversation, rebuilt."""
    found = []
    async for event in reader.events("c-1"):
        if isinstance(event.event, ModelRequested):
            request = await reader.request("c-1", event.version)
            assert request is not None
            assert request.recorded == event.event.request
            found.append(request)
    return found


@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_rebuilt_is_what_the_server_of_the_model_saw(stream: bool) -> None:
    substrate = in_memory(SystemClock())
    async with OpenAIServer(SCRIPT) as server:
        await talk(substrate, server, stream=stream)
        seen = [request["body"] for request in server.requests]

    requests = await requests_of(Reader(substrate))

    assert len(seen) == len(SCRIPT) == len(requests)
    for body, request in zip(seen, requests, strict=True):
        given = json.loads(request.input.canonical)
        sent = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
        assert {"tools": None, **sent} == given
        assert request.problem == ""
        assert hashlib.sha256(request.input.canonical).hexdigest() == request.recorded
    assert {len(request.input.tools or ()) for request in requests} == {1, 8, 0}
    assert {message["content"] for request in requests for message in request.input.messages[:1]} == {
        "Ask for the name.",
        "Take the order.",
        "Say good-bye.",
    }
    users = [[m["content"] for m in request.input.messages if m["role"] == "user"] for request in requests]
    assert users[-1] == list(SAID[-2:])  # the window


@pytest.mark.parametrize("seed", range(30))
def test_every_request_of_any_run_is_rebuilt_to_the_byte(seed: int) -> None:
    agents, asked = random_journeys(seed), 0
    run = simulate(agents, random_script(seed, [agent.key for agent in agents]), seed)
    for conversation, log in run.logs.items():
        now = initial(conversation)
        for event in (event for stored in log for event in stored.frame.events):
            now = evolve(now, event)
            if isinstance(event, ModelRequested):
                request = rebuilt(now, event.renderer)
                assert request is not None
                assert request.problem == ""
                asked += 1
    assert asked


async def test_an_answer_and_a_failure_name_the_request_that_they_came_of() -> None:
    substrate = in_memory(SystemClock())
    async with OpenAIServer(SCRIPT) as server:
        await talk(substrate, server, stream=False)
    reader = Reader(substrate)
    events = [event async for event in reader.events("c-1")]

    outcomes = [event for event in events if isinstance(event.event, ModelAnswered | ModelFailed)]
    for outcome in outcomes:
        request = await reader.request("c-1", outcome.version)
        assert request is not None
        assert request.version == outcome.event.cause
    assert {outcome.type for outcome in outcomes} == {"model.answered", "model.failed"}
    versions = [event.version for event in events if isinstance(event.event, ModelRequested)]
    near = rf"is no request to a model; the nearest are at {versions[0]} and {versions[1]}$"
    with pytest.raises(NotFound, match=near):
        await reader.request("c-1", versions[0] + 2)
    with pytest.raises(NotFound, match=rf"the nearest is at {versions[0]}$"):
        await reader.request("c-1", 1)
    with pytest.raises(NotFound, match=rf"the nearest is at {versions[-1]}$"):
        await reader.request("c-1", 10_000)


async def test_a_request_that_is_not_what_was_recorded_says_so() -> None:
    substrate = in_memory(SystemClock())
    async with OpenAIServer(SCRIPT) as server:
        await talk(substrate, server, stream=False)
    frames = [stored.frame async for stored in substrate.log.read(ConversationId("c-1"))]

    other = await rebuilt_with(frames, request="0" * 64)
    none = await rebuilt_with(frames, request="")
    newer = await rebuilt_with(frames, renderer=RENDERER + 1)

    assert other.problem.startswith("its hash is ")
    assert other.problem.endswith(f", and {'0' * 64} is recorded")
    assert none.problem == "no hash is recorded of it"
    assert newer.problem == f"it was rendered by revision {RENDERER + 1}, and this release has only {RENDERER}"


async def rebuilt_with(frames: list[Frame], **changed: Any) -> Rebuilt:
    """Return the first request of these frames, with something else recorded of it."""
    substrate, head = in_memory(SystemClock()), START
    for frame in frames:
        events = tuple(replace(one, **changed) if isinstance(one, ModelRequested) else one for one in frame.events)
        head = (
            await substrate.log.append(ConversationId("c-1"), replace(frame, events=events, prev=head.hash), head)
        ).head
    return (await requests_of(Reader(substrate)))[0]


async def test_a_request_before_a_damage_can_be_rebuilt() -> None:
    substrate = in_memory(SystemClock())
    async with working(OrderAgent(ScriptedLLM("Who are you?")), substrate=substrate) as runtime:
        await runtime.send("order", "c-1", "hi")
        last = await runtime.last("c-1")
        lost = Frame(
            first=last.head.version + 2,
            time=0,
            writer="w",
            agent="order",
            events=(UserSpoke(message_id="m", text="?"),),
        )
        chat = ConversationId("c-1")
        await substrate.log.append(chat, lost, Head(last.head.version + 1, last.head.position, ""))
        rebuilt_ = await runtime.request("c-1", 5)
        assert rebuilt_ is not None
        assert (rebuilt_.version, rebuilt_.problem) == (4, "")
        with pytest.raises(CorruptLog):
            await runtime.request("c-1", 3)

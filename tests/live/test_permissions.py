"""What a real server forbids is said, with its subject and at once, by whatever waits for it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats.errors
import pytest
from nats.aio.msg import Msg

from agent_runtime_framework import MemorySink
from agent_runtime_framework.events import ConversationId, Unavailable
from agent_runtime_framework.runtime.client import Client
from agent_runtime_framework.runtime.credentials import Credentials
from agent_runtime_framework.runtime.nats import connection
from agent_runtime_framework.runtime.nats.client import Connection
from agent_runtime_framework.runtime.nats.connection import api, connect, request, request_many, status
from agent_runtime_framework.runtime.nats.in_flight import Forbidden
from agent_runtime_framework.runtime.nats.topology import ensure
from support.chains import write
from support.projections import Listening
from support.secured import SecuredServer

ROOT = Credentials(user="root", password="r")
ADA = Credentials(user="ada", password="a")
DEAF = Credentials(user="deaf", password="d")
SOON = 2
"""Seconds that a test waits for what nats-py would wait for until `REQUEST_TIMEOUT`."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SecuredServer]:
    """A server where root may do all, ada publish in `Open.>`, and deaf hear no answers."""
    settings = """authorization { users: [
        { user: root, password: r }
        { user: ada, password: a, permissions: {
            publish: { allow: ["Open.>", "_INBOX.>", "$JS.API.DIRECT.GET.>", "$JS.API.STREAM.INFO.>", "arf.live.x.>"] }
            subscribe: { deny: ["Secret.>"] } } }
        { user: deaf, password: d, permissions: { subscribe: { deny: ["_INBOX.>"] } } }
    ] }"""
    with SecuredServer(tmp_path, settings=settings) as running:
        yield running


@pytest.fixture
async def root(server: SecuredServer) -> AsyncIterator[Connection]:
    client = await connect(server.url, credentials=ROOT)
    yield client
    await client.close()


@pytest.fixture
async def ada(server: SecuredServer) -> AsyncIterator[Connection]:
    client = await connect(server.url, credentials=ADA)
    yield client
    await client.close()


@pytest.fixture
async def deaf(server: SecuredServer) -> AsyncIterator[Connection]:
    client = await connect(server.url, credentials=DEAF)
    yield client
    await client.close()


async def echo(message: Msg) -> None:
    await message.respond(message.data)


async def settled(client: Connection) -> None:
    """Return once the server has taken what was sent before; nats-py's flush may overtake a subscription."""
    with pytest.raises(nats.errors.NoRespondersError):
        await client.request(client.new_inbox(), timeout=10)


async def test_a_request_that_may_not_be_published_says_its_subject(ada: Connection) -> None:
    async with asyncio.timeout(SOON):
        with pytest.raises(Forbidden, match=r"forbids this user to publish to 'Shut.Door': allow that there, or use"):
            await request(ada, "Shut.Door", b"")
        with pytest.raises(Forbidden, match=r"publish to '\$JS.API.STREAM.CREATE.arf-ev-0'"):
            await ensure(ada, "arf")


async def test_many_answers_that_may_not_be_asked_for_say_their_subject(ada: Connection) -> None:
    async with asyncio.timeout(SOON):
        with pytest.raises(Forbidden, match=r"publish to 'Shut.Door'"):
            await request_many(ada, "Shut.Door", b"", ends=lambda answer: status(answer) != "")


async def test_other_requests_in_flight_get_their_answers(ada: Connection, root: Connection) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def later(message: Msg) -> None:
        asked.set()
        await answer.wait()
        await message.respond(b"here")

    await root.subscribe("Open.Door", cb=later)
    await settled(root)
    async with asyncio.timeout(SOON):
        waiting = asyncio.create_task(request(ada, "Open.Door", b""))
        await asked.wait()
        refused = await asyncio.gather(*(request(ada, "Shut.Door", b"") for _ in range(3)), return_exceptions=True)
        answer.set()

        assert (await waiting).data == b"here"
        assert [type(error) for error in refused] == [Forbidden] * 3


async def test_who_may_not_hear_answers_is_told_so_at_every_request(deaf: Connection) -> None:
    heard = "forbids this user to subscribe to '_INBOX.>'"
    async with asyncio.timeout(SOON):
        with pytest.raises(Forbidden, match=heard):
            await request_many(deaf, "$JS.API.INFO", b"", ends=lambda _: True)
        for _ in range(3):
            with pytest.raises(Forbidden, match=heard):
                await api(deaf, "INFO")


async def test_who_may_hear_again_after_a_reconnect_does(server: SecuredServer, deaf: Connection) -> None:
    with pytest.raises(Forbidden):
        await api(deaf, "INFO")
    server._config = server._config.replace('deny: ["_INBOX.>"]', 'deny: ["other"]')
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)

    assert await api(deaf, "INFO")


async def test_a_subscription_that_nobody_waits_for_is_a_warning_once_a_kind(
    ada: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    for subject in ("Secret.1", "Secret.2"):
        await ada.subscribe(subject, cb=echo)
    for number in range(3):
        await ada.publish(f"arf.live.{number}", b"")
    await settled(ada)

    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text.split(":")[0] for text in warnings] == [
        "the NATS server forbids this user to subscribe to 'secret.1'",
        "the NATS server forbids this user to publish to 'arf.live.0'",
    ]


async def test_a_message_to_an_agent_says_what_is_forbidden(server: SecuredServer, root: Connection) -> None:
    await ensure(root, "arf", shards=1)

    async with asyncio.timeout(SOON), Client.connect(server.url, credentials=ADA, create=False) as client:
        with pytest.raises(Unavailable, match=r"publish to 'arf\.cmd\.Bot\.C-1': allow"):
            await client.publish("Bot", "C-1", "hello")
        assert await client.substrate.log.last(ConversationId("C-1")) is None


async def test_a_subject_that_is_only_silent_is_not_forbidden(
    ada: Connection, root: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT", 0.3)

    async def ignore(message: Msg) -> None:
        return

    await root.subscribe("Open.Door", cb=ignore)
    await settled(root)
    with pytest.raises(Unavailable, match=r"did not answer Open\.Door") as silent:
        await request(ada, "Open.Door", b"")

    assert not isinstance(silent.value, Forbidden)


async def test_who_may_make_no_consumer_is_told_so_by_the_feed(server: SecuredServer) -> None:
    async with Client.connect(server.url, namespace="forbids", credentials=ROOT) as client:
        await write(client.substrate.log, ConversationId("c-1"), 1)
    async with Client.connect(server.url, namespace="forbids", credentials=ADA, create=False) as client:
        subscription = client.subscribe(Listening(), "heard", sink=MemorySink())
        for fold in (subscription.catch_up, subscription.run):
            with pytest.raises(Forbidden, match=r"forbids this user to publish to '\$JS\.API\.CONSUMER\.CREATE\."):
                await asyncio.wait_for(fold(), SOON)
        with pytest.raises(Forbidden, match=r"CONSUMER\.CREATE"):
            await asyncio.wait_for(anext(client.substrate.feed.follow(0)), SOON)

"""What holds for every way to be heard live: in memory, and on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import nats.errors
import pytest

from agent_runtime_framework.events import ConversationId, Unavailable
from agent_runtime_framework.runtime import live as live_module
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.live import Live, MemoryLive
from agent_runtime_framework.runtime.nats.client import Connection
from agent_runtime_framework.runtime.nats.connection import connect
from agent_runtime_framework.runtime.nats.live import NatsLive
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.testing import NatsServer

CHAT, OTHER = ConversationId("c-1"), ConversationId("c-2")
PATIENCE = 10

Unheard = Callable[[ConversationId], Awaitable[bool]]


async def read(heard: AsyncIterator[bytes], count: int) -> list[bytes]:
    async with asyncio.timeout(PATIENCE):
        return [await anext(heard) for _ in range(count)]


class LiveContract:
    """`live` is the worker's end, `far` a follower's; `unheard` says whether nobody listens to a conversation."""

    async def test_a_listener_hears_everything_in_order(self, live: Live, far: Live) -> None:
        async with far.subscribe(CHAT) as heard:
            sent = [f"{number}".encode() for number in range(200)]
            for data in sent:
                await live.publish(CHAT, data)

            assert await read(heard, 200) == sent

    async def test_who_does_not_wait_for_the_server_hears_what_comes_of_what_he_sends(self, far: Live) -> None:
        for number in range(20):
            async with far.listen(CHAT) as heard:
                await far.publish(CHAT, b"%d" % number)

                assert await read(heard, 1) == [b"%d" % number]

    async def test_after_listening_nobody_listens_any_more(self, far: Live, unheard: Unheard) -> None:
        async with far.listen(CHAT):
            assert not await unheard(CHAT)

        assert await unheard(CHAT)

    async def test_whoever_listens_for_so_long_hears_nothing_then_and_goes_on(self, live: Live, far: Live) -> None:
        async with far.subscribe(CHAT) as heard:
            assert await heard.heard(asyncio.get_running_loop().time()) is None
            await live.publish(CHAT, b"late")

            assert await read(heard, 1) == [b"late"]
            assert not heard.closed
        assert heard.closed

    async def test_each_wait_of_a_listener_ends_when_it_says(self, live: Live, far: Live) -> None:
        clock = asyncio.get_running_loop().time
        async with far.subscribe(CHAT) as heard, asyncio.timeout(PATIENCE):
            waiting = asyncio.ensure_future(heard.heard(clock() + 3600))
            await asyncio.sleep(0)
            await live.publish(CHAT, b"at once")
            assert await waiting == b"at once"
            sooner = clock() + 0.05
            assert await heard.heard(sooner) is None

            soon = clock() + 0.05
            waiting = asyncio.ensure_future(heard.heard(soon))
            await asyncio.sleep(0)
            await live.publish(CHAT, b"in time")
            if await waiting is None:  # a slow machine
                assert await heard.heard() == b"in time"
            later = soon + 0.1
            assert await heard.heard(later) is None
            assert clock() >= later - 0.01

    async def test_two_listeners_both_hear_everything(self, live: Live, far: Live) -> None:
        async with far.subscribe(CHAT) as one, far.subscribe(CHAT) as two, live.subscribe(CHAT) as three:
            await live.publish(CHAT, b"1")
            await live.publish(CHAT, b"2")

            for heard in (one, two, three):
                assert await read(heard, 2) == [b"1", b"2"]

    async def test_what_was_published_before_is_not_heard(self, live: Live, far: Live) -> None:
        async with live.subscribe(CHAT) as heard:
            await live.publish(CHAT, b"before")
            assert await read(heard, 1) == [b"before"]
        async with far.subscribe(CHAT) as heard:
            await live.publish(CHAT, b"after")

            assert await read(heard, 1) == [b"after"]

    async def test_other_conversations_are_not_heard(self, live: Live, far: Live) -> None:
        async with far.subscribe(CHAT) as heard:
            await live.publish(OTHER, b"elsewhere")
            await live.publish(CHAT, b"here")

            assert await read(heard, 1) == [b"here"]

    async def test_publishing_to_nobody_is_no_error(self, live: Live, unheard: Unheard) -> None:
        assert await unheard(CHAT)
        await live.publish(CHAT, b"hello")

    async def test_after_leaving_nobody_listens_any_more(self, far: Live, unheard: Unheard) -> None:
        async with far.subscribe(CHAT):
            async with far.subscribe(CHAT):
                assert not await unheard(CHAT)
            assert not await unheard(CHAT)

        assert await unheard(CHAT)

    async def test_a_listener_that_raises_leaves_too(self, far: Live, unheard: Unheard) -> None:
        with pytest.raises(ZeroDivisionError):
            async with far.subscribe(CHAT):
                raise ZeroDivisionError

        assert await unheard(CHAT)

    async def test_leaving_ends_the_iteration(self, live: Live, far: Live) -> None:
        async with far.subscribe(CHAT) as heard:
            await live.publish(CHAT, b"1")
            await read(heard, 1)
            waiting = asyncio.create_task(anext(heard, b"the end"))
            await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE):
            assert await waiting == b"the end"
            assert [data async for data in heard] == []

    async def test_a_listener_that_does_not_take_misses_the_newest(
        self, live: Live, far: Live, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_module, "UNHEARD_LIMIT", 3)
        async with far.subscribe(CHAT) as heard, far.subscribe(CHAT) as attentive:
            for number in range(6):
                await live.publish(CHAT, b"%d" % number)
                assert await read(attentive, 1) == [b"%d" % number]

            assert await read(heard, 3) == [b"0", b"1", b"2"]
            await live.publish(CHAT, b"6")
            assert await read(heard, 1) == [b"6"]


class TestMemoryLive(LiveContract):
    @pytest.fixture
    def live(self) -> MemoryLive:
        return MemoryLive()

    @pytest.fixture
    def far(self, live: MemoryLive) -> Live:
        return live

    @pytest.fixture
    def unheard(self, live: MemoryLive) -> Unheard:
        async def check(conversation: ConversationId) -> bool:
            return conversation not in live._listeners

        return check


class TestNatsLive(LiveContract):
    @pytest.fixture
    async def client(self, nats_url: str) -> AsyncIterator[Connection]:
        client = await connect(nats_url)
        yield client
        await client.close()

    @pytest.fixture
    def names(self) -> Names:
        return Names(new_id("live"), 1)

    @pytest.fixture
    def live(self, client: Connection, names: Names) -> Live:
        return NatsLive(client, names)

    @pytest.fixture
    async def far_client(self, nats_url: str) -> AsyncIterator[Connection]:
        client = await connect(nats_url)
        yield client
        await client.close()

    @pytest.fixture
    def far(self, far_client: Connection, names: Names) -> Live:
        return NatsLive(far_client, names)

    @pytest.fixture
    def unheard(self, client: Connection, far_client: Connection, names: Names) -> Unheard:
        async def check(conversation: ConversationId) -> bool:
            # the server says at once when nobody listens to the subject of a request; the first one only makes sure
            # that it knows of all that the listener's connection said before
            with pytest.raises(nats.errors.NoRespondersError):
                await far_client.request(far_client.new_inbox(), timeout=PATIENCE)
            try:
                await client.request(names.live_subject(conversation), b"anybody?", timeout=0.2)
            except nats.errors.NoRespondersError:
                return True
            except nats.errors.TimeoutError:
                return False
            raise AssertionError("a listener answered")

        return check

    async def test_two_namespaces_do_not_hear_each_other(self, client: Connection, live: Live) -> None:
        async with live.subscribe(CHAT) as heard:
            await NatsLive(client, Names(new_id("live"), 1)).publish(CHAT, b"elsewhere")
            await live.publish(CHAT, b"here")

            assert await read(heard, 1) == [b"here"]


class TestNatsLiveOverARestart:
    """A server of its own, since it is stopped."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[NatsServer]:
        with NatsServer(tmp_path) as server:
            yield server

    @pytest.fixture
    def back(self) -> asyncio.Event:
        return asyncio.Event()

    @pytest.fixture
    def gone(self) -> asyncio.Event:
        return asyncio.Event()

    @pytest.fixture
    async def client(self, server: NatsServer, gone: asyncio.Event, back: asyncio.Event) -> AsyncIterator[Connection]:
        async def found() -> None:
            back.set()

        async def lost() -> str:
            gone.set()
            return server.url

        client = await connect(server.url, on_reconnect=found, restore=lost)
        yield client
        await client.close()

    async def test_a_listener_hears_again_after_the_server_was_gone(
        self, server: NatsServer, client: Connection, back: asyncio.Event
    ) -> None:
        live = NatsLive(client, Names("t", 1))
        async with live.subscribe(CHAT) as heard:
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(PATIENCE):
                await back.wait()
            await live.publish(CHAT, b"again")

            assert await read(heard, 1) == [b"again"]

    async def test_without_a_server_publishing_is_lost_and_subscribing_unavailable(
        self,
        server: NatsServer,
        client: Connection,
        gone: asyncio.Event,
        back: asyncio.Event,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("agent_runtime_framework.runtime.nats.live.REQUEST_TIMEOUT", 0.1)
        live = NatsLive(client, Names("t", 1))
        async with live.subscribe(CHAT):
            await asyncio.to_thread(server.stop)
            async with asyncio.timeout(PATIENCE):
                await gone.wait()
            await live.publish(CHAT, b"x" * 3_000_000)
            with pytest.raises(Unavailable):
                async with live.subscribe(CHAT):
                    pytest.fail("nobody can listen to a server that is gone")

        await asyncio.to_thread(server.start)
        async with asyncio.timeout(PATIENCE):
            await back.wait()

    async def test_on_a_closed_connection_publishing_is_lost_and_subscribing_unavailable(
        self, client: Connection
    ) -> None:
        live = NatsLive(client, Names("t", 1))
        async with live.subscribe(CHAT):
            await client.close()
        await live.publish(CHAT, b"nobody hears this")
        with pytest.raises(Unavailable):
            async with live.subscribe(CHAT):
                pytest.fail("nobody can listen on a connection that is closed")

"""What only the store on a bucket has: its bucket, its limits, and writers that come in between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from agent_runtime_framework import Client as ArfClient
from agent_runtime_framework import ConversationStore, JetStreamStore, MemoryManager, StateStore, StoredMessage
from agent_runtime_framework.events import Conflict, FrameworkError, InvalidId, InvalidInput, TooLarge, Unavailable
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.nats import connection, entries, store
from agent_runtime_framework.runtime.nats.connection import ApiError, api, connect
from agent_runtime_framework.runtime.nats.store import KEY_LIMIT, encoded_key
from agent_runtime_framework.testing import NatsServer


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    client = await connect(nats_url)
    yield client
    await client.close()


@pytest.fixture
def bucket() -> str:
    return new_id("memory")


@pytest.fixture
def memory(client: Client, bucket: str) -> JetStreamStore:
    return JetStreamStore(client, bucket)


async def info(client: Client, bucket: str) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(await api(client, f"STREAM.INFO.KV_{bucket}"))
    return answer


class Overtaken(JetStreamStore):
    """Loses the race for its first `times` writes: another one sets 1, 2, 3 after it has read."""

    def __init__(self, client: Client, bucket: str, times: int) -> None:
        super().__init__(client, bucket)
        self._other = JetStreamStore(client, bucket)
        self._times = iter(range(1, times + 1))

    async def _entry(self, key: str) -> Any:
        entry = await super()._entry(key)
        if (number := next(self._times, None)) is not None:
            await self._other.set(key, number)
        return entry


async def test_the_first_write_creates_the_bucket_and_reading_does_not(
    client: Client, memory: JetStreamStore, bucket: str
) -> None:
    assert await memory.get("k") is None
    assert not await memory.exists("k")
    await memory.delete("k")
    with pytest.raises(ApiError, match="stream not found"):
        await info(client, bucket)

    await memory.set("k", 1)
    assert (await info(client, bucket))["state"]["messages"] == 1


async def test_many_may_write_first(nats_url: str, bucket: str) -> None:
    clients = await asyncio.gather(*(connect(nats_url) for _ in range(5)))
    stores = [JetStreamStore(client, bucket) for client in clients]
    await asyncio.gather(*(each.set(f"k-{number}", number) for number, each in enumerate(stores)))

    assert [await stores[0].get(f"k-{number}") for number in range(5)] == list(range(5))
    await asyncio.gather(*(client.close() for client in clients))


async def test_a_bucket_keeps_one_value_a_key_on_disk_for_ever(
    client: Client, memory: JetStreamStore, bucket: str
) -> None:
    for number in range(3):
        await memory.set("k", number)
    found = await info(client, bucket)

    assert (found["state"]["messages"], found["config"]["storage"]) == (1, "file")
    assert (found["config"]["max_age"], found["config"]["max_msgs"], found["config"]["max_bytes"]) == (0, -1, -1)


async def test_a_bucket_is_kept_on_as_many_servers_as_were_asked_for(client: Client, bucket: str) -> None:
    with pytest.raises(ApiError, match="replicas > 1 not supported"):
        await JetStreamStore(client, bucket, replicas=3).set("k", 1)


async def test_buckets_are_apart(client: Client, memory: JetStreamStore) -> None:
    await memory.set("k", 1)

    assert await JetStreamStore(client, new_id("memory")).get("k") is None


@pytest.mark.parametrize("name", ["", "a.b", "*", "a b"])
def test_the_name_of_a_bucket_is_a_token(client: Client, name: str) -> None:
    with pytest.raises(InvalidId, match="bucket"):
        JetStreamStore(client, name)


async def test_what_was_kept_outlives_client_and_server(tmp_path: Path) -> None:
    with NatsServer(tmp_path, sync="always") as server:
        client = await connect(server.url)
        kept = JetStreamStore(client)
        manager = MemoryManager(StateStore(kept), ConversationStore(kept))
        await manager.save_state("c-1", "shop", {"step": "cart"})
        await manager.save_messages("c-1", [StoredMessage("user", "Hello")])
        await client.close()
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)

        client = await connect(server.url)
        found = JetStreamStore(client)
        context = await MemoryManager(StateStore(found), ConversationStore(found)).load_context("c-1", "shop")
        await client.close()

    assert (context.state, context.messages) == ({"step": "cart"}, [StoredMessage("user", "Hello")])


async def test_any_key_value_client_reads_and_writes_the_same_entries(nats_url: str, bucket: str) -> None:
    client = await nats.connect(nats_url)
    memory = JetStreamStore(client, bucket)
    await memory.set("a.b ü", {"a": 1})
    entries = await client.jetstream().key_value(bucket)

    assert await entries.keys() == [encoded_key("a.b ü")] == ["a=2Eb=20=C3=BC"]
    assert (await entries.get(encoded_key("a.b ü"))).value == b'{"a":1}'
    await entries.put("by-hand", b"[1, 2]")
    assert await memory.get("by-hand") == [1, 2]
    await entries.delete("by-hand")
    assert await memory.get("by-hand") is None
    await memory.set("by-hand", 3)
    await memory.delete("by-hand")
    with pytest.raises(NotFoundError):
        await entries.get("by-hand")
    await client.close()


async def test_what_was_deleted_is_gone_from_a_bucket_that_keeps_its_history(client: Client, bucket: str) -> None:
    await client.jetstream().create_key_value(bucket=bucket, history=5)
    memory = JetStreamStore(client, bucket)
    for number in range(3):
        await memory.set("k", {"secret": number})
    assert (await info(client, bucket))["state"]["messages"] == 3

    await memory.delete("k")
    assert (await info(client, bucket))["state"]["messages"] == 1, "a marker, and nothing else"
    assert await memory.get("k") is None


async def test_deleting_what_is_not_there_writes_nothing(client: Client, memory: JetStreamStore, bucket: str) -> None:
    await memory.set("k", 1)
    await memory.delete("k")
    before = (await info(client, bucket))["state"]["last_seq"]
    await memory.delete("k")
    await memory.delete("never")

    assert (await info(client, bucket))["state"]["last_seq"] == before


async def test_a_listing_comes_in_parts_and_holds_each_value_once(
    client: Client, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "BATCH", 7)
    memory = JetStreamStore(client, bucket)
    for number in range(20):
        await memory.set(f"k-{number}", number)
    await memory.delete("k-13")

    assert sorted([value async for value in memory.values()]) == [*range(13), *range(14, 20)]


async def test_a_change_that_was_overtaken_is_made_again_of_the_newer_value(client: Client, bucket: str) -> None:
    seen: list[Any] = []

    def change(value: Any) -> Any:
        seen.append(value)
        return [value]

    await Overtaken(client, bucket, times=3).modify("k", change)

    assert seen == [None, 1, 2, 3]
    assert await JetStreamStore(client, bucket).get("k") == [3]


async def test_messages_that_were_overtaken_are_added_after_those_that_came_first(client: Client, bucket: str) -> None:
    class Interrupted(JetStreamStore):
        """Adds a message by another way after the first read."""

        other: ConversationStore | None = ConversationStore(JetStreamStore(client, bucket))

        async def _entry(self, key: str) -> Any:
            entry = await super()._entry(key)
            if self.other is not None:
                other, self.other = self.other, None
                await other.add_message("c-1", StoredMessage("user", "first"))
            return entry

    messages = ConversationStore(Interrupted(client, bucket))
    await messages.add_message("c-1", StoredMessage("user", "second"))

    assert [each.content for each in await messages.get_messages("c-1")] == ["first", "second"]


async def test_setting_and_deleting_win_over_what_came_in_between(client: Client, bucket: str) -> None:
    await Overtaken(client, bucket, times=1).set("k", "mine")
    assert await JetStreamStore(client, bucket).get("k") == "mine"

    await Overtaken(client, bucket, times=2).delete("k")
    assert await JetStreamStore(client, bucket).get("k") is None


async def test_a_change_that_is_always_overtaken_is_a_conflict_in_the_end(
    client: Client, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ATTEMPTS", 3)
    with pytest.raises(Conflict, match=r"key 'k' of bucket .* 3 times in a row"):
        await Overtaken(client, bucket, times=9).modify("k", lambda value: "mine")

    assert await JetStreamStore(client, bucket).get("k") == 3


@pytest.fixture
def small(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path, settings="max_payload: 64KB") as server:
        yield server


async def test_a_value_over_what_the_server_takes_is_refused_and_the_last_one_stays(small: NatsServer) -> None:
    client = await connect(small.url)
    memory = JetStreamStore(client)
    largest = "x" * (64 * 1024 - 1024 - 2)  # two quotation marks
    await memory.set("k", largest)
    assert await memory.get("k") == largest

    with pytest.raises(TooLarge, match=r"key 'k' has 64513 bytes.*takes 65536 a message.*max_payload"):
        await memory.set("k", largest + "y")
    assert await memory.get("k") == largest
    await client.close()


async def test_a_conversation_that_grows_too_large_keeps_what_it_has(small: NatsServer) -> None:
    client = await connect(small.url)
    messages = ConversationStore(JetStreamStore(client))
    with pytest.raises(TooLarge, match="'messages/c-1' has"):
        for number in range(100):
            await messages.add_message("c-1", StoredMessage("user", f"{number} {'x' * 1000}"))

    kept = await messages.get_messages("c-1")
    assert len(kept) > 50
    assert [str(each.content).split()[0] for each in kept] == [str(number) for number in range(len(kept))]
    await client.close()


@pytest.mark.parametrize("value", [object(), float("nan"), {"a": {1, object()}}, "\ud800", {("a", "b"): 1}])
async def test_a_value_without_a_json_form_is_refused(client: Client, bucket: str, value: Any) -> None:
    with pytest.raises(InvalidInput):
        await JetStreamStore(client, bucket).set("k", value)
    assert await JetStreamStore(client, bucket).get("k") is None


async def test_an_entry_that_is_not_json_is_an_error_until_it_is_replaced(
    client: Client, memory: JetStreamStore, bucket: str
) -> None:
    await memory.set("k", 1)
    entries = await client.jetstream().key_value(bucket)
    for data in (b"{", b'"\xff"'):
        await entries.put("k", data)
        with pytest.raises(FrameworkError, match=r"key 'k' of bucket .* holds what is not JSON"):
            await memory.get("k")
        with pytest.raises(FrameworkError, match="not JSON"):
            await memory.modify("k", lambda value: 1)

    await memory.set("k", 2)
    assert await memory.get("k") == 2
    await entries.put("k", b"{")
    await memory.delete("k")
    assert await memory.get("k") is None


async def test_however_many_change_one_value_through_one_store_each_comes_through(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ATTEMPTS", 1)
    async with ArfClient.connect(nats_url, namespace=new_id("t")) as client:
        await asyncio.gather(*(client.store("s").modify("k", lambda value: (value or 0) + 1) for _ in range(300)))
        assert await client.store("s").get("k") == 300


async def test_a_server_that_is_gone_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT", 0.3)
    with NatsServer(tmp_path) as server:
        client = await connect(server.url)
        memory = JetStreamStore(client)
        await memory.set("k", 1)
        await asyncio.to_thread(server.kill)
        for call in (memory.get("k"), memory.set("k", 2), memory.delete("k"), memory.modify("k", lambda _: 3)):
            with pytest.raises(Unavailable, match="did not answer"):
                await call
        await client.close()


async def test_a_client_that_is_closed_tries_to_connect_no_more_though_asyncio_loses_that_it_was_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trying = asyncio.Event()

    async def losing(client: Any, server: Any) -> None:
        if trying.is_set():
            await asyncio.Event().wait()
        trying.set()
        with contextlib.suppress(asyncio.CancelledError):  # as `wait_for` of Python 3.11 if both come at once
            await asyncio.Event().wait()
        raise ConnectionRefusedError

    with NatsServer(tmp_path) as server:
        client = await connect(server.url)
        monkeypatch.setattr(type(client), "_connect_to_server", losing)
        await asyncio.to_thread(server.kill)
        await trying.wait()
        await client.close()

    task = client._reconnection_task
    assert task is not None
    assert task.done()
    assert client.is_closed


async def test_a_bucket_that_was_removed_meanwhile_is_said_to_be_missing(
    client: Client, memory: JetStreamStore, bucket: str
) -> None:
    await memory.set("k", 1)
    await client.jetstream().delete_key_value(bucket)

    assert await memory.get("k") is None
    with pytest.raises(Unavailable, match="the stream is missing"):
        await memory.set("k", 2)


def test_the_name_of_an_entry_is_short_and_of_the_characters_that_nats_takes() -> None:
    assert encoded_key("messages/c-1_A") == "messages/c-1_A"
    assert encoded_key("a.b=c") == "a=2Eb=3Dc"
    assert (encoded_key(""), encoded_key("="), encoded_key("_kv")) == ("=", "=3D", "=5Fkv")
    assert len(encoded_key("x" * KEY_LIMIT)) == KEY_LIMIT
    assert len(encoded_key("x" * (KEY_LIMIT + 1))) == 66
    assert encoded_key("x" * 1000) != encoded_key("x" * 1001)


async def test_a_bucket_that_somebody_removed_is_made_again_by_the_write_after_the_one_that_failed(
    memory: JetStreamStore, client: Client, bucket: str
) -> None:
    await memory.set("key", 1)
    await api(client, f"STREAM.DELETE.KV_{bucket}", {})

    assert await memory.get("key") is None
    with pytest.raises(Unavailable):
        await memory.set("key", 2)
    await memory.set("key", 3)

    assert await memory.get("key") == 3

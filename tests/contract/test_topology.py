"""What a namespace consists of on a real nats-server, and that anyone may create it at any time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from agent_runtime_framework.events import (
    AgentKey,
    ConversationId,
    FrameworkError,
    InvalidId,
    InvalidInput,
    Unavailable,
)
from agent_runtime_framework.runtime.bus import PARTITIONS, partition_of
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.nats import connection
from agent_runtime_framework.runtime.nats.connection import ApiError, api, connect, publish
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.topology import ensure, event_stream, find
from agent_runtime_framework.testing import NatsServer


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    client = await connect(nats_url)
    yield client
    await client.close()


@pytest.fixture
def namespace() -> str:
    return new_id("topology")


async def config(client: Client, stream: str) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(await api(client, f"STREAM.INFO.{stream}"))
    return dict(answer["config"])


async def streams(client: Client, namespace: str) -> set[str]:
    names: list[str] = []
    while True:  # the server names so many at a time
        answer = msgspec.json.decode(await api(client, "STREAM.NAMES", {"offset": len(names)}))
        names += answer["streams"] or ()
        if len(names) >= answer["total"] or not answer["streams"]:
            return {name for name in names if namespace in name}


async def test_nothing_is_found_before_it_is_created_and_looking_creates_nothing(
    client: Client, namespace: str
) -> None:
    assert await find(client, namespace) is None
    assert await streams(client, namespace) == set()


async def test_a_namespace_is_its_event_streams_its_work_queue_and_its_leases(client: Client, namespace: str) -> None:
    names = await ensure(client, namespace, shards=3)

    assert names == Names(namespace, 3)
    assert await streams(client, namespace) == {
        *(names.event_stream(shard) for shard in range(3)),
        names.command_stream,
        names.lease_stream,
    }


async def test_no_event_is_ever_discarded(client: Client, namespace: str) -> None:
    names = await ensure(client, namespace, shards=2)

    for shard in range(2):
        found = await config(client, names.event_stream(shard))
        assert found["subjects"] == [f"{namespace}.ev.{shard}.*"]
        unlimited = {"max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msgs_per_subject": -1}
        assert {key: found[key] for key in unlimited} == unlimited
        assert (found["retention"], found["storage"], found["discard"]) == ("limits", "file", "new")


async def test_the_number_of_shards_is_that_of_the_first_creation(client: Client, namespace: str) -> None:
    await ensure(client, namespace, shards=3)

    assert await ensure(client, namespace, shards=5) == Names(namespace, 3)
    assert await find(client, namespace) == Names(namespace, 3)
    assert len(await streams(client, namespace)) == 5


async def test_many_may_create_one_namespace_at_once(nats_url: str, namespace: str) -> None:
    clients = await asyncio.gather(*(connect(nats_url) for _ in range(6)))
    found = await asyncio.gather(
        *(ensure(client, namespace, shards=2 + index % 3) for index, client in enumerate(clients))
    )

    assert len(set(found)) == 1
    assert len(await streams(clients[0], namespace)) == found[0].shards + 2
    assert await find(clients[0], namespace) == found[0]
    await asyncio.gather(*(client.close() for client in clients))


async def test_a_creation_that_was_broken_off_is_completed(client: Client, namespace: str) -> None:
    await api(client, f"STREAM.CREATE.{namespace}-ev-0", event_stream(Names(namespace, 4), 0))

    assert await find(client, namespace) is None
    assert await ensure(client, namespace, shards=8) == Names(namespace, 4)
    assert len(await streams(client, namespace)) == 6


async def test_a_stream_of_somebody_else_is_an_error_that_says_so(client: Client, namespace: str) -> None:
    await api(client, f"STREAM.CREATE.{namespace}-ev-0", {"name": f"{namespace}-ev-0", "subjects": [f"{namespace}.x"]})

    with pytest.raises(FrameworkError, match="was not created by this framework; use another --namespace"):
        await ensure(client, namespace)


async def test_the_work_queue_puts_the_conversations_partition_into_the_subject(client: Client, namespace: str) -> None:
    names = await ensure(client, namespace, shards=1)
    agent = AgentKey("front")
    taken = set()
    for number in range(60):
        conversation = ConversationId(f"c-{number}")
        sequence = (await publish(client, names.command_subject(agent, conversation), b"hi", {})).seq
        answer = await api(client, f"STREAM.MSG.GET.{names.command_stream}", {"seq": sequence})
        stored = msgspec.json.decode(answer)["message"]["subject"]

        assert stored == f"{namespace}.cmdp.front.{partition_of(conversation)}.{conversation}"
        taken.add(partition_of(conversation))
    assert taken == set(range(PARTITIONS))


async def test_leases_end_by_themselves(client: Client, namespace: str) -> None:
    names = await ensure(client, namespace, shards=1)
    found = await config(client, names.lease_stream)

    assert (found["allow_msg_ttl"], found["allow_direct"], found["max_msgs_per_subject"]) == (True, True, 1)
    assert found["subject_delete_marker_ttl"] > 0


async def test_an_account_without_jetstream_is_an_error_that_says_so(tmp_path: Path) -> None:
    accounts = "accounts { A { users: [ { user: a, password: b } ] } }\nno_auth_user: a"
    with NatsServer(tmp_path, settings=accounts) as server:
        client = await connect(server.url)
        with pytest.raises(ApiError, match="JetStream not enabled for account"):
            await find(client, "arf")
        await client.close()


async def test_a_server_that_died_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT", 0.3)
    with NatsServer(tmp_path) as server:
        client = await connect(server.url)
        await asyncio.to_thread(server.kill)
        with pytest.raises(Unavailable, match="did not answer"):
            await find(client, "arf")
        await client.close()


@pytest.mark.parametrize("name", ["", "a.b", "*", "a b"])
def test_a_namespace_is_a_token(name: str) -> None:
    with pytest.raises(InvalidId, match="namespace"):
        Names(name, 8)


def test_a_namespace_has_at_least_one_shard() -> None:
    with pytest.raises(InvalidInput, match="at least 1"):
        Names("arf", 0)


def test_conversations_spread_over_all_shards() -> None:
    names = Names("arf", 8)
    counts = [0] * 8
    for number in range(8_000):
        counts[names.shard(ConversationId(f"c-{number}"))] += 1

    assert min(counts) > 800

"""What an inspection finds on real servers: that all is well, each thing that is not, and what cannot be known."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent_runtime_framework.events import AgentKey, FrameworkError, WriterId
from agent_runtime_framework.runtime.bus import PARTITIONS
from agent_runtime_framework.runtime.client import Client
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.credentials import Credentials
from agent_runtime_framework.runtime.embedded.process import free_port
from agent_runtime_framework.runtime.findings import Finding, filled
from agent_runtime_framework.runtime.inspection import inspect
from agent_runtime_framework.runtime.nats import connection
from agent_runtime_framework.runtime.nats.client import Connection
from agent_runtime_framework.runtime.nats.connection import api, connect, publish
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.topology import ensure, event_stream
from agent_runtime_framework.runtime.opening import Place, opened
from agent_runtime_framework.testing import NatsServer
from support.secured import SecuredServer

BOT = AgentKey("bot")
NAMES = Names("arf", 2)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path) as running:
        yield running


@pytest.fixture
async def client(server: NatsServer) -> AsyncIterator[Connection]:
    """A connection to a server that has the namespace, with two shards."""
    connected = await connect(server.url)
    await ensure(connected, "arf", shards=2)
    yield connected
    await connected.close()


async def found(place: Place, **options: Any) -> dict[str, Finding]:
    """Return the findings by name, each of which is there once."""
    findings = await inspect(place, **options)
    named = {finding.name: finding for finding in findings}
    assert len(named) == len(findings)
    return named


def statuses(findings: dict[str, Finding]) -> dict[str, str]:
    return {name: finding.status for name, finding in findings.items() if finding.status != "ok"}


@contextmanager
def served(directory: Path, settings: str) -> Iterator[Place]:
    with SecuredServer(directory, settings=settings) as running:
        yield Place(nats=running.url)


async def test_all_is_well_where_all_partitions_are_owned(server: NatsServer, client: Connection) -> None:
    async with opened(Place(nats=server.url), WriterId("w-1")) as there:
        await asyncio.gather(*(there.substrate.leases.acquire(BOT, partition) for partition in range(PARTITIONS)))
        findings = await found(Place(nats=server.url))

    # what a single server does not tell
    assert statuses(findings) == {"storage": "unknown", "durability": "unknown"}
    assert findings["server"].value.startswith("nats-server 2.")
    assert findings["server"].value.endswith(f"at {server.url}")
    assert findings["cluster"].value == "none: one server"
    assert findings["max_payload"].value == "1.0 MB"
    assert findings["streams"].value == "2 shards, commands and leases"
    assert findings["replicas"].value == "1"
    assert findings["commands"].value == "0 unacknowledged"
    assert findings["workers"].value == "1"
    assert findings["agent bot"].value == "16 of 16 partitions owned, workers: 1, commands: 0"
    assert all(finding.advice == "" for finding in findings.values() if finding.status == "ok")


class TestTheServer:
    async def test_no_server_is_one_finding(self, server: NatsServer) -> None:
        await asyncio.to_thread(server.stop)
        (finding,) = await inspect(Place(nats=server.url.replace("//", "//ada:s3cret@")))

        assert (finding.name, finding.status) == ("server", "wrong")
        assert finding.value.startswith(f"no NATS server answers at {server.url} ")
        assert finding.advice == "start it, or name another with --nats URL"

    async def test_wrong_credentials_are_one_finding(self, tmp_path: Path) -> None:
        with served(tmp_path, "authorization { token: right }") as place:
            assert place.nats is not None
            (finding,) = await inspect(Place(nats=place.nats, credentials=Credentials(token="s3cret")))

        assert (finding.name, finding.status, finding.advice) == ("server", "wrong", "")
        assert "refused the token" in finding.value

    @pytest.mark.parametrize(
        "settings",
        ["accounts { A { users: [ { user: a, password: b } ] } }\nno_auth_user: a", "jetstream: disabled"],
    )
    async def test_jetstream_that_is_off_is_wrong(self, settings: str, tmp_path: Path) -> None:
        server = NatsServer(tmp_path, settings=settings)
        if "disabled" in settings:
            server._config = f'listen: "127.0.0.1:{server.port}"\n'
        await asyncio.to_thread(start_without_jetstream, server)
        findings = await found(Place(nats=server.url))
        await asyncio.to_thread(server.stop)

        assert statuses(findings) == {"jetstream": "wrong"}
        assert findings["jetstream"].advice.startswith("turn JetStream on")
        assert "namespace" not in findings

    async def test_a_server_that_takes_only_small_messages_is_a_warning(self, tmp_path: Path) -> None:
        with served(tmp_path, "max_payload: 64KB") as place:
            findings = await found(place)

        assert findings["max_payload"].status == "warning"
        assert findings["max_payload"].value == "64.0 KB"

    async def test_storage_is_measured_against_the_account(self, tmp_path: Path) -> None:
        account = "accounts { A { jetstream { max_file: 1MB }, users: [ { user: a, password: b } ] } }\nno_auth_user: a"
        with served(tmp_path, account) as place:
            assert place.nats is not None
            client = await connect(place.nats)
            names = await ensure(client, "arf", shards=1)
            empty = await found(place)
            for number in range(9):
                await client.request(f"{names.namespace}.ev.0.c-{number}", bytes(100_000), timeout=5)
            full = await found(place)
            await client.close()

        assert (empty["storage"].status, full["storage"].status) == ("ok", "warning")
        assert full["storage"].value.startswith("879.")
        assert "1.0 MB used" in full["storage"].value

    @pytest.mark.parametrize(("used", "status"), [(0, "ok"), (79, "ok"), (80, "warning"), (100, "warning")])
    def test_four_fifths_are_a_warning(self, used: int, status: str) -> None:
        finding = filled("disk", used, 100, "free some")

        assert finding.status == status
        assert finding.advice == ("free some" if status == "warning" else "")
        assert finding.value == f"{used} bytes of 100 bytes used, {100 - used} bytes left"

    async def test_what_the_server_forbids_to_ask_is_unknown(self, tmp_path: Path) -> None:
        settings = """authorization { users: [ { user: a, password: b, permissions: {
            publish: { deny: ["$JS.API.INFO", "$JS.API.STREAM.INFO.>"] } } } ] }"""
        with served(tmp_path, settings) as place:
            findings = await found(Place(nats=place.nats, credentials=Credentials(user="a", password="b")))

        assert statuses(findings) == {"jetstream": "unknown", "namespace": "unknown"}
        assert "publish to '$JS.API.INFO'" in findings["jetstream"].value
        assert "publish to '$JS.API.STREAM.INFO.arf-ev-0'" in findings["namespace"].value


def start_without_jetstream(server: NatsServer) -> None:
    """Start a server that never says that JetStream is there."""
    from agent_runtime_framework.runtime.embedded import process

    server._process = process.spawn(server.directory, server._config)
    while process.port_is_free(server.port) and server.pid is not None:
        time.sleep(0.01)


class TestTheNamespace:
    async def test_one_that_is_not_there_is_a_warning_and_is_not_created(self, server: NatsServer) -> None:
        findings = await found(Place(nats=server.url))
        client = await connect(server.url)
        streams = msgspec.json.decode(await api(client, "STREAM.NAMES"))["streams"]
        await client.close()

        assert statuses(findings) == {"storage": "unknown", "namespace": "warning", "clock": "unknown"}
        assert findings["namespace"].value == "arf: nothing is there"
        assert not streams

    async def test_inspecting_writes_nothing(self, server: NatsServer, client: Connection) -> None:
        before = await api(client, "INFO")
        await found(Place(nats=server.url))
        after = await api(client, "INFO")

        kept = ("storage", "memory", "streams", "consumers")
        assert [msgspec.json.decode(before)[key] for key in kept] == [msgspec.json.decode(after)[key] for key in kept]

    @pytest.mark.parametrize("stream", [NAMES.event_stream(1), NAMES.command_stream])
    async def test_a_stream_that_is_missing_is_wrong(self, stream: str, server: NatsServer, client: Connection) -> None:
        await api(client, f"STREAM.DELETE.{stream}")
        findings = await found(Place(nats=server.url))

        assert findings["streams"].status == "wrong"
        assert findings["streams"].value == f"missing: {stream}"
        assert findings["streams"].advice.startswith("restore it from a backup")

    async def test_one_whose_first_stream_is_missing_is_wrong(self, server: NatsServer, client: Connection) -> None:
        await api(client, f"STREAM.DELETE.{NAMES.event_stream(0)}")
        findings = await found(Place(nats=server.url))

        assert findings["namespace"].status == "wrong"
        assert findings["namespace"].value == "arf: incomplete, without arf-ev-0"
        assert findings["namespace"].advice.startswith("restore it from a backup")

    async def test_one_that_was_begun_says_what_completes_it(self, server: NatsServer) -> None:
        client = await connect(server.url)
        await api(client, "STREAM.CREATE.arf-ev-0", event_stream(NAMES, 0))
        findings = await found(Place(nats=server.url))
        await client.close()

        assert findings["namespace"].value == "arf: incomplete, without arf-cmd, KV_arf-leases"
        assert findings["namespace"].advice == "start a worker: it completes what was begun"

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"max_age": 3_600_000_000_000}, "arf-ev-1 has max_age 3600000000000"),
            ({"max_msgs_per_subject": 10}, "arf-ev-1 has max_msgs_per_subject 10"),
            ({"discard": "old"}, "arf-ev-1 has discard old, not new"),
            ({"allow_direct": False}, "arf-ev-1 has allow_direct false, not true"),
            ({"subjects": ["arf.ev.1.*", "x"]}, 'arf-ev-1 has subjects ["arf.ev.1.*","x"], not ["arf.ev.1.*"]'),
        ],
    )
    async def test_a_setting_that_was_changed_is_wrong(
        self, change: dict[str, Any], said: str, server: NatsServer, client: Connection
    ) -> None:
        await api(client, "STREAM.UPDATE.arf-ev-1", {**event_stream(NAMES, 1), **change})
        findings = await found(Place(nats=server.url))

        assert findings["streams"].status == "wrong"
        assert findings["streams"].value == f"2 shards, commands and leases; {said}"

    async def test_what_an_operator_may_change_is_well(self, server: NatsServer, client: Connection) -> None:
        config = event_stream(NAMES, 1)
        metadata = {**config["metadata"], "team": "a"}
        await api(client, "STREAM.UPDATE.arf-ev-1", {**config, "metadata": metadata, "compression": "s2"})

        assert (await found(Place(nats=server.url)))["streams"].status == "ok"

    async def test_a_stream_of_somebody_else_is_wrong(self, server: NatsServer) -> None:
        client = await connect(server.url)
        await api(client, "STREAM.CREATE.arf-ev-0", {"name": "arf-ev-0", "subjects": ["x"]})
        findings = await found(Place(nats=server.url))
        await client.close()

        assert findings["namespace"].status == "wrong"
        assert "was not created by this framework; use another --namespace" in findings["namespace"].value


class TestTheWork:
    async def test_commands_without_a_worker_are_a_warning(self, server: NatsServer, client: Connection) -> None:
        async with Client.connect(server.url) as sender:
            for number in range(3):
                await sender.publish(BOT, f"c-{number}", "hello")
        await publish(client, "arf.cmdp.by.hand", b"no command", {})
        findings = await found(Place(nats=server.url))

        assert findings["commands"].status == "warning"
        assert findings["commands"].value == "4 unacknowledged, 3 of them for partitions that no worker owns"
        assert findings["workers"].value == "none"
        assert findings["workers"].advice == "start one: arf worker MODULE:ATTR"
        assert findings["agent bot"].value == "0 of 16 partitions owned, workers: 0, commands: 3"
        assert findings["agent bot"].advice == "start a worker for it: nobody answers"

    async def test_partitions_that_nobody_owns_are_a_warning(self, server: NatsServer, client: Connection) -> None:
        async with (
            opened(Place(nats=server.url), WriterId("w-1")) as one,
            opened(Place(nats=server.url), WriterId("w-2")) as two,
        ):
            for partition in range(14):
                await (one, two)[partition % 2].substrate.leases.acquire(BOT, partition)
            await one.substrate.leases.acquire(AgentKey("other"), 3)
            await Client(one.substrate).publish(BOT, "c-1", "hello")
            findings = await found(Place(nats=server.url))

        owned = "14 of 16 partitions owned, workers: 2, commands: 1; nobody owns 14-15"
        assert (findings["workers"].value, findings["workers"].status) == ("2", "ok")
        assert (findings["agent bot"].value, findings["agent bot"].status) == (owned, "warning")
        assert findings["agent other"].value.startswith("1 of 16 partitions owned, workers: 1, commands: 0; nobody")

    async def test_a_client_sees_who_is_alive(self, server: NatsServer, client: Connection) -> None:
        async with opened(Place(nats=server.url), WriterId("w-1")) as there, Client.connect(server.url) as sender:
            assert await sender.workers() == {}
            assert await sender.owner(BOT, "c-1") is None
            for partition in range(PARTITIONS):
                await there.substrate.leases.acquire(BOT, partition)

            assert await sender.workers() == {BOT: {WriterId("w-1")}}
            assert await sender.owner(BOT, "c-1") == "w-1"
            assert await sender.owner("other", "c-1") is None


class Shifted(SystemClock):
    """Is a clock that is so many seconds off."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> int:
        return super().now() + round(self._seconds * 1000)


@pytest.mark.parametrize(
    ("seconds", "status", "said"),
    [(0.5, "ok", "ahead of"), (-0.5, "ok", "behind"), (5, "warning", "ahead of"), (-5, "warning", "behind")],
)
async def test_a_clock_that_is_over_a_second_off_is_a_warning(
    seconds: float, status: str, said: str, server: NatsServer, client: Connection
) -> None:
    clock = (await found(Place(nats=server.url), clock=Shifted(seconds)))["clock"]

    assert clock.status == status
    assert f" s {said} the server" in clock.value
    assert abs(float(clock.value.split()[0]) - abs(seconds)) < 0.3


class TestTheEmbeddedServer:
    async def test_nothing_is_created_where_nothing_is(self, tmp_path: Path) -> None:
        (finding,) = await inspect(Place(home=tmp_path / ".arf"))

        assert (finding.name, finding.status) == ("server", "wrong")
        assert finding.value.startswith(f"there is nothing of arf in {tmp_path / '.arf'}")
        assert not (tmp_path / ".arf").exists()

    async def test_one_that_is_stopped_runs_for_the_inspection(self, tmp_path: Path) -> None:
        place = Place(home=tmp_path / ".arf")
        async with opened(place, WriterId("w")):
            during = await found(place)
        after = await found(place)

        for findings in (during, after):
            assert findings["durability"] == Finding("durability", "fsync")
            assert findings["storage"].status == "ok"
            assert "left" in findings["disk"].value
            assert set(statuses(findings)) <= {"workers", "disk"}

    async def test_one_whose_settings_are_damaged_is_wrong(self, tmp_path: Path) -> None:
        place = Place(home=tmp_path / ".arf")
        async with opened(place, WriterId("w")):
            (tmp_path / ".arf" / "server.json").write_text("{")
        (finding,) = await inspect(place)

        assert (finding.name, finding.status) == ("server", "wrong")
        assert "delete this one file" in finding.value


async def test_a_cluster_is_replicated_and_a_server_that_is_away_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT", 1.0)
    ports = [free_port() for _ in range(3)]
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
    servers = []
    for number, port in enumerate(ports):
        directory = tmp_path / f"{number}"
        await asyncio.to_thread(directory.mkdir)
        cluster = f'cluster {{ name: three, listen: "127.0.0.1:{port}", routes: [{routes}] }}'
        servers.append(NatsServer(directory, settings=f"server_name: s-{number}\n{cluster}"))
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        await created(servers[0].url, replicas=3)
        place = Place(nats=servers[0].url)
        async with asyncio.timeout(40):  # a server that has just been given a stream is behind for a moment
            while "replicas" not in (whole := await found(place)) or whole["replicas"].status != "ok":
                pass
        await asyncio.to_thread(servers[2].kill)
        async with asyncio.timeout(40):
            while "replicas" not in (less := await found(place)) or "s-2" not in less["replicas"].value:
                pass
        await created(servers[0].url, replicas=1, namespace="single")
        single = await found(Place(nats=servers[0].url, namespace="single"))
    finally:
        await asyncio.gather(*(asyncio.to_thread(server.kill) for server in servers))

    assert (whole["cluster"].value, whole["replicas"].value, whole["replicas"].status) == ("three", "3", "ok")
    assert whole["durability"] == Finding("durability", "replicated")
    assert less["replicas"].status == "warning"
    assert less["replicas"].value.startswith("3; s-2 is away or behind in ")
    assert single["replicas"].status == "warning"
    assert single["replicas"].advice == "keep each stream on three servers: nats stream edit STREAM --replicas 3"
    assert single["durability"].status == "unknown"


async def created(url: str, *, replicas: int, namespace: str = "arf") -> None:
    """Create a namespace as soon as the cluster has agreed on who leads it."""
    client = await connect(url)
    try:
        async with asyncio.timeout(40):
            while True:
                try:
                    await ensure(client, namespace, shards=1, replicas=replicas)
                except FrameworkError:
                    await asyncio.sleep(0.1)
                else:
                    return
    finally:
        await client.close()

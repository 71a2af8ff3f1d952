"""What holds for every way to give leases out: in memory, and on a real nats-server."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from nats.aio.client import Client

from agent_runtime_framework.events import AgentKey, Unavailable, WriterId
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.leases import MEMORY, Lease, Leases, MemoryLeases
from agent_runtime_framework.runtime.nats import entries as nats_entries
from agent_runtime_framework.runtime.nats.connection import api, connect, publish, request
from agent_runtime_framework.runtime.nats.leases import NatsLeases
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.testing import NatsServer

AGENT = AgentKey("agent")
TTL = 1.0

Pass = Callable[[float], Awaitable[None]]


class ManualClock:
    """Moves only when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


async def taken(leases: Leases, partition: int = 0, agent: AgentKey = AGENT) -> Lease:
    lease = await leases.acquire(agent, partition)
    assert lease is not None, f"partition {partition} of {agent} is held"
    return lease


def freeze(server: NatsServer) -> None:
    """Stop the server's process where it is, so that it answers nothing until SIGCONT."""
    assert server.pid is not None
    server.signal(signal.SIGSTOP)
    os.waitid(os.P_PID, server.pid, os.WSTOPPED)


class LeasesContract:
    """`workers` are ten workers' ways to the same leases, `wait` lets time pass."""

    async def test_a_lease_says_what_it_is_for(self, workers: list[Leases]) -> None:
        lease = await taken(workers[0], 3)

        assert (lease.agent, lease.partition) == (AGENT, 3)
        assert workers[0].ttl == TTL

    async def test_only_one_of_ten_concurrent_acquirers_wins(self, workers: list[Leases], wait: Pass) -> None:
        for _ in range(2):
            got = await asyncio.gather(*(worker.acquire(AGENT, 0) for worker in workers))
            assert len([lease for lease in got if lease is not None]) == 1
            await wait(TTL + 0.1)

    async def test_a_lease_that_is_held_is_refused_to_its_holder_too(self, workers: list[Leases]) -> None:
        await taken(workers[0])

        assert await workers[0].acquire(AGENT, 0) is None
        assert await workers[1].acquire(AGENT, 0) is None

    async def test_partitions_and_agents_are_held_apart(self, workers: list[Leases]) -> None:
        leases = [
            await taken(workers[0], 0),
            await taken(workers[1], 1),
            await taken(workers[1], 0, AgentKey("other")),
        ]
        await workers[0].release(leases[0])

        assert await workers[0].acquire(AGENT, 1) is None
        assert await workers[0].acquire(AgentKey("other"), 0) is None

    async def test_expiry_lets_another_in_with_a_higher_epoch(self, workers: list[Leases], wait: Pass) -> None:
        first = await taken(workers[0])
        await wait(TTL + 0.1)
        second = await taken(workers[1])

        assert second.epoch > first.epoch
        assert await workers[2].acquire(AGENT, 0) is None

    async def test_renewing_keeps_a_lease_beyond_its_ttl_under_its_epoch(
        self, workers: list[Leases], wait: Pass
    ) -> None:
        lease = await taken(workers[0])
        for _ in range(4):
            await wait(TTL / 2)
            assert await workers[0].renew(lease)
            assert await workers[1].acquire(AGENT, 0) is None

        await wait(TTL + 0.1)
        assert (await taken(workers[1])).epoch > lease.epoch

    async def test_a_lease_that_expired_cannot_be_renewed(self, workers: list[Leases], wait: Pass) -> None:
        lease = await taken(workers[0])
        await wait(TTL + 0.1)

        assert not await workers[0].renew(lease)
        assert not await workers[0].renew(lease)
        await taken(workers[1])

    async def test_a_lease_that_another_took_cannot_be_renewed(self, workers: list[Leases], wait: Pass) -> None:
        lost = await taken(workers[0])
        await wait(TTL + 0.1)
        lease = await taken(workers[1])

        assert not await workers[0].renew(lost)
        assert await workers[1].renew(lease)

    async def test_an_old_lease_of_the_present_holder_cannot_be_renewed(
        self, workers: list[Leases], wait: Pass
    ) -> None:
        lost = await taken(workers[0])
        await wait(TTL + 0.1)
        lease = await taken(workers[0])

        assert not await workers[0].renew(lost)
        assert await workers[0].renew(lease)

    async def test_releasing_lets_another_in_at_once(self, workers: list[Leases]) -> None:
        first = await taken(workers[0])
        await workers[0].renew(first)
        await workers[0].release(first)
        second = await taken(workers[1])

        assert second.epoch > first.epoch
        assert not await workers[0].renew(first)

    async def test_releasing_a_lost_lease_leaves_its_new_holder_alone(self, workers: list[Leases], wait: Pass) -> None:
        lost = await taken(workers[0])
        await wait(TTL + 0.1)
        lease = await taken(workers[1])
        await workers[0].release(lost)

        assert await workers[2].acquire(AGENT, 0) is None
        assert await workers[1].renew(lease)

    async def test_epochs_grow_over_any_number_of_owners(self, workers: list[Leases]) -> None:
        epochs = []
        for worker in workers:
            lease = await taken(worker)
            epochs.append(lease.epoch)
            await worker.release(lease)

        assert epochs == sorted(set(epochs))
        assert epochs[0] > 0

    async def test_everyone_sees_who_holds_what(self, workers: list[Leases]) -> None:
        other = AgentKey("other")
        await taken(workers[4], 7)
        renewed = await taken(workers[2], 15)
        await taken(workers[4], 7, other)
        await workers[2].renew(renewed)

        for worker in workers:
            assert await worker.holders() == {
                (AGENT, 7): WriterId("w-4"),
                (AGENT, 15): WriterId("w-2"),
                (other, 7): WriterId("w-4"),
            }

    async def test_nobody_holds_what_was_never_taken_or_given_back_or_expired(
        self, workers: list[Leases], wait: Pass
    ) -> None:
        assert await workers[0].holders() == {}

        kept, released = await taken(workers[0], 0), await taken(workers[0], 1)
        await taken(workers[1], 2)
        await workers[0].release(released)
        for _ in range(3):
            await wait(TTL / 2)
            assert await workers[0].renew(kept)

        assert await workers[1].holders() == {(AGENT, 0): WriterId("w-0")}

    async def test_a_lease_that_changed_hands_has_its_new_holder(self, workers: list[Leases], wait: Pass) -> None:
        await taken(workers[0])
        await wait(TTL + 0.1)
        await taken(workers[1])

        assert await workers[0].holders() == {(AGENT, 0): WriterId("w-1")}


class TestMemoryLeases(LeasesContract):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def workers(self, clock: ManualClock) -> list[Leases]:
        shared = MemoryLeases(clock, ttl=TTL)
        return [shared.of(WriterId(f"w-{number}")) for number in range(10)]

    @pytest.fixture
    def wait(self, clock: ManualClock) -> Pass:
        return clock.sleep

    async def test_users_that_do_not_tell_each_other_apart_are_one_holder(self, clock: ManualClock) -> None:
        leases = MemoryLeases(clock)
        await taken(leases)

        assert await leases.holders() == {(AGENT, 0): MEMORY}


class TestNatsLeases(LeasesContract):
    @pytest.fixture
    async def client(self, nats_url: str) -> AsyncIterator[Client]:
        client = await connect(nats_url)
        yield client
        await client.close()

    @pytest.fixture
    async def names(self, client: Client) -> Names:
        return await ensure(client, new_id("leases"), shards=1)

    @pytest.fixture
    async def workers(self, client: Client, names: Names) -> list[Leases]:
        return [NatsLeases(client, names, WriterId(f"w-{number}"), ttl=TTL) for number in range(10)]

    @pytest.fixture
    def wait(self) -> Pass:
        return asyncio.sleep

    async def test_an_operator_sees_who_holds_a_lease(
        self, client: Client, names: Names, workers: list[Leases]
    ) -> None:
        lease = await taken(workers[4], 7)
        await workers[4].renew(lease)
        entry = f"$JS.API.DIRECT.GET.{names.lease_stream}.$KV.{names.lease_bucket}.{AGENT}.7"

        assert (await request(client, entry, b"")).data == b"w-4"

    async def test_a_lease_whose_marker_is_gone_can_be_taken(
        self, client: Client, names: Names, workers: list[Leases]
    ) -> None:
        lease = await taken(workers[0])
        await workers[0].release(lease)
        await request(client, f"$JS.API.STREAM.PURGE.{names.lease_stream}", b"")

        assert (await taken(workers[1])).epoch > lease.epoch

    async def test_a_lease_whose_entry_is_gone_is_lost(
        self, client: Client, names: Names, workers: list[Leases]
    ) -> None:
        lease = await taken(workers[0])
        await request(client, f"$JS.API.STREAM.PURGE.{names.lease_stream}", b"")

        assert not await workers[0].renew(lease)

    async def test_an_entry_that_somebody_else_wrote_over_a_lease_loses_it(
        self, client: Client, names: Names, workers: list[Leases]
    ) -> None:
        lease = await taken(workers[0])
        await publish(client, f"$KV.{names.lease_bucket}.{AGENT}.0", b"an operator", {"Nats-TTL": "60s"})

        assert not await workers[0].renew(lease)
        assert await workers[1].acquire(AGENT, 0) is None

    async def test_holders_come_in_as_many_answers_as_it_takes(
        self, workers: list[Leases], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(nats_entries, "BATCH", 3)
        await asyncio.gather(*(taken(workers[partition % 10], partition) for partition in range(16)))

        assert await workers[0].holders() == {(AGENT, number): WriterId(f"w-{number % 10}") for number in range(16)}

    async def test_what_is_no_lease_has_no_holder(self, client: Client, names: Names, workers: list[Leases]) -> None:
        for key in ("agent", "agent.x", "agent.1.2"):
            await publish(client, f"$KV.{names.lease_bucket}.{key}", b"an operator", {})

        assert await workers[0].holders() == {}

    async def test_holders_of_a_bucket_that_is_gone_are_not_there_to_be_known(
        self, client: Client, names: Names, workers: list[Leases]
    ) -> None:
        await api(client, f"STREAM.DELETE.{names.lease_stream}")

        with pytest.raises(Unavailable, match=names.lease_stream):
            await workers[0].holders()

    async def test_a_ttl_that_the_server_cannot_keep_is_refused(self, client: Client, names: Names) -> None:
        with pytest.raises(ValueError, match="1 second or more"):
            NatsLeases(client, names, WriterId("w"), ttl=0.5)


class TestNatsLeasesWithoutAnswer:
    """A server of its own, since it is stopped."""

    async def test_a_silent_server_is_unavailable_while_there_is_time_left(self, tmp_path: Path) -> None:
        with NatsServer(tmp_path) as server:
            client = await connect(server.url)
            leases = NatsLeases(client, await ensure(client, "t", shards=1), WriterId("w"), ttl=2)
            lease = await taken(leases)
            asked = asyncio.get_running_loop().time()
            freeze(server)
            with pytest.raises(Unavailable, match=r"agent\.0"):
                await leases.renew(lease)
            with pytest.raises(Unavailable, match=r"agent\.1"):
                await leases.acquire(AGENT, 1)
            server.signal(signal.SIGCONT)

            assert asyncio.get_running_loop().time() - asked < 2.5
            await client.close()

    async def test_a_renewal_whose_acknowledgement_was_lost_is_found_again(self, tmp_path: Path) -> None:
        with NatsServer(tmp_path) as server:
            client = await connect(server.url)
            names = await ensure(client, "t", shards=1)
            leases, rival = NatsLeases(client, names, WriterId("w")), NatsLeases(client, names, WriterId("r"))
            lease, released = await taken(leases, 0), await taken(leases, 1)
            freeze(server)
            lost = await asyncio.gather(leases.renew(lease), leases.renew(released), return_exceptions=True)
            server.signal(signal.SIGCONT)
            assert [type(error) for error in lost] == [Unavailable, Unavailable]
            # on one connection requests are answered in order, so the renewals are stored now
            assert await rival.acquire(AGENT, 0) is None

            assert await leases.renew(lease)
            await leases.release(released)
            assert (await taken(rival, 1)).epoch > released.epoch
            await client.close()

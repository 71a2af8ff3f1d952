"""What holds for every way to know which workers are there: in memory, and on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from agent_runtime_framework.events import AgentKey, Unavailable, WriterId
from agent_runtime_framework.runtime.clock import SystemClock, new_id
from agent_runtime_framework.runtime.members import Member, Members, MemoryMembers, preferred, would_take
from agent_runtime_framework.runtime.nats.connection import connect, publish
from agent_runtime_framework.runtime.nats.entries import entries
from agent_runtime_framework.runtime.nats.leases import NatsLeases
from agent_runtime_framework.runtime.nats.members import NatsMembers
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.testing import NatsServer

AGENT = AgentKey("agent")
TTL = 1.0
PATIENCE = 10


def member(number: int, *agents: str, turns: int = 0) -> Member:
    keys = tuple(AgentKey(agent) for agent in agents or (AGENT,))
    return Member(worker=WriterId(f"w-{number}"), agents=keys, host="here", pid=number, since=5, turns=turns)


async def gone(members: Members, worker: str) -> None:
    """Return once a worker is no member any more."""
    async with asyncio.timeout(PATIENCE):
        while any(one.worker == worker for one in await members.members()):  # noqa: ASYNC110  it expires silently
            await asyncio.sleep(0.02)


class MembersContract:
    """`members` and `others` are two workers' ways to the same members."""

    async def test_who_joins_is_there_as_it_said_last(self, members: Members, others: Members) -> None:
        await members.join(member(2, "a", "b"))
        await others.join(member(1))
        await members.join(member(2, "a", turns=3))

        assert await members.members() == await others.members() == (member(1), member(2, "a", turns=3))

    async def test_the_versions_of_a_workers_agents_are_known(self, members: Members, others: Members) -> None:
        versions = {AGENT: ("5c1f", "77d2")}
        await members.join(Member(worker=WriterId("w-1"), agents=(AGENT,), versions=versions))

        (there,) = await others.members()

        assert there.versions == versions
        assert would_take(AGENT, 3, "77d2", [there])

    async def test_who_leaves_is_gone_at_once(self, members: Members, others: Members) -> None:
        await members.join(member(1))
        await members.leave(WriterId("w-1"))
        await members.leave(WriterId("w-2"))

        assert await others.members() == ()
        await members.join(member(1))
        assert await others.members() == (member(1),)

    async def test_who_says_nothing_is_gone_after_a_while_and_others_stay(
        self, members: Members, others: Members
    ) -> None:
        async def staying() -> None:
            while True:
                await others.join(member(2))
                await asyncio.sleep(TTL / 4)

        await members.join(member(1))
        stays = asyncio.ensure_future(staying())
        await gone(others, "w-1")

        assert await members.members() == (member(2),)
        stays.cancel()

    async def test_all_are_told_of_a_change(self, members: Members, others: Members) -> None:
        waiting = [asyncio.ensure_future(each.changed()) for each in (members, members, others)]

        async with asyncio.timeout(PATIENCE):
            while not all(task.done() for task in waiting):  # over a server, one may not be listening yet
                await others.notify()
                await asyncio.sleep(0.01)


class TestMemoryMembers(MembersContract):
    @pytest.fixture
    def members(self) -> Members:
        return MemoryMembers(SystemClock(), ttl=TTL)

    @pytest.fixture
    def others(self, members: Members) -> Members:
        return members


class TestNatsMembers(MembersContract):
    @pytest.fixture
    async def client(self, nats_url: str) -> AsyncIterator[Client]:
        client = await connect(nats_url)
        yield client
        await client.close()

    @pytest.fixture
    async def names(self, client: Client) -> Names:
        return await ensure(client, new_id("members"), shards=1)

    @pytest.fixture
    def members(self, client: Client, names: Names) -> Members:
        return NatsMembers(client, names, ttl=TTL)

    @pytest.fixture
    async def others(self, nats_url: str, names: Names) -> AsyncIterator[Members]:
        client = await connect(nats_url)
        yield NatsMembers(client, names, ttl=TTL)
        await client.close()

    async def test_members_and_leases_are_not_taken_for_each_other(
        self, client: Client, names: Names, members: Members
    ) -> None:
        leases = NatsLeases(client, names, WriterId("w-1"), ttl=TTL)
        await members.join(member(1))
        await leases.acquire(AGENT, 3)

        assert await members.members() == (member(1),)
        assert await leases.holders() == {(AGENT, 3): WriterId("w-1")}

    async def test_nothing_stays_written_of_who_came_and_went(
        self, client: Client, names: Names, members: Members
    ) -> None:
        for number in range(3):
            await members.join(member(number))
            await members.leave(WriterId(f"w-{number}"))
        left = [entry async for _, entry in entries(client, names.lease_bucket, "*")]

        assert [(entry.data, (entry.headers or {}).get("Nats-TTL")) for entry in left] == [(b"", "60s")] * 3

    async def test_what_is_no_member_is_left_out(self, client: Client, names: Names, members: Members) -> None:
        for key, value in (("w-1", b"\xff"), ("w-2", b"[]"), ("w-3", b'{"worker":"w-3"}')):
            await publish(client, f"$KV.{names.lease_bucket}.{key}", value, {})
        await members.join(member(4))

        assert await members.members() == (member(4),)

    async def test_a_worker_of_an_older_release_has_no_version(
        self, client: Client, names: Names, members: Members
    ) -> None:
        await publish(client, f"$KV.{names.lease_bucket}.w-1", b'{"worker":"w-1","agents":["agent"]}', {})

        (there,) = await members.members()

        assert there == Member(worker=WriterId("w-1"), agents=(AGENT,))
        assert not would_take(AGENT, 3, "5c1f", [there])

    async def test_without_a_server_that_is_said(self, tmp_path: Path) -> None:
        with NatsServer(tmp_path) as server:
            client = await connect(server.url)
            members = NatsMembers(client, await ensure(client, "t", shards=1))
        with pytest.raises(Unavailable):
            await members.join(member(1))
        with pytest.raises(Unavailable):
            await members.members()
        await members.notify()
        await client.close()


def test_every_partition_has_one_owner_whoever_reckons() -> None:
    here = [member(number) for number in range(5)]
    owners = [preferred(AGENT, partition, here) for partition in range(64)]

    assert owners == [preferred(AGENT, partition, reversed(here)) for partition in range(64)]
    assert {owners.count(WriterId(f"w-{number}")) > 4 for number in range(5)} == {True}


def test_a_worker_that_comes_or_goes_moves_only_what_it_gains_or_loses() -> None:
    before = [member(number) for number in range(3)]
    moved = [
        (was, now)
        for partition in range(64)
        if (was := preferred(AGENT, partition, before)) != (now := preferred(AGENT, partition, [*before, member(3)]))
    ]

    assert 5 < len(moved) < 30
    assert {now for _, now in moved} == {"w-3"}


def test_only_workers_that_have_the_agent_count() -> None:
    here = [member(1, "a"), member(2, "b")]

    assert {preferred(AgentKey("a"), partition, here) for partition in range(16)} == {"w-1"}
    assert preferred(AgentKey("c"), 0, here) is None

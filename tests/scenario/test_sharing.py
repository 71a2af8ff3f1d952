"""Workers share the conversations of an agent: who joins gets its part, who leaves hands its own on."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from agent_runtime_framework import NoReply, Runtime
from agent_runtime_framework.events import AgentKey, ConversationId, MemoryLog, TurnResumed, Unavailable, WriterId
from agent_runtime_framework.runtime.bus import Consumption, Deliver, MemoryBus, partition_of
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.leases import Lease, MemoryLeases
from agent_runtime_framework.runtime.live import MemoryLive
from agent_runtime_framework.runtime.members import Member, MemoryMembers, preferred
from agent_runtime_framework.runtime.substrate import Substrate, stores_in_memory
from agent_runtime_framework.testing import ScriptedLLM
from support.journeys import frames, order_agent, recorded, types, working

ORDER = AgentKey("order")
PATIENCE = 20


class Busy:
    """Is an answer that is given once it may be; it says when it was asked for."""

    def __init__(self, text: str = "First.") -> None:
        self.text = text
        self.asked = asyncio.Event()
        self.may = asyncio.Event()

    async def __call__(self, messages: Any, tools: Any) -> str:
        self.asked.set()
        await self.may.wait()
        return self.text


def moving_to(second: WriterId, first: WriterId, *, moves: bool, taken: int = -1) -> str:
    """Return a conversation that changes hands when `second` joins `first`, or does not; not in a partition taken."""
    here = [Member(worker=worker, agents=(ORDER,)) for worker in (first, second)]
    for number in range(1000):
        conversation = f"c-{number}"
        partition = partition_of(ConversationId(conversation))
        if partition != taken and (preferred(ORDER, partition, here) == second) == moves:
            return conversation
    raise AssertionError("there is none")


async def owned_by(rt: Runtime, conversation: str, worker: WriterId | None) -> None:
    """Return once the conversation's partition is that worker's."""
    async with asyncio.timeout(PATIENCE):
        while await rt.owner("order", conversation) != worker:  # noqa: ASYNC110  a lease says nothing when it is taken
            await asyncio.sleep(0.01)


def shared(ttl: float = 0.4) -> list[Substrate]:
    """Return two ways to one substrate in memory, whose leases are told apart by who holds them."""
    clock, log, bus, live, stores = SystemClock(), MemoryLog(), MemoryBus(), MemoryLive(), stores_in_memory()
    leases, members = MemoryLeases(clock, ttl=ttl), MemoryMembers(clock, ttl=ttl)
    return [Substrate(log, bus, leases.of(WriterId(name)), members, live, stores) for name in ("w-first", "w-second")]


def named(rt: Runtime, name: str) -> WriterId:
    """Call a runtime's worker so, as the leases do."""
    rt.writer = WriterId(name)
    return rt.writer


async def test_a_worker_that_joins_gets_its_share_and_all_goes_on() -> None:
    one, other = shared()
    with ScriptedLLM(*["Hello."] * 20) as llm:
        agent = order_agent(llm)
        first, second = (Runtime([agent], substrate=each) for each in (one, other))
        named(first, "w-first"), named(second, "w-second")
        async with first, second:
            workers = [first.worker(), second.worker()]
            running = [asyncio.ensure_future(workers[0].run())]
            assert await workers[0].owned(*running)
            assert workers[0].partitions == 16
            running.append(asyncio.ensure_future(workers[1].run()))
            assert await workers[1].owned(*running)
            moved = moving_to(second.writer, first.writer, moves=True)
            await owned_by(first, moved, second.writer)
            for number in range(20):
                assert (await first.send("order", f"c-{number}", "hi", timeout=PATIENCE)).text == "Hello."
            every = [await frames(one, f"c-{number}") for number in range(20)]
            holders = set((await one.leases.holders()).values())
            for worker in workers:
                worker.stop()
            await asyncio.gather(*running)

    assert holders == {"w-first", "w-second"}
    assert {stored.frame.writer for each in every for stored in each} == {"w-first", "w-second"}


async def test_a_turn_in_progress_stays_where_it_is_while_the_others_move() -> None:
    one, other = shared()
    busy = Busy()
    with ScriptedLLM(busy, "There.", "Here again.") as llm:
        agent = order_agent(llm)
        first, second = (Runtime([agent], substrate=each) for each in (one, other))
        named(first, "w-first"), named(second, "w-second")
        stays = moving_to(second.writer, first.writer, moves=True)
        moves = moving_to(second.writer, first.writer, moves=True, taken=partition_of(ConversationId(stays)))
        async with first, second:
            old, new = first.worker(), second.worker()
            running = [asyncio.ensure_future(old.run())]
            assert await old.owned(*running)
            sending = asyncio.ensure_future(first.send("order", stays, "one", timeout=PATIENCE))
            await busy.asked.wait()
            running.append(asyncio.ensure_future(new.run()))
            await owned_by(first, moves, second.writer)
            there = await first.send("order", moves, "two", timeout=PATIENCE)
            waiting = asyncio.ensure_future(first.send("order", stays, "three", timeout=PATIENCE))
            busy.may.set()
            replies = [(await each).text for each in (sending, waiting)]
            writers = [stored.frame.writer for stored in await frames(one, stays)]
            old.stop()
            new.stop()
            await asyncio.gather(*running)
        assert there.text == "There."
        assert replies == ["First.", "Here again."]
        assert writers == ["w-first"] * 2 + ["w-second"] * 2
    assert not any(
        isinstance(event, TurnResumed) for stored in await frames(one, stays) for event in stored.frame.events
    )


async def test_a_worker_that_leaves_hands_idle_partitions_on_while_a_turn_goes_on_in_another(
    substrate: Substrate,
) -> None:
    busy = Busy()
    with ScriptedLLM(busy, "Next.") as llm:
        agent = order_agent(llm)
        async with Runtime([agent], substrate=substrate) as leaving:
            worker = leaving.worker()
            running = asyncio.ensure_future(worker.run())
            assert await worker.owned(running)
            sending = asyncio.ensure_future(leaving.send("order", "c-1", "one", timeout=PATIENCE))
            await busy.asked.wait()
            worker.stop()
            async with working(agent, substrate=substrate) as rt:
                other = next(f"c-{n}" for n in range(2, 99) if partition_of(ConversationId(f"c-{n}")) != _part("c-1"))
                assert (await rt.send("order", other, "two", timeout=PATIENCE)).text == "Next."
                assert not sending.done()
                busy.may.set()
                assert (await sending).text == "First."
                await running
                assert "turn.resumed" not in await types(rt, "c-1")


def _part(conversation: str) -> int:
    return partition_of(ConversationId(conversation))


async def test_a_turn_longer_than_the_grace_keeps_its_partition_and_those_who_wait_there() -> None:
    one, other = shared()
    busy = Busy()
    with ScriptedLLM(busy, "Second.") as llm:
        agent = order_agent(llm)
        first = Runtime([agent], substrate=one, grace=0.2)
        second = Runtime([agent], substrate=other)
        named(first, "w-first"), named(second, "w-second")
        stays = moving_to(second.writer, first.writer, moves=True)
        partition = partition_of(ConversationId(stays))
        neighbour = next(f"n-{n}" for n in range(999) if partition_of(ConversationId(f"n-{n}")) == partition)
        async with first, second:
            old, new = first.worker(), second.worker()
            running = [asyncio.ensure_future(old.run())]
            assert await old.owned(*running)
            sending = asyncio.ensure_future(first.send("order", stays, "one", timeout=PATIENCE))
            await busy.asked.wait()
            running.append(asyncio.ensure_future(new.run()))
            # it waits while the partition is about to be handed on, and then its old owner takes it after all
            assert (await first.send("order", neighbour, "two", timeout=PATIENCE)).text == "Second."
            assert {stored.frame.writer for stored in await frames(one, neighbour)} == {"w-first"}
            busy.may.set()
            await sending
            await owned_by(first, stays, second.writer)
            old.stop()
            new.stop()
            await asyncio.gather(*running)


class AwayOnce(MemoryBus):
    """A bus that is away when somebody consumes a partition for the second time."""

    def __init__(self, conversation: str) -> None:
        super().__init__()
        self.away = asyncio.Event()
        self._of = _part(conversation)
        self._times = 0

    async def consume(self, lease: Lease, deliver: Deliver) -> Consumption:
        self._times += lease.partition == self._of
        if self._times == 2 and not self.away.is_set():
            self.away.set()
            raise Unavailable("the bus is away")
        return await super().consume(lease, deliver)


async def test_a_partition_that_is_kept_after_all_is_consumed_also_if_the_bus_was_away() -> None:
    stays = moving_to(WriterId("w-second"), WriterId("w-first"), moves=True)
    bus = AwayOnce(stays)
    one, other = (structs.replace(each, bus=bus) for each in shared())
    busy = Busy()
    with ScriptedLLM(busy, "Second.") as llm:
        agent = order_agent(llm)
        first, second = Runtime([agent], substrate=one, grace=0.5), Runtime([agent], substrate=other)
        named(first, "w-first"), named(second, "w-second")
        async with first, second:
            old, new = first.worker(), second.worker()
            running = [asyncio.ensure_future(old.run())]
            assert await old.owned(*running)
            sending = asyncio.ensure_future(first.send("order", stays, "one", timeout=PATIENCE))
            await busy.asked.wait()
            joined = asyncio.ensure_future(new.run())
            await bus.away.wait()
            new.stop()
            await joined
            busy.may.set()
            await sending
            assert (await first.send("order", stays, "two", timeout=PATIENCE)).text == "Second."
            old.stop()
            await asyncio.gather(*running)


class HeldUp(MemoryLeases):
    """Gives leases out whose renewals can be held up."""

    def __init__(self, clock: SystemClock, *, ttl: float) -> None:
        super().__init__(clock, ttl=ttl)
        self.may = asyncio.Event()
        self.may.set()

    async def renew(self, lease: Lease) -> bool:
        await self.may.wait()
        return await super().renew(lease)


class Late(SystemClock):
    """Is the clock of a process that was stopped for a while."""

    late = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.late


async def test_what_comes_after_the_lease_ran_out_by_our_clock_is_not_taken_and_comes_again() -> None:
    clock = Late()
    leases = HeldUp(SystemClock(), ttl=5)
    members = MemoryMembers(SystemClock(), ttl=60)
    substrate = Substrate(MemoryLog(), MemoryBus(), leases, members, MemoryLive(), stores_in_memory())
    with ScriptedLLM("Hello.", "Again.") as llm:
        async with working(order_agent(llm), substrate=substrate, clock=clock) as rt:
            assert (await rt.send("order", "c-1", "one", timeout=PATIENCE)).text == "Hello."
            leases.may.clear()
            clock.late += 10
            before = len(await types(rt, "c-1"))
            sending = asyncio.ensure_future(rt.send("order", "c-1", "two", timeout=PATIENCE))
            await asyncio.wait({sending}, timeout=0.2)
            assert len(await types(rt, "c-1")) == before
            leases.may.set()
            assert (await sending).text == "Again."


@pytest.mark.parametrize("deaths", [1, 2])
async def test_turns_in_which_two_lives_ended_are_gone_on_with_one_at_a_time(deaths: int) -> None:
    one, _ = shared(ttl=0.2)
    lives = [[Busy() for _ in range(3)] for _ in range(deaths + 1)]
    llm = ScriptedLLM(*(each for asked in lives for each in asked))
    agent = order_agent(llm)
    for life, asked in enumerate(lives[:-1]):
        async with Runtime([agent], substrate=one, grace=0) as rt:
            worker = rt.worker()
            running = asyncio.ensure_future(worker.run())
            assert await worker.owned(running)
            for number in range(3 if life == 0 else 0):
                await rt.publish("order", f"c-{number}", "hi", message_id=f"m-{number}")
            await asyncio.gather(*(each.asked.wait() for each in asked))
            worker.stop()  # with no grace: what runs is left to the next one
            await running
    asked = lives[-1]
    async with working(agent, substrate=one) as rt:
        await asyncio.wait([asyncio.ensure_future(each.asked.wait()) for each in asked], timeout=0.3)
        begun = sum(each.asked.is_set() for each in asked)
        for each in asked:
            each.may.set()
        for number in range(3):
            assert (await rt.send("order", f"c-{number}", "hi", message_id=f"m-{number}")).text == "First."
            resumed = [one.event for one in await recorded(rt, f"c-{number}") if isinstance(one.event, TurnResumed)]
            assert [event.attempt for event in resumed] == list(range(2, deaths + 2))

    assert begun == (3 if deaths == 1 else 1)


@pytest.mark.parametrize("leaves", [True, False], ids=["leaving", "handing on"])
async def test_a_cancel_is_heard_while_a_partition_waits_for_its_turn_to_end(*, leaves: bool) -> None:
    one, other = shared()
    busy = Busy()
    with ScriptedLLM(busy) as llm:
        agent = order_agent(llm)
        first, second = (Runtime([agent], substrate=each, grace=PATIENCE) for each in (one, other))
        named(first, "w-first"), named(second, "w-second")
        stays = moving_to(second.writer, first.writer, moves=True)
        async with first, second:
            old, new = first.worker(), second.worker()
            running = [asyncio.ensure_future(old.run())]
            assert await old.owned(*running)
            sending = asyncio.ensure_future(first.send("order", stays, "one", timeout=PATIENCE))
            await busy.asked.wait()
            if leaves:
                old.stop()
            else:
                running.append(asyncio.ensure_future(new.run()))
                moves = moving_to(second.writer, first.writer, moves=True, taken=_part(stays))
                await owned_by(first, moves, second.writer)
            began = asyncio.get_running_loop().time()
            await first.cancel(stays, "never mind")
            with pytest.raises(NoReply, match="never mind"):
                await sending
            assert asyncio.get_running_loop().time() - began < PATIENCE / 2
            old.stop()
            new.stop()
            await asyncio.gather(*running)

"""Workers share the conversations of an agent: who joins gets its part, who leaves hands its own on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent_runtime_framework import JourneyAgent, NoReply, Runtime
from agent_runtime_framework.events import AgentKey, ConversationId, MemoryLog, MemoryRecords, TurnResumed, WriterId
from agent_runtime_framework.runtime.bus import MemoryBus, partition_of
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.feed import MemoryFeed
from agent_runtime_framework.runtime.leases import Lease, MemoryLeases
from agent_runtime_framework.runtime.live import MemoryLive
from agent_runtime_framework.runtime.members import Member, MemoryMembers, preferred
from agent_runtime_framework.runtime.substrate import Substrate, stores_in_memory
from agent_runtime_framework.runtime.worker import Worker
from agent_runtime_framework.testing import ScriptedLLM
from support.busy import Busy
from support.journeys import frames, order_agent, recorded, types, working

ORDER = AgentKey("order")
FIRST, SECOND = WriterId("w-first"), WriterId("w-second")
PATIENCE = 20


def moving_to_second(*, beside: str = "") -> str:
    """Return a conversation that changes hands when the second worker joins, in another partition than `beside`."""
    here = [Member(worker=worker, agents=(ORDER,)) for worker in (FIRST, SECOND)]
    for number in range(1000):
        conversation = f"c-{number}"
        if _part(conversation) != _part(beside) and preferred(ORDER, _part(conversation), here) == SECOND:
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
    return [
        Substrate(log, bus, leases.of(WriterId(name)), members, live, stores, MemoryFeed(log.records))
        for name in ("w-first", "w-second")
    ]


class Pair:
    """Is two workers of one agent, in one place: the first works, the second may join."""

    def __init__(self, agent: JourneyAgent[Any, Any, Any], **options: Any) -> None:
        self.rt, self.other = (Runtime([agent], substrate=each, **options) for each in shared())
        self.rt.writer, self.other.writer = FIRST, SECOND
        self.workers: list[Worker] = []
        self._running: list[asyncio.Future[None]] = []

    async def begin(self, rt: Runtime) -> Worker:
        """Let a worker work, and return it once its share is taken."""
        worker = rt.worker()
        self.workers.append(worker)
        self._running.append(asyncio.ensure_future(worker.run()))
        assert await worker.owned(*self._running)
        return worker

    async def join(self) -> Worker:
        """Let the second one join."""
        return await self.begin(self.other)

    async def end(self) -> None:
        """End both in good order."""
        for worker in self.workers:
            worker.stop()
        await asyncio.gather(*self._running)

    async def writers(self, conversation: str) -> list[str]:
        """Return who wrote each frame of a conversation."""
        return [stored.frame.writer for stored in await frames(self.rt.substrate, conversation)]


@asynccontextmanager
async def pair(agent: JourneyAgent[Any, Any, Any], **options: Any) -> AsyncIterator[Pair]:
    """Give two workers, of which the first one works."""
    two = Pair(agent, **options)
    async with two.rt, two.other:
        await two.begin(two.rt)
        try:
            yield two
        finally:
            await two.end()


async def test_a_worker_that_joins_gets_its_share_and_all_goes_on() -> None:
    with ScriptedLLM(*["Hello."] * 20) as llm:
        async with pair(order_agent(llm)) as two:
            assert two.workers[0].partitions == 16
            await two.join()
            await owned_by(two.rt, moving_to_second(), SECOND)
            for number in range(20):
                assert (await two.rt.send("order", f"c-{number}", "hi", timeout=PATIENCE)).text == "Hello."
            written = {writer for number in range(20) for writer in await two.writers(f"c-{number}")}
            holders = set((await two.rt.substrate.leases.holders()).values())

    assert holders == written == {FIRST, SECOND}


async def test_a_turn_in_progress_stays_where_it_is_while_the_others_move() -> None:
    busy = Busy()
    stays = moving_to_second()
    moves = moving_to_second(beside=stays)
    with ScriptedLLM(busy, "There.", "Here again.") as llm:
        async with pair(order_agent(llm)) as two:
            sending = asyncio.ensure_future(two.rt.send("order", stays, "one", timeout=PATIENCE))
            await busy.asked.wait()
            await two.join()
            await owned_by(two.rt, moves, SECOND)
            there = await two.rt.send("order", moves, "two", timeout=PATIENCE)
            waiting = asyncio.ensure_future(two.rt.send("order", stays, "three", timeout=PATIENCE))
            busy.may.set()
            replies = [(await each).text for each in (sending, waiting)]
            writers, every = await two.writers(stays), await types(two.rt, stays)

    assert there.text == "There."
    assert replies == ["First.", "Here again."]
    assert writers == [FIRST] * 2 + [SECOND] * 2
    assert "turn.resumed" not in every


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
    busy = Busy()
    stays = moving_to_second()
    neighbour = next(f"n-{n}" for n in range(999) if _part(f"n-{n}") == _part(stays))
    with ScriptedLLM(busy, "Second.") as llm:
        async with pair(order_agent(llm), grace=0.2) as two:
            sending = asyncio.ensure_future(two.rt.send("order", stays, "one", timeout=PATIENCE))
            await busy.asked.wait()
            await two.join()
            # it waits while the partition is about to be handed on, and then its old owner takes it after all
            assert (await two.rt.send("order", neighbour, "two", timeout=PATIENCE)).text == "Second."
            assert set(await two.writers(neighbour)) == {FIRST}
            busy.may.set()
            await sending
            await owned_by(two.rt, stays, SECOND)


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
    substrate = Substrate(
        MemoryLog(), MemoryBus(), leases, members, MemoryLive(), stores_in_memory(), MemoryFeed(MemoryRecords())
    )
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
    busy = Busy()
    stays = moving_to_second()
    with ScriptedLLM(busy) as llm:
        async with pair(order_agent(llm), grace=PATIENCE) as two:
            sending = asyncio.ensure_future(two.rt.send("order", stays, "one", timeout=PATIENCE))
            await busy.asked.wait()
            if leaves:
                two.workers[0].stop()
            else:
                await two.join()
                await owned_by(two.rt, moving_to_second(beside=stays), SECOND)
            began = asyncio.get_running_loop().time()
            await two.rt.cancel(stays, "never mind")
            with pytest.raises(NoReply, match="never mind"):
                await sending
            assert asyncio.get_running_loop().time() - began < PATIENCE / 2

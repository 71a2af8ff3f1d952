"""For each rule there is a bug that breaks it, and the simulator sees it and names the rule."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import structs

from agent_runtime_framework import Client
from agent_runtime_framework.actors import ConversationActor, Delivered, Life
from agent_runtime_framework.actors.life import Message
from agent_runtime_framework.events import (
    AgentKey,
    AnyEvent,
    ConversationId,
    EventLog,
    Frame,
    Head,
    MemoryRecords,
    Stored,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.projections import (
    Conversation,
    ModelInput,
    Request,
    Transcript,
    evolution,
    model_input,
)
from agent_runtime_framework.runtime.agents import asking
from agent_runtime_framework.runtime.bus import Delivery, MemoryBus
from agent_runtime_framework.runtime.testing.simulation import Publish, Say, Simulator, random_journeys, random_script
from agent_runtime_framework.runtime.testing.simulation.connection import Connection
from agent_runtime_framework.runtime.testing.simulation.loop import Process
from agent_runtime_framework.runtime.testing.simulation.world import World
from agent_runtime_framework.runtime.worker import Worker

SEEDS = range(60)


def broken_by(planted: type[Simulator], rule: int = 0, script: tuple[Any, ...] = ()) -> set[int]:
    """Return the rules that the first run breaks which breaks that rule, or any for 0; a bug may break others too."""
    for seed in SEEDS:
        agents = random_journeys(seed)
        lines = (*random_script(seed, [agent.key for agent in agents]), *script)
        broken = {one.rule for one in planted(agents, lines, seed).run().broken}
        if rule in broken or (broken and rule == 0):
            return broken
    return set()


class WithLog(Simulator):
    """Puts another log into the workers."""

    def log(self, world: World, inner: EventLog) -> EventLog:
        raise NotImplementedError

    def connection(self, process: Process) -> Connection:
        connection = super().connection(process)
        log = self.log(self.world, connection.substrate.log)
        connection.substrate = structs.replace(connection.substrate, log=log)
        return connection


# --- 1: exactly one outcome


class LosingBus(MemoryBus):
    """Acknowledges what it does not keep."""

    async def publish(self, agent: AgentKey, conversation: ConversationId, data: bytes, *, id: str) -> bool:  # noqa: A002
        return id == "m-1" or await super().publish(agent, conversation, data, id=id)


class WithLosingBus(Simulator):
    def made_world(self) -> World:
        world = super().made_world()
        world.bus = LosingBus(partitions=2)
        return world


class EagerActor(ConversationActor):
    """Acknowledges a command as soon as it comes."""

    async def on_receive(self, message: Message) -> None:
        if isinstance(message, Delivered):
            message.done()
        await super().on_receive(message)


class WorkerOfEagerActors(Worker):
    def _create(self, agent: str, conversation: ConversationId, life: Life) -> ConversationActor:
        log, effects = self._substrate.log, self._effects[agent]
        return EagerActor(agent, conversation, journey=self._journeys[agent], log=log, effects=effects, life=life)


class WithEagerActors(Simulator):
    worker_type = WorkerOfEagerActors


# --- 2: one chain


class Forgetful(MemoryRecords):
    """Stores whatever comes, wherever its writer believes to be."""

    async def put(self, conversation: ConversationId, data: bytes, *, id: str, expected: int) -> int:  # noqa: A002
        last = await self.last(conversation)
        return await super().put(conversation, data, id=id, expected=0 if last is None else last[0])


class WithoutFence(Simulator):
    def made_world(self) -> World:
        world = super().made_world()
        world.records = Forgetful()
        return world


# --- 3: the ledger of effects


class Hasty:
    """Says that a frame is stored before it is."""

    def __init__(self, inner: EventLog) -> None:
        self._inner = inner
        self._last: asyncio.Task[Any] | None = None

    async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
        data = encode_frame(frame)
        before, at = self._last, Head(frame.last, expected.position + 1, frame_hash(data))

        async def later() -> None:
            if before is not None:
                await asyncio.wait([before])
            await asyncio.sleep(0.5)
            last = await self._inner.last(conversation)
            head = expected if last is None else last.head
            await self._inner.append(conversation, frame, head)

        self._last = asyncio.ensure_future(later())
        return Stored(conversation, frame, at, data)

    async def restore(self, conversation: ConversationId, data: bytes, expected: Head) -> Stored:
        return await self._inner.restore(conversation, data, expected)

    def read(self, conversation: ConversationId, after: Head = Head()) -> AsyncIterator[Stored]:  # noqa: B008
        return self._inner.read(conversation, after)

    async def last(self, conversation: ConversationId) -> Stored | None:
        return await self._inner.last(conversation)

    def lasts(self) -> Any:
        return self._inner.lasts()


class WithHastyLog(WithLog):
    def log(self, world: World, inner: EventLog) -> EventLog:
        return Hasty(inner)


class WithToolsThatRunTwice(Simulator):
    def agent(self, agent: Any) -> Any:
        mine: Any = super().agent(agent)
        once = mine.execute_tool

        async def twice(tools: Any, name: str, arguments: dict[str, Any]) -> Any:
            await once(tools, name, arguments)
            return await once(tools, name, arguments)

        mine.execute_tool = twice
        return mine


class WithKeysOfTheAttempt(Simulator):
    """Gives a tool another key each time."""

    def agent(self, agent: Any) -> Any:
        mine: Any = super().agent(agent)
        execute = mine.execute_tool

        async def with_another_key(tools: Any, name: str, arguments: dict[str, Any]) -> Any:
            tools.idempotency_key = f"{tools.idempotency_key}-{self.loop.time()}"
            return await execute(tools, name, arguments)

        mine.execute_tool = with_another_key
        return mine


# --- 5: state changes by events only


class WithToolsThatKeepTheirState(Simulator):
    """Makes the tools of a conversation once, so that each call finds what the last one left."""

    def agent(self, agent: Any) -> Any:
        mine: Any = super().agent(agent)
        made: dict[Any, Any] = {}
        create = mine.create_tools

        def create_tools(state: Any, ctx: Any) -> Any:
            tools = create(state, ctx)
            return made.setdefault((ctx.conversation_id, type(tools)), tools)

        mine.create_tools = create_tools
        return mine


# --- 7: reading changes nothing


class NosyClient(Client):
    """Says something where it is only to read."""

    async def conversation(self, conversation_id: Any, at: int | None = None) -> Conversation:
        await self.publish("walker", conversation_id, "I am reading", message_id="m-nosy")
        return await super().conversation(conversation_id, at)


class WithNosyClients(Simulator):
    def client(self, connection: Connection) -> Client:
        return NosyClient(connection.substrate)


# --- 8: bad input


class Trusting(Worker):
    """Believes that every command is one."""

    def _deliver(self, delivery: Delivery) -> None:
        if not delivery.data.startswith(b"{"):
            raise ValueError("this is no command")
        super()._deliver(delivery)


class WithTrustingWorkers(Simulator):
    worker_type = Trusting


class Lazy(ConversationActor):
    """Forgets what it owes."""

    def _perform(self) -> None:
        return


class WorkerOfLazyActors(Worker):
    def _create(self, agent: str, conversation: ConversationId, life: Life) -> ConversationActor:
        log, effects = self._substrate.log, self._effects[agent]
        return Lazy(agent, conversation, journey=self._journeys[agent], log=log, effects=effects, life=life)


class WithLazyActors(Simulator):
    worker_type = WorkerOfLazyActors


@pytest.mark.parametrize(
    ("planted", "rule"),
    [
        (WithLosingBus, 1),
        (WithEagerActors, 1),
        (WithoutFence, 2),
        (WithHastyLog, 3),
        (WithToolsThatRunTwice, 3),
        (WithKeysOfTheAttempt, 3),
        (WithToolsThatKeepTheirState, 5),
        (WithNosyClients, 7),
        (WithTrustingWorkers, 8),
        (WithLazyActors, 8),
    ],
)
def test_a_planted_bug_is_found_and_its_rule_is_named(planted: type[Simulator], rule: int) -> None:
    bad = (Say("c-0", "hi", 0.1), Publish("c-0", b"\xff", 0.2)) if rule == 8 else ()
    assert rule in broken_by(planted, rule, bad)


def test_a_fold_that_is_not_the_same_each_time_breaks_rule_4(monkeypatch: pytest.MonkeyPatch) -> None:
    evolve, calls = evolution.evolve, iter(range(10**9))

    def wobbly(now: Conversation, event: AnyEvent) -> Conversation:
        after = evolve(now, event)
        return after if next(calls) % 7 else structs.replace(after, step="elsewhere")

    monkeypatch.setattr(evolution, "evolve", wobbly)
    assert 4 in broken_by(Simulator, 4)


def test_a_transcript_without_the_results_of_its_calls_breaks_rule_6(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(transcript: Transcript, request: Request) -> ModelInput:
        given = model_input(transcript, request)
        return structs.replace(given, messages=[said for said in given.messages if said["role"] != "tool"])

    monkeypatch.setattr(asking, "request_input", forgetful)
    assert broken_by(Simulator) == {6}


def test_what_no_bug_is_planted_in_breaks_nothing() -> None:
    assert broken_by(Simulator) == set()

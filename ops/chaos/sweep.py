"""A turn whose worker is killed at every commit in turn: at its first frame, then another turn at its second.

The conversation is followed, and the moment that the frame is heard its worker gets kill -9.  Another one goes on, and
one more is started.  In the end nothing is lost, doubled or stuck, and no recorded answer was asked for again.
"""

import asyncio
import itertools
import signal
import time
from collections.abc import Sequence

from msgspec import Struct

from agent_runtime_framework import Client
from agent_runtime_framework.events import ConversationId, Stored
from agent_runtime_framework.runtime.follower import Follower
from agent_runtime_framework.runtime.testing.rules import Broken

from .book import Sent
from .counts import Evidence, asked_again, doubled, judged, lost
from .figures import Spread
from .history import Log, read, waiting
from .script import Call, Script
from .town import NAMESPACE, Town, town

AGENT = "chaos"
AGENTS = ("ops.chaos.agent:agent",)

STEP = 0.1
"""Seconds that each tool works and each answer takes, so that a worker is killed before it commits once more."""

PATIENCE = 30.0
TURNS = {
    "two calls in one answer": [[Call("charge", STEP), Call("reserve", STEP)]],
    "two answers with a call each": [[Call("look", STEP)], [Call("charge", STEP)]],
}
"""The turns that are swept."""


class Sweep(Struct, frozen=True, kw_only=True):
    """Is what the sweep came to.

    Attributes:
        kills: how many workers were killed, each at a commit of its own.
        in_time: how many of these had not committed once more before they died.
        again: answers that were recorded and asked for again.
        reply: from the kill to the reply.

    """

    kills: int
    in_time: int
    lost: int
    doubled: int
    stuck: int
    again: int
    reply: Spread
    broken: list[Broken]

    def line(self) -> str:
        """Return all of it on one line."""
        return (
            f"killed at {self.kills} commits, {self.in_time} of them before the next; lost {self.lost}; doubled "
            f"{self.doubled}; stuck {self.stuck}; recorded answers asked again {self.again}; kill to reply "
            f"p50/p95/max {self.reply}"
        )


class Killed(Struct, frozen=True):
    """Is one turn: whose worker was killed at which commit, if it had so many; when, and until the reply."""

    sent: Sent
    at: int
    writer: str = ""
    seconds: float = 0.0


async def sweep() -> Sweep:
    """Sweep."""
    async with town() as here, Client.connect(nats=here.direct, namespace=NAMESPACE, create=False) as client:
        for _ in range(3):
            here.start_worker(*AGENTS)
        await asyncio.gather(*(worker.until_ready() for worker in here.workers))
        killed = []
        for name, calls in TURNS.items():
            for at in itertools.count(1):
                one = await _killed(here, client, f"c-{name.replace(' ', '-')}-{at}", at, calls)
                killed.append(one)
                if not one.writer:
                    break  # it had no such commit: the turn before was killed at its last one
        return await _judged(here, killed)


async def _killed(here: Town, client: Client, name: str, at: int, calls: list[list[Call]]) -> Killed:
    """Let a turn begin, kill its worker at the commit number `at`, and wait for the reply."""
    conversation = ConversationId(name)
    await asyncio.gather(*(worker.until_ready() for worker in here.alive[:2]))
    await client.send(AGENT, conversation, Script(f"{name}-hello").text(), message_id=f"{name}-hello")
    script = Script(f"{name}-m-1", calls, STEP)
    sent = Sent(script.id, conversation, AGENT, "say", time.monotonic())
    heard = asyncio.ensure_future(_kill_at(here, client, conversation, at, script))
    await client.publish(AGENT, conversation, script.text(), message_id=script.id)
    sent.acknowledged = True
    writer, when = await heard
    if writer:
        here.start_worker(*AGENTS)
    reply = await client.send(AGENT, conversation, script.text(), message_id=script.id, timeout=PATIENCE)
    if reply.text == script.reply:
        sent.replied = time.monotonic()
    return Killed(sent, at, writer, time.monotonic() - when if writer else 0.0)


async def _kill_at(
    here: Town, client: Client, conversation: ConversationId, at: int, script: Script
) -> tuple[str, float]:
    """Kill the writer of the turn's frame number `at` when it is heard; return who that was, or nobody, and when."""
    begun = 0
    async for heard in Follower(client.substrate.log, client.substrate.live).follow(conversation):
        if not isinstance(heard, Stored):
            continue
        begun += bool(begun) or heard.frame.command == script.id
        if begun == at:
            members = await client.substrate.members.members()
            pid = next(member.pid for member in members if member.worker == heard.frame.writer)
            worker = next(one for one in here.alive if one.pid == pid)
            worker.signal(signal.SIGKILL)
            return heard.frame.writer, time.monotonic()
        if begun and heard.frame.status == "idle":
            break
    return "", 0.0


async def _judged(here: Town, killed: Sequence[Killed]) -> Sweep:
    until = time.monotonic() + PATIENCE
    while await waiting(here) and time.monotonic() < until:  # noqa: ASYNC110  a stream tells nobody when it is empty
        await asyncio.sleep(0.1)
    stuck = await waiting(here)
    logs, unreadable = await read(here)
    evidence = Evidence(logs, [one.sent for one in killed], here.starts(), here.asked())
    hit = [one for one in killed if one.writer]
    silent = [one.sent for one in killed if one.sent.replied is None]
    return Sweep(
        kills=len(hit),
        in_time=sum(_in_time(logs[one.sent.conversation], one) for one in hit),
        lost=len(lost(evidence)),
        doubled=doubled(evidence),
        stuck=stuck,
        again=sum(1 for _ in asked_again(evidence)),
        reply=Spread.of(one.seconds for one in hit),
        broken=[
            *unreadable,
            *judged(evidence),
            *(Broken(1, sent.conversation, f"{sent.id} has another reply than was meant") for sent in silent),
            *([Broken(1, "", f"stuck: {stuck} commands are not acknowledged")] if stuck else []),
        ],
    )


def _in_time(log: Log, one: Killed) -> bool:
    """Say whether the worker committed nothing more to the turn after the commit that it was killed at."""
    first = next(at for at, stored in enumerate(log) if stored.frame.command == one.sent.id)
    return all(stored.frame.writer != one.writer for stored in log[first + one.at :])

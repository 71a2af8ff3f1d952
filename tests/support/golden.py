"""Golden logs, as a release writes them: its agents really run, over a log in memory, by a fixed clock and a script.

    PYTHONPATH=tests .venv/bin/python tests/support/golden.py 0.5.0

writes the directory of a release into `tests/golden/`, and changes no file that is there.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from agent_runtime_framework import JourneyAgent, RetryPolicy
from agent_runtime_framework.actors import BusCommand, CancelTurn, ConversationActor, Delivered, Directory, SayToAgent
from agent_runtime_framework.events import ConversationId, MemoryLog, Stored, WriterId
from agent_runtime_framework.projections import Conversation, as_plain, fold, initial, render, state_of
from agent_runtime_framework.runtime.agents import Journeys, agent_effects
from agent_runtime_framework.testing import ScriptedLLM
from support.golden_agents import AGENTS, Version

GOLDEN = Path(__file__).parents[1] / "golden"
CALM = RetryPolicy(attempts=3, first=0.0, longest=0.0)


def came_to(conversation: Conversation) -> dict[str, Any]:
    """Return all of a fold that a release must not change."""
    return {
        "version": conversation.version,
        "agent": conversation.agent,
        "journey": conversation.journey,
        "journey_hash": conversation.journey_hash,
        "step": conversation.step,
        "state": state_of(conversation),
        "left": {name: [left.step, as_plain(left.state)] for name, left in sorted(conversation.left.items())},
        "left_under": {name: left.journey_hash for name, left in sorted(conversation.left.items())},
        "status": conversation.status,
        "turns": conversation.turns,
        "ended": None
        if conversation.ended is None
        else [conversation.ended.outcome, conversation.ended.reason, conversation.ended.text, conversation.ended.usage],
        "handled": dict(sorted(conversation.handled.items())),
        "messages": render("", conversation.transcript.window(0, conversation.turns)),
    }


class FixedClock:
    """Is a clock that goes on by a tick whenever it is looked at, and by what is waited for."""

    def __init__(self) -> None:
        self._now = 1_800_000_000_000
        self._monotonic = 0.0

    def now(self) -> int:
        self._now += 5
        return self._now

    def monotonic(self) -> float:
        self._monotonic += 0.25
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        self._now += round(seconds * 1000)
        await asyncio.sleep(0)


class Life:
    """Is one life of a worker that has the conversation."""

    def __init__(self, talk: "Talk", agent: JourneyAgent[Any, Any, Any]) -> None:
        self._talk = talk
        self._heard: asyncio.Queue[str] = asyncio.Queue()
        self._key = agent.key
        journeys, clock, log = Journeys(agent), talk.clock, talk.log
        self._effects = agent_effects(journeys, clock=clock, retry=CALM, announce=self._announce)

        def create(key: str, id_: ConversationId, life: Any) -> ConversationActor:
            return ConversationActor(key, id_, journey=journeys, log=log, effects=self._effects, life=life)

        self._directory = Directory(WriterId(f"w-{talk.lives}"), now=clock.now, sleep=clock.sleep, create=create)

    async def _announce(self, stored: Stored, _conversation: Conversation) -> None:
        for event in stored.frame.events:
            self._heard.put_nowait(str(event.__struct_config__.tag))

    def begin(self, command: BusCommand) -> "asyncio.Future[None]":
        """Deliver a command, and return what is done once nothing is owed for it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._directory.deliver(
            self._key, self._talk.id, Delivered(command, lambda: done.set_result(None), done.set_exception)
        )
        return done

    def say(self, id_: str, text: str, agent: str = "") -> "asyncio.Future[None]":
        """Say something."""
        return self.begin(SayToAgent(id=id_, agent=agent or self._key, text=text, metadata={"channel": "golden"}))

    def cancel(self, id_: str, reason: str = "") -> "asyncio.Future[None]":
        """End the turn in progress."""
        return self.begin(CancelTurn(id=id_, agent=self._key, reason=reason))

    async def until(self, tag: str) -> None:
        """Wait until an event of this kind is recorded."""
        async with asyncio.timeout(10):
            while await self._heard.get() != tag:
                continue

    async def end(self) -> None:
        """End, whatever runs."""
        await self._directory.end(10)
        await self._effects.told(10)


class Talk:
    """Is one conversation, and the lives that it goes through."""

    def __init__(self, name: str) -> None:
        self.id = ConversationId(name)
        self.log = MemoryLog()
        self.clock = FixedClock()
        self.lives = 0

    @asynccontextmanager
    async def life(self, version: Version, *answers: Any) -> AsyncIterator[Life]:
        """Give a life of a worker with this version, whose model answers so."""
        self.lives += 1
        with ScriptedLLM(*answers, streams=False) as llm:
            life = Life(self, version(llm))
            try:
                yield life
            finally:
                await life.end()

    async def lines(self) -> list[bytes]:
        """Return the stored frames."""
        return [stored.data async for stored in self.log.read(self.id)]

    async def came_to(self) -> dict[str, Any]:
        """Return what the log folds to."""
        return came_to(fold(initial(self.id), [stored.frame async for stored in self.log.read(self.id)]))


Telling: TypeAlias = Callable[[Talk, tuple[Version, ...]], Coroutine[Any, Any, None]]


async def told(name: str, telling: Telling) -> tuple[list[bytes], dict[str, Any]]:
    """Return the log of a conversation that was held as it is told, and what it folds to."""
    talk = Talk(name)
    await telling(talk, AGENTS[name])
    return await talk.lines(), await talk.came_to()


def write(directory: Path, stories: Mapping[str, Telling]) -> list[Path]:
    """Write the log of each story, and what it comes to, into a directory; what is there already stays as it is."""
    directory.mkdir(parents=True, exist_ok=True)
    written = [path for path in (directory / f"{name}.jsonl" for name in stories) if not path.exists()]
    for path in written:
        lines, came = asyncio.run(told(path.stem, stories[path.stem]))
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        path.with_suffix(".json").write_text(json.dumps(came, indent=1, ensure_ascii=False) + "\n")
    return written


if __name__ == "__main__":
    from support.golden_stories import STORIES

    for path in write(GOLDEN / sys.argv[1], STORIES):
        print(path)  # noqa: T201  a script

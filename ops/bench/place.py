"""Where it is measured: an embedded server of the run's own, as `Runtime(home=...)` starts it, and workers on it."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import nats
from msgspec import Struct
from nats.aio.client import Client as Nats

from agent_runtime_framework import Runtime
from agent_runtime_framework.projections import Recorded
from agent_runtime_framework.runtime.embedded import EmbeddedServer
from agent_runtime_framework.runtime.nats.connection import api

from .work import AGENT, USUAL, Clerk, Model, Sizes, Words

QUIET, PATIENCE = 0.3, 15.0
"""Seconds for which nothing was stored, and seconds after which that is waited for no longer."""

AT_ONCE = 200


class Settings(Struct, frozen=True, kw_only=True):
    """Says how much is done; `full` takes some fifteen minutes, and otherwise it is about one."""

    full: bool = False
    rounds: int = 3
    turns: int = 60
    crowd: int = 200
    long: int = 200
    live: int = 1_000
    remembered: int = 150
    cold: int = 5

    def shown(self) -> dict[str, str]:
        """Return it as a reader sees it."""
        return {
            "run": "full" if self.full else "quick",
            "rounds": f"{self.rounds}, of cold openings {self.cold}",
            "sizes": f"a long conversation of {self.long:,} turns, {self.crowd} conversations at once, "
            f"{self.live:,} live, {self.remembered:,} remembered",
        }


QUICK = Settings()
FULL = Settings(full=True, rounds=7, long=1_000, live=50_000, remembered=2_000, cold=9)


class Place:
    """Is the server of a run, with a plain connection of nats-py to it; it is gone when the run is over."""

    def __init__(self, home: Path, url: str, token: str, plain: Nats, settings: Settings, say: Callable[[str], None]):
        self.home = home
        self.url = url
        self.token = token
        self.plain = plain
        self.settings = settings
        self.say = say
        self.words = Words()
        self._long: Long | None = None

    @asynccontextmanager
    async def working(self, namespace: str, model: Model | None = None) -> AsyncIterator[Runtime]:
        """Give a runtime whose worker has its partitions; at the end it leaves in order."""
        async with Runtime([Clerk(model or Model())], home=self.home, namespace=namespace) as runtime:
            worker = runtime.worker()
            work = asyncio.ensure_future(worker.run())
            try:
                await worker.owned(work)
                yield runtime
            finally:
                worker.stop()
                await work

    async def turn(self, runtime: Runtime, conversation: str, size: int = USUAL.user) -> float:
        """Say something new and return the seconds until the reply was there."""
        text = self.words.text(size)
        began = time.perf_counter()
        await runtime.send(AGENT, conversation, text, timeout=600)
        return time.perf_counter() - began

    async def stored(self, namespace: str) -> int:
        """Return the bytes of what a namespace keeps of conversations, once nothing more is being stored."""
        before, since, began = -1, time.monotonic(), time.monotonic()
        while True:
            now = sum([await self._bytes(stream) for stream in await self.streams(namespace)])
            if now != before:
                before, since = now, time.monotonic()
            if time.monotonic() - since > QUIET or time.monotonic() - began > PATIENCE:
                return now
            await asyncio.sleep(QUIET / 5)

    async def streams(self, namespace: str, kinds: tuple[str, ...] = ("ev", "snap")) -> list[str]:
        """Return the streams that hold events and snapshots of conversations, or one of the two."""
        answer = _listed.decode(await api(self.plain, "STREAM.NAMES"))
        begins = tuple(f"{namespace}-{kind}" for kind in kinds)
        return [name for name in answer.streams or () if name.removeprefix("KV_").startswith(begins)]

    async def snapshots(self, namespace: str) -> int:
        """Return how many snapshots of conversations a namespace has."""
        return sum([(await self._state(stream)).messages for stream in await self.streams(namespace, ("snap",))])

    async def forget_snapshots(self, namespace: str) -> None:
        """Take away all snapshots of a namespace, so that who opens a conversation reads all of it."""
        for stream in await self.streams(namespace, ("snap",)):
            await api(self.plain, f"STREAM.PURGE.{stream}")

    async def long(self) -> "Long":
        """Return the long conversation, which is recorded when it is first asked for."""
        if self._long is None:
            self._long = await _recorded(self)
        return self._long

    async def _bytes(self, stream: str) -> int:
        return (await self._state(stream)).bytes

    async def _state(self, stream: str) -> "_State":
        return _info.decode(await api(self.plain, f"STREAM.INFO.{stream}")).state


class Long(Struct, frozen=True):
    """Is a conversation of many turns in a namespace of its own, and the bytes that it was stored in right then."""

    namespace: str
    conversation: str
    turns: int
    stored: int


class _Listed(Struct):
    streams: list[str] | None = None


class _State(Struct):
    messages: int = 0
    bytes: int = 0


class _Info(Struct):
    state: _State


_listed = msgspec.json.Decoder(_Listed)
_info = msgspec.json.Decoder(_Info)


@asynccontextmanager
async def placed(settings: Settings, say: Callable[[str], None]) -> AsyncIterator[Place]:
    """Give a place in a directory of its own."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arf-bench-"))) / ".arf"
        server = await EmbeddedServer.open(home)
        stack.push_async_exit(server)
        plain = await nats.connect(server.url, token=server.token)
        stack.push_async_callback(plain.close)
        yield Place(home, server.url, server.token, plain, settings, say)


def said_on_stderr(text: str) -> None:
    """Say what is being done."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


async def talk(place: Place, runtime: Runtime, conversation: str, turns: int, sizes: Sizes = USUAL) -> None:
    """Have so many turns in a new conversation, each said when the one before is over."""
    await runtime.publish(AGENT, conversation, place.words.text(sizes.user))
    over = 0
    async for heard in runtime.follow(conversation):
        if isinstance(heard, Recorded) and heard.type == "turn.completed":
            over += 1
            if over == turns:
                return
            if over % 100 == 0:
                place.say(f"  {over} of {turns} turns")
            await runtime.publish(AGENT, conversation, place.words.text(sizes.user))


async def _recorded(place: Place) -> Long:
    turns, namespace, conversation = place.settings.long, "long", "long-1"
    place.say(f"recording a conversation of {turns:,} turns")
    async with place.working(namespace) as runtime:
        await talk(place, runtime, conversation, turns)
    return Long(namespace, conversation, turns, await place.stored(namespace))

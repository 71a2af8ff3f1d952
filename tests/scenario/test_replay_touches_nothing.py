"""A replay reads: with the network cut, and a log, a model and tools that fail who touches them, it works the same."""

import asyncio
import socket
from collections.abc import Awaitable
from typing import Any, ClassVar, NoReturn

import pytest

from agent_runtime_framework import AgentContext, ExecutorHooks, JourneyConfig, tool
from agent_runtime_framework import replay as replayed
from agent_runtime_framework.events import START, ConversationId, EventLog, Frame, Head, MemoryLog, Stored
from agent_runtime_framework.runtime.replay import Touched, Untouchable
from support.signup import CHAT, CONFIG, PROMPTS, SignUp, SignUpAgent, SignUpTools, Step, recorded


class ReadOnly(MemoryLog):
    """Is a log that fails whoever appends to it, once it is closed."""

    closed = False

    async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
        assert not self.closed, "a replay appends nothing"
        return await super().append(conversation, frame, expected)


class Model:
    """Is a model client that fails whoever so much as looks at it."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise AssertionError(f"a replay asks no model, not even for {name}")

    async def generate(self, messages: Any, tools: Any = None, **kwargs: Any) -> NoReturn:
        raise AssertionError("a replay asks no model")


class Hooks(ExecutorHooks):
    def __getattribute__(self, name: str) -> NoReturn:
        raise AssertionError(f"a replay tells nobody: {name}")


class TouchedTools(SignUpTools):
    made: ClassVar[int] = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise AssertionError("a replay runs no tool")


class RunTools(SignUpTools):
    runs: ClassVar[int] = 0

    @tool(effect="read")
    async def look(self) -> str:
        """Look at what is known."""
        type(self).runs += 1
        await self._notify_state_change()
        return f"{self.state.name} {self.state.email}".strip()


class Kept(SignUpAgent):
    """Is an agent of which only what decides may be asked."""

    def __init__(self, config: JourneyConfig = CONFIG) -> None:
        super().__init__(config)
        self.llm_client = Model()
        self.hooks = Hooks()

    def save_state(self, ctx: AgentContext, state: SignUp) -> Awaitable[None] | None:
        raise AssertionError("a replay saves nothing")


@pytest.fixture(scope="module")
def talk() -> list[Stored]:
    return recorded()


async def kept(talk: list[Stored]) -> ReadOnly:
    log, head = ReadOnly(), START
    for stored in talk:
        head = (await log.append(CHAT, stored.frame, head)).head
    log.closed = True
    return log


async def head_of(log: EventLog) -> Head | None:
    last = await log.last(CHAT)
    return None if last is None else last.head


@pytest.fixture(autouse=True)
def network_cut(talk: list[Stored], monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a replay connects to nothing")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, unreachable)
    for name in ("create_connection", "create_datagram_endpoint", "sock_connect"):
        monkeypatch.setattr(asyncio.SelectorEventLoop, name, unreachable)
    monkeypatch.setattr(asyncio, "open_connection", unreachable)
    monkeypatch.setattr(socket, "create_connection", unreachable)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)


class Untouched(Kept):
    tools_class = TouchedTools


class Changed(Untouched):
    prompts: ClassVar[dict[Any, str]] = {**PROMPTS, Step.EMAIL: "Ask for the e-mail address."}


class Run(Kept):
    tools_class = RunTools


async def test_the_same_and_a_difference_are_found_without_touching_anything(talk: list[Stored]) -> None:
    log = await kept(talk)
    head = await head_of(log)

    same = await replayed(log.read(CHAT), Untouched())
    changed = await replayed(log.read(CHAT), Changed())

    assert same.divergences == ()
    assert [one.aspect for one in changed.divergences] == ["prompt"]
    assert str(changed).startswith("c-1: 6 turns, 61 events: diverges at version 16, turn 2")
    assert await head_of(log) == head
    assert [one.data async for one in log.read(CHAT)] == [one.data for one in talk]


async def test_tools_that_are_run_write_nothing_to_the_log_and_save_no_state(talk: list[Stored]) -> None:
    log = await kept(talk)
    head = await head_of(log)

    found = await replayed(log.read(CHAT), Run(), tools="run")

    assert (found.divergences, RunTools.runs) == ((), 2)
    assert await head_of(log) == head


async def test_the_model_of_a_replay_fails_whoever_asks_it() -> None:
    with pytest.raises(Touched, match="takes the model's answers from the log"):
        await Untouchable().generate([])

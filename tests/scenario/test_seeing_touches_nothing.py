"""Seeing touches nothing: no model, no tool, no write, no message; the log's head stays where it was."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, NoReturn

import pytest

from agent_runtime_framework.events import START, ConversationId, EventLog, Frame, Head, Stored
from agent_runtime_framework.projections import TurnAccount
from agent_runtime_framework.runtime.cli.console.options import Options
from agent_runtime_framework.runtime.cli.reading import auditing, diff, prompt, show, why
from agent_runtime_framework.runtime.cli.reading.wanted import Filters
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.reader import Reader
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import frames, order_agent, working


class Touched(Exception):
    """Raised by whatever is touched."""


class Untouchable:
    """Stands for a port that nobody may use."""

    def __getattr__(self, name: str) -> NoReturn:
        raise Touched(name)


class ReadOnly:
    """Is a log of which whatever writes raises."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
        raise Touched("append")

    async def restore(self, conversation: ConversationId, data: bytes, expected: Head) -> Stored:
        raise Touched("restore")

    def read(self, conversation: ConversationId, after: Head = START) -> AsyncIterator[Stored]:
        return self._log.read(conversation, after)

    async def last(self, conversation: ConversationId) -> Stored | None:
        return await self._log.last(conversation)

    def lasts(self) -> Any:
        return self._log.lasts()


def untouchable(substrate: Substrate) -> Reader:
    """Return a reader whose place can only be read; a feed can do nothing else."""
    port: Any = Untouchable()
    return Reader(Substrate(ReadOnly(substrate.log), port, port, port, port, port.__getattr__, substrate.feed))


@pytest.fixture
async def talked() -> Substrate:
    """A place with a conversation of two turns, a tool call in the second; the model fails when it is asked again."""
    substrate = in_memory(SystemClock())
    with ScriptedLLM("Who are you?", calls(("save_name", {"name": "Ada"})), "Hello, Ada.") as llm:
        async with working(order_agent(llm), substrate=substrate) as runtime:
            await runtime.send("order", "c-1", "hi")
            await runtime.send("order", "c-1", "I am Ada")
    return substrate


async def test_the_accounts_and_requests_are_read_and_nothing_is_written(talked: Substrate) -> None:
    before, reader = await frames(talked, "c-1"), untouchable(talked)

    accounts = [account async for account in reader.accounts("c-1")]
    asked = [round_.attempts[0].version for turn in accounts if isinstance(turn, TurnAccount) for round_ in turn.rounds]
    rebuilt = [await reader.request("c-1", version) for version in asked]

    assert [request is not None and request.problem for request in rebuilt] == ["", "", ""]
    assert await frames(talked, "c-1") == before
    with pytest.raises(Touched):
        await reader.substrate.log.append(ConversationId("c-1"), before[0].frame, START)


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
async def test_the_commands_only_read(
    talked: Substrate, form: Any, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    before, reader = await frames(talked, "c-1"), untouchable(talked)

    @asynccontextmanager
    async def reading(options: Options) -> AsyncIterator[Reader]:
        yield reader

    modules: list[ModuleType] = [auditing, diff, prompt, show, why]
    for module in modules:
        monkeypatch.setattr(module, "reading", reading)
    options = Options(output=form)
    await show.show(options, "c-1", show.Wanted())
    await show.show(options, "c-1", show.Wanted(turn=2))
    await diff.show_diff(options, "c-1", 1, before[-1].head.version)
    assert await prompt.show_prompt(options, "c-1", 4) == 0
    assert await why.show_why(options, "c-1", why.Asked(), prompts=True, prices=None) == 0
    assert await auditing.show_tools(options, Filters(tools=["save_name"]), auditing.Listing(form)) == 0

    assert b"Ada" in capfdbinary.readouterr().out
    assert await frames(talked, "c-1") == before

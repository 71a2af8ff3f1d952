"""A worker whose event loop is held up keeps what it owns, says by whom, and loses it if that never ends."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agent_runtime_framework.runtime.nats import heart
from agent_runtime_framework.testing import AgentsAtWork, ScriptedLLM, calls
from support.journeys import Beginning, OrderAgent, OrderTools, Step, types

HELD_UP = 3.0
"""Seconds: longer than a lease lives."""


class Blocking(OrderTools):
    """Holds the event loop up."""

    async def look(self) -> str:
        time.sleep(HELD_UP)  # noqa: ASYNC251  which is the point
        return "seen"


def blocking_agent(llm: ScriptedLLM) -> OrderAgent:
    agent = Beginning(llm, Step.ORDER)
    agent.tools_type = Blocking
    return agent


class Heard(logging.Handler):
    """Hears warnings, and says when one with a word in it came."""

    def __init__(self, word: str) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.came = asyncio.Event()
        self._word = word

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if self._word in self.lines[-1]:
            self.came.set()


@contextmanager
def hearing(word: str) -> Iterator[Heard]:
    """Hear what the framework warns of."""
    heard = Heard(word)
    logging.getLogger("agent_runtime_framework").addHandler(heard)
    yield heard
    logging.getLogger("agent_runtime_framework").removeHandler(heard)


async def test_a_tool_that_blocks_costs_no_lease_and_is_named(agent_runtime: AgentsAtWork) -> None:
    with ScriptedLLM(calls(("look", {})), "Looked.") as llm, hearing("held the event loop up") as heard:
        async with agent_runtime(blocking_agent(llm)) as rt:
            reply = await rt.send("order", "c-1", "look", timeout=20)
            async with asyncio.timeout(20):
                await heard.came.wait()
            every = await types(rt, "c-1")

    assert reply.text == "Looked."
    assert "turn.resumed" not in every
    (line,) = heard.lines  # nothing of a lease
    assert line.startswith("Blocking.look (test_heart.py, line ")
    assert line.endswith("s: make it a plain def, or await there")


async def test_a_loop_that_does_not_move_for_long_loses_what_it_holds(
    agent_runtime: AgentsAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heart, "DEAD", 0.3)
    with ScriptedLLM(calls(("look", {})), "Looked.") as llm, hearing("had lapsed") as heard:
        async with agent_runtime(blocking_agent(llm)) as rt:
            assert (await rt.send("order", "c-1", "look", timeout=20)).text == "Looked."
            async with asyncio.timeout(20):
                await heard.came.wait()


async def test_a_thread_that_cannot_beat_ends_the_worker(
    agent_runtime: AgentsAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("the heart is broken")

    monkeypatch.setattr(heart, "beat", broken)
    with ScriptedLLM() as llm, pytest.raises(ZeroDivisionError, match="the heart is broken"):
        async with agent_runtime(blocking_agent(llm)):
            await asyncio.Event().wait()

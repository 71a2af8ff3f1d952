"""A talk over a place in memory: what is said when nobody, or nothing, answers."""

import asyncio
from collections.abc import Iterable

import pytest

from agent_runtime_framework.events import Unavailable
from agent_runtime_framework.runtime.cli.console.options import Options
from agent_runtime_framework.runtime.cli.talking import talk as talk_module
from agent_runtime_framework.runtime.cli.talking import terminal as terminal_module
from agent_runtime_framework.runtime.cli.talking.talk import Talk
from agent_runtime_framework.runtime.cli.talking.terminal import Terminal
from agent_runtime_framework.runtime.client import Client
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.demo import OnboardingAgent
from agent_runtime_framework.runtime.runtime import Runtime
from agent_runtime_framework.runtime.substrate import in_memory
from agent_runtime_framework.runtime.wire import Queued
from agent_runtime_framework.testing import ScriptedLLM


class Typed:
    """Is lines that are there already."""

    typed = False

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)

    async def next(self) -> str | None:
        return next(self._lines, None)


def one_line(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a terminal at which one line is said; no fixture: pytest sets stdout after it."""
    monkeypatch.setattr(terminal_module, "log_through", lambda _tell: None)
    made = Terminal(Options())
    made.lines = Typed(["hello"])  # type: ignore[assignment]  # all that a talk needs of them
    return made


async def test_a_message_that_nobody_takes_up_ends_the_talk_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk_module, "TAKEN", 0.05)
    talk = Talk(Client(in_memory(SystemClock())), "bot", "a model", "c", one_line(monkeypatch), since=0)
    with pytest.raises(Unavailable, match=r"message m-\w+ was not taken up within 0.05 s; it is kept"):
        await talk.hold()


async def test_a_turn_that_takes_long_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(talk_module, "TAKEN", 1.0)
    go = asyncio.Event()

    async def slow(*_: object) -> str:
        await go.wait()
        return "Here I am"

    with ScriptedLLM(slow) as llm:
        async with Runtime([OnboardingAgent(llm)], substrate=in_memory(SystemClock())) as runtime:
            worker = runtime.worker()
            working = asyncio.create_task(worker.run())
            await worker.owning.wait()
            talk = Talk(runtime, "onboarding", "a model", "c", one_line(monkeypatch), since=0)
            following, holding = asyncio.create_task(talk.follow()), asyncio.create_task(talk.hold())
            await asyncio.wait([holding], timeout=1.5)
            assert not holding.done()
            go.set()
            await holding
            for task in (following, working):
                task.cancel()
            await asyncio.wait([following, working])
    assert capsys.readouterr().out.endswith("> Here I am\n")
    assert not talk.failed


async def test_a_message_that_waits_is_told_to_be_the_next_or_how_many_come_before_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(talk_module, "TAKEN", 0.05)
    for ahead in (0, 3):
        client = Client(in_memory(SystemClock()))
        talk = Talk(client, "bot", "a model", "c", one_line(monkeypatch), since=0)

        async def publish(*_: str, message_id: str, talk: Talk = talk, ahead: int = ahead) -> str:
            talk._hear_queued(Queued(message_id, ahead))
            return message_id

        monkeypatch.setattr(client, "publish", publish)
        with pytest.raises(Unavailable):
            await talk.hold()
    assert capsys.readouterr().err == "queued: next\nqueued: 3 ahead of it\n"


async def test_a_message_is_published_until_the_server_takes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(talk_module, "PAUSE", 0.0)
    client = Client(in_memory(SystemClock()))
    published: list[str] = []

    async def publish(_agent: str, _conversation: str, text: str, *, message_id: str) -> str:
        published.append(f"{text} {message_id}")
        if len(published) < 3:
            raise Unavailable("away")
        raise asyncio.CancelledError

    monkeypatch.setattr(client, "publish", publish)
    with pytest.raises(asyncio.CancelledError):
        await Talk(client, "bot", "a model", "c", one_line(monkeypatch), since=0).hold()
    assert len(published) == 3
    assert len(set(published)) == 1
    assert capsys.readouterr().err == "away; trying again for 60 s\n"

    monkeypatch.setattr(talk_module, "PATIENCE", -1.0)
    published.clear()
    with pytest.raises(Unavailable, match="away"):
        await Talk(client, "bot", "a model", "c", one_line(monkeypatch), since=0).hold()

"""What a signal does to a process of the command line."""

import asyncio
import os
import signal

import pytest

from agent_runtime_framework.runtime.cli.console import signals as signals_module
from agent_runtime_framework.runtime.cli.console.signals import Signals, until_a_signal


async def _deaf(heard: list[int]) -> None:
    """Lose the first cancel, as nats-py does in a flush."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        heard.append(1)
    await asyncio.Event().wait()


async def test_work_that_loses_its_cancel_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals_module, "CANCEL_AGAIN", 0.01)
    heard: list[int] = []
    task = asyncio.create_task(until_a_signal(_deaf(heard)))
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await task == 128 + signal.SIGTERM
    assert heard == [1]


async def test_the_first_work_that_is_done_ends_the_others_and_raises_what_it_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals_module, "CANCEL_AGAIN", 0.01)
    heard: list[int] = []

    async def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await Signals().first(_deaf(heard), broken())
    assert heard == [1]


async def test_a_second_signal_hurries_the_end_unless_it_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    signals, hurried = Signals(), asyncio.Event()
    signals.again = hurried.set
    os.kill(os.getpid(), signal.SIGINT)
    await signals.first()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.05)  # nothing is to happen
    assert (signals.number, signals.exit_code, hurried.is_set()) == (signal.SIGINT, 130, False)
    monkeypatch.setattr(signals_module, "SAME_SIGNAL", 0.0)
    os.kill(os.getpid(), signal.SIGTERM)
    await hurried.wait()
    assert signals.number == signal.SIGINT

"""The virtual loop: time passes by itself, a killed process takes no further step, a stopped one takes them later."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from agent_runtime_framework.runtime.testing.simulation.loop import Deadlock, Process, VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()


def begin(loop: VirtualLoop, process: Process, work: Any) -> "asyncio.Task[Any]":
    """Begin a task of a process."""
    return process.context.run(loop.create_task, work)


async def count(came: list[float], every: float = 1.0) -> None:
    """Say the time again and again; and that it ends, if it ends in good order."""
    try:
        while True:
            came.append(asyncio.get_running_loop().time())
            await asyncio.sleep(every)
    finally:
        came.append(-1.0)


def test_an_hour_passes_at_once(loop: VirtualLoop) -> None:
    loop.run_until_complete(asyncio.sleep(3600))

    assert loop.time() == pytest.approx(3600)


def test_where_nothing_will_ever_be_ready_it_says_so(loop: VirtualLoop) -> None:
    with pytest.raises(Deadlock):
        loop.run_until_complete(waiting := loop.create_future())
    waiting.cancel()


def test_a_function_in_a_thread_runs_here_and_now_where_no_loop_runs(loop: VirtualLoop) -> None:
    def work() -> int:
        return asyncio.run(other())

    async def other() -> int:
        return 7

    async def main() -> int:
        return await asyncio.to_thread(work)

    assert loop.run_until_complete(main()) == 7


def test_what_a_function_in_a_thread_raises_is_handed_over(loop: VirtualLoop) -> None:
    with pytest.raises(ValueError, match="abc"):
        loop.run_until_complete(loop.run_in_executor(None, int, "abc"))


def test_a_killed_process_takes_no_further_step_not_even_to_tidy_up(loop: VirtualLoop) -> None:
    process, came = Process("p"), list[float]()
    task = begin(loop, process, count(came))
    loop.call_later(2.5, process.kill)
    loop.run_until_complete(asyncio.sleep(10))

    assert came == pytest.approx([0, 1, 2])
    process.wake()
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    assert came[-1] == -1


def test_a_stopped_process_goes_on_with_what_was_due(loop: VirtualLoop) -> None:
    process, came = Process("p"), list[float]()
    task = begin(loop, process, count(came))
    loop.call_later(2.5, process.stop)
    loop.call_later(7.5, process.go_on)
    loop.run_until_complete(asyncio.sleep(9))

    assert came == pytest.approx([0, 1, 2, 7.5, 8.5])
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))


def test_a_timer_that_is_cancelled_while_its_process_is_stopped_stays_cancelled(loop: VirtualLoop) -> None:
    process, came = Process("p"), list[str]()

    async def work() -> None:
        late = asyncio.get_running_loop().call_later(1, came.append, "late")
        asyncio.get_running_loop().call_later(0.9, late.cancel)
        await asyncio.sleep(2)

    task = begin(loop, process, work())
    loop.call_later(0.5, process.stop)
    loop.call_later(5, process.go_on)
    loop.run_until_complete(asyncio.sleep(10))

    assert (came, task.done()) == ([], True)


def test_a_stopped_process_that_is_killed_does_not_go_on(loop: VirtualLoop) -> None:
    process, came = Process("p"), list[float]()
    task = begin(loop, process, count(came))
    loop.call_later(1.5, process.stop)
    loop.call_later(2.5, process.kill)
    loop.call_later(3.5, process.go_on)
    loop.run_until_complete(asyncio.sleep(5))

    assert came == pytest.approx([0, 1])
    process.wake()
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))


def test_a_process_may_be_killed_before_any_step(loop: VirtualLoop) -> None:
    def before(process: Process) -> None:
        if process.steps == 3:
            process.kill()

    process, came = Process("p", before), list[float]()
    task = begin(loop, process, count(came))
    loop.run_until_complete(asyncio.sleep(10))

    assert came == pytest.approx([0])  # a step begins it, one is the timer's, the third would go on
    process.wake()
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))

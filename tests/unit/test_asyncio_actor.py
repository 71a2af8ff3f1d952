"""The pykka actor on asyncio: one message after another, on the loop, and a failure stops only itself."""

import asyncio
import contextlib
import contextvars
import gc
import weakref
from typing import Any

import pykka
import pytest

from agent_runtime_framework.actors import AsyncioActor, AsyncioFuture


class Echo(AsyncioActor):
    """Answers what it is told, in the order told, and keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.failed: list[BaseException | None] = []

    async def on_receive(self, message: Any) -> Any:
        self.seen.append(("begin", message))
        await asyncio.sleep(0)
        self.seen.append(("end", message))
        if isinstance(message, Exception):
            raise message
        return message

    def on_failure(self, kind: Any, value: BaseException | None, traceback: Any) -> None:
        self.failed.append(value)


def started() -> Echo:
    actor = Echo()
    actor.begin()
    return actor


async def test_it_answers_an_ask_without_blocking_the_loop() -> None:
    answer = Echo.start().ask("hi", block=False)

    with pytest.raises(pykka.Timeout, match="await the future"):
        answer.get()
    assert await answer == "hi"
    assert answer.get() == "hi"


async def test_messages_are_handled_one_after_another_in_order() -> None:
    actor = started()
    answers = [actor.actor_ref.ask(number, block=False) for number in range(3)]

    assert [await answer for answer in answers] == [0, 1, 2]
    assert actor.seen == [(when, number) for number in range(3) for when in ("begin", "end")]


async def test_an_exception_reaches_who_asked_and_the_actor_lives_on() -> None:
    actor = started()

    with pytest.raises(KeyError):
        await actor.actor_ref.ask(KeyError("x"), block=False)
    assert await actor.actor_ref.ask("still here", block=False) == "still here"


async def test_an_exception_that_nobody_awaits_stops_that_actor_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    broken, other = started(), started()

    broken.actor_ref.tell(KeyError("x"))
    left = broken.actor_ref.ask("too late", block=False)

    with pytest.raises(pykka.ActorDeadError):
        await left
    assert [type(error) for error in broken.failed] == [KeyError]
    assert not broken.actor_ref.is_alive()
    assert "Unhandled exception" in caplog.text
    assert await other.actor_ref.ask("fine", block=False) == "fine"


async def test_an_actor_is_in_no_registry() -> None:
    started()

    assert pykka.ActorRegistry.get_all() == []


async def test_a_stopped_actor_answers_what_is_left_as_pykka_does() -> None:
    actor = started()

    actor.stop()
    left = actor.actor_ref.ask("too late", block=False)

    with pytest.raises(pykka.ActorDeadError):
        await left


async def test_an_actor_that_ended_hears_nothing_more_and_needs_no_collector_to_be_gone() -> None:
    actor, other = started(), started()
    assert await actor.actor_ref.ask("hi", block=False) == "hi"
    actor.end()
    ref, gone = actor.actor_ref, weakref.ref(actor)
    ref.tell("too late")
    await other.actor_ref.ask("meanwhile", block=False)

    assert actor.seen == [("begin", "hi"), ("end", "hi")]
    gc.disable()
    del actor
    gc.enable()
    assert gone() is None


async def test_a_future_takes_its_first_value_only() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    future.set(1)
    future.set(2)

    assert await future == 1


PASSED_ON: contextvars.ContextVar[str] = contextvars.ContextVar("passed_on", default="nothing")


class Asking(AsyncioActor):
    """Begins something at each question, which goes on with its answer: at once, or once it may."""

    def __init__(self, may: asyncio.Event) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.asked, self.holds, self.over, self.may_end = (asyncio.Event() for _ in range(4))
        self.asking: asyncio.Task[None] | None = None
        self._may = may

    async def on_receive(self, message: str) -> None:
        task = asyncio.current_task()
        self.found.append((message, "" if task is None else task.get_name(), PASSED_ON.get()))
        if message.startswith("ask"):
            self.asking = asyncio.create_task(self._answer(message), name="what was asked")
            self.asked.set()
        elif message == "hold":
            self.holds.set()
            await self.may_end.wait()
        else:
            self.over.set()

    async def _answer(self, message: str) -> None:
        PASSED_ON.set("by what was asked")
        if message == "ask later":
            await self._may.wait()
        await self.go_on_with(f"answer to {message}")


@pytest.mark.parametrize("message", ["ask", "ask later"])
async def test_what_comes_of_a_message_is_handled_by_the_task_that_it_comes_from(message: str) -> None:
    may = asyncio.Event()
    actor = Asking(may)
    actor.begin()

    actor.actor_ref.tell(message)
    asyncio.get_running_loop().call_later(0.001, may.set)
    await actor.over.wait()

    assert actor.found[1:] == [(f"answer to {message}", "what was asked", "by what was asked")]


async def test_what_comes_while_another_message_is_handled_waits_for_that() -> None:
    may = asyncio.Event()
    actor = Asking(may)
    actor.begin()
    actor.actor_ref.tell("ask later")
    actor.actor_ref.tell("hold")
    await actor.holds.wait()

    may.set()
    asking = actor.asking
    assert asking is not None
    await asking
    assert [message for message, *_ in actor.found] == ["ask later", "hold"]
    actor.may_end.set()
    await actor.over.wait()

    assert [message for message, *_ in actor.found] == ["ask later", "hold", "answer to ask later"]
    assert actor.found[2][1] == actor.found[1][1] != "what was asked"


async def test_a_task_that_is_to_end_handles_nothing_that_comes_of_it() -> None:
    class Ending(Asking):
        async def _answer(self, message: str) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            await self.go_on_with(f"answer to {message}")

    actor = Ending(asyncio.Event())
    actor.begin()
    actor.actor_ref.tell("ask")
    await actor.over.wait()

    assert [(message, name == "what was asked") for message, name, _ in actor.found[1:]] == [("answer to ask", False)]


async def test_an_actor_that_ended_goes_on_with_nothing() -> None:
    may = asyncio.Event()
    actor = Asking(may)
    actor.begin()
    actor.actor_ref.tell("ask later")
    await actor.asked.wait()

    actor.end()
    may.set()
    asking = actor.asking
    assert asking is not None
    await asking

    assert [message for message, *_ in actor.found] == ["ask later"]

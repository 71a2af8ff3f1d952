"""The pykka actor on asyncio: one message after another, on the loop, and a failure stops only itself."""

import asyncio
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

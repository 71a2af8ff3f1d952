"""Dead letters wherever they are kept: whole, once, and until somebody takes them away."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from agent_runtime_framework import DeadLetter, MemoryStore
from agent_runtime_framework.actors import CancelTurn, SayToAgent
from agent_runtime_framework.events import FrameworkError, NotFound, Refused, Unavailable
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.deadletters import (
    PIECE,
    STORE,
    DeadLetters,
    command_of,
    poisoned,
    said_again,
    undecodable,
)
from agent_runtime_framework.runtime.nats import connect
from agent_runtime_framework.runtime.nats.store import JetStreamStore
from agent_runtime_framework.runtime.substrate import stores_in_memory
from agent_runtime_framework.runtime.wire import encode

Store = Callable[[str], MemoryStore[Any]]

SAY = SayToAgent(id="m-1", agent="bot", text="hi", metadata={"lang": "en"})


@pytest.fixture(params=["memory", "jetstream"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Gives the stores of a namespace: once in memory, once on a real nats-server."""
    if request.param == "memory":
        yield stores_in_memory()
        return
    client, namespace = await connect(request.getfixturevalue("nats_url")), new_id("t")
    yield lambda name: JetStreamStore(client, f"{namespace}-{name}")
    await client.close()


@pytest.fixture
def letters(store: Store) -> DeadLetters:
    return DeadLetters(store)


def letter_of(say: SayToAgent, conversation: str = "c-1", time: int = 7) -> tuple[DeadLetter, bytes]:
    data = encode(say)
    return poisoned(say.agent, conversation, say.id, data, attempts=5, time=time), data


def spoilt(data: bytes, conversation: str = "c-1", agent: str = "bot") -> DeadLetter:
    return undecodable(agent, conversation, data, error="this is no command", time=7)


async def names(letters: DeadLetters) -> list[str]:
    return sorted([letter.name async for letter in letters.all()])


async def test_a_letter_is_what_was_kept_and_its_command_holds_what_was_said(letters: DeadLetters) -> None:
    letter, data = letter_of(SAY)
    await letters.keep(letter, data)

    assert [each async for each in letters.all()] == [letter]
    assert await letters.get("c-1/m-1") == letter
    assert await letters.data(letter) == data
    assert command_of(letter, data) == SAY
    assert (letter.attempts, letter.error) == (
        4,
        "4 workers ended or broke in its turn, one after another; it is not tried again",
    )


async def test_a_letter_that_is_kept_again_is_there_once_and_as_it_was(letters: DeadLetters) -> None:
    first, data = letter_of(SAY, time=7)
    again, _ = letter_of(SAY, time=8)
    await letters.keep(first, data)
    await letters.keep(again, data)

    assert [each async for each in letters.all()] == [first]


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 1_000_000])
async def test_any_bytes_of_any_size_are_kept_as_they_came(letters: DeadLetters, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    await letters.keep(spoilt(data), data)
    (letter,) = [each async for each in letters.all()]

    assert letter.size == size
    assert await letters.data(letter) == data
    await letters.drop(letter.name)
    assert await names(letters) == []


@pytest.mark.parametrize("conversation", ["a/b", "ü", "x" * 500, "$G", "-", "c'1\"", "c-1"])
async def test_wherever_a_command_was_for_its_letter_has_a_name_that_is_easily_typed(
    letters: DeadLetters, conversation: str
) -> None:
    await letters.keep(spoilt(b"?", conversation), b"?")
    (letter,) = [each async for each in letters.all()]

    assert letter.conversation == conversation
    where, _, id_ = letter.name.partition("/")
    assert where == (conversation if conversation in ("-", "c-1") else "nameless")
    assert len(id_) == 22
    assert await letters.get(letter.name) == letter


async def test_letters_of_one_message_id_are_apart_by_conversation(letters: DeadLetters) -> None:
    for conversation in ("c-1", "c-2"):
        await letters.keep(*letter_of(SAY, conversation))
    for agent, conversation in (("bot", "c-1"), ("other", "c-1"), ("bot", "a/b"), ("bot", "a+b")):
        await letters.keep(spoilt(b"?", conversation, agent), b"?")

    assert len(await names(letters)) == 6
    await letters.drop("c-1/m-1")
    assert "c-2/m-1" in await names(letters)


async def test_a_dropped_letter_leaves_nothing_of_its_command(letters: DeadLetters, store: Store) -> None:
    letter, data = letter_of(SAY)
    await letters.keep(letter, data)
    await letters.drop(letter.name)

    assert [value async for value in store("dead-letters-data").values()] == []
    for act in (letters.get, letters.drop):
        with pytest.raises(NotFound, match="no dead letter 'c-1/m-1'"):
            await act(letter.name)
    with pytest.raises(NotFound, match="is gone"):
        await letters.data(letter)


async def test_a_letter_is_listed_only_once_its_command_is_whole(store: Store) -> None:
    class Breaking(MemoryStore[Any]):
        """Is a store whose second write is lost."""

        def __init__(self) -> None:
            self.writes = 0
            self.get, self.delete = store("dead-letters-data").get, store("dead-letters-data").delete  # type: ignore[method-assign]

        async def get(self, key: str) -> Any: ...

        async def delete(self, key: str) -> None: ...

        async def set(self, key: str, value: Any) -> None:
            self.writes += 1
            if self.writes == 2:
                raise Unavailable("the server is away")
            await store("dead-letters-data").set(key, value)

    breaking = Breaking()
    letters = DeadLetters(lambda name: store(name) if name == STORE else breaking)
    data = b"\xff" * (3 * PIECE)
    letter = spoilt(data)
    with pytest.raises(Unavailable):
        await letters.keep(letter, data)
    assert await names(letters) == []

    await letters.keep(letter, data)
    assert await names(letters) == [letter.name]
    assert await letters.data(letter) == data


async def test_what_is_no_letter_is_said_to_be_none(letters: DeadLetters, store: Store) -> None:
    await store(STORE).set("by-hand", {"what": "this"})

    with pytest.raises(FrameworkError, match="holds what is no dead letter"):
        await names(letters)


def test_a_message_is_said_again_under_an_id_that_is_new_and_always_the_same() -> None:
    letter, data = letter_of(SAY)
    again = said_again(letter, data)

    assert msgspec.structs.replace(again, id="m-1") == SAY
    assert again.id != "m-1"
    assert again == said_again(*letter_of(SAY, time=99))
    assert again.id != said_again(*letter_of(SAY, "c-2")).id
    assert again.id != said_again(*letter_of(again)).id


def test_what_is_no_message_is_not_said_again() -> None:
    cancel = encode(CancelTurn(id="c-9", agent="bot"))
    whole, data = letter_of(SAY)
    for letter, held in (
        (spoilt(b"?"), b"?"),
        (spoilt(data), data),
        (whole, b"?"),
        (poisoned("bot", "c-1", "c-9", cancel, attempts=5, time=0), cancel),
    ):
        with pytest.raises(Refused, match="cannot be sent again"):
            said_again(letter, held)

"""What holds for memory wherever it is kept: in the process, and in a bucket of a real nats-server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from agent_runtime_framework import (
    AgentMessage,
    BaseJourneyState,
    ConversationStore,
    InMemoryStore,
    JetStreamStore,
    MemoryContext,
    MemoryManager,
    MemoryStore,
    StateStore,
    StoredMessage,
)
from agent_runtime_framework.events import InvalidInput
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.nats.connection import connect

CALL = {"id": "call-1", "type": "function", "function": {"name": "save", "arguments": "{}"}}

KEYS = [
    "",
    " ",
    "plain",
    "Plain",
    "a.b",
    "a..b",
    ".",
    "*",
    ">",
    "a b",
    "a=b",
    "a=3Db",
    "=",
    "==",
    "a/b",
    "a:b",
    "a\nb\r\n",
    "\0",
    "_kv",
    "$KV.other.key",
    "Grüße, 世界 😀",
    "\ud800",
    "x" * 600,
    "x" * 601,
    "é" * 100_000,
]


class Step(StrEnum):
    CART = "cart"
    DONE = "done"


@dataclass
class Shopping(BaseJourneyState[Step]):
    step: Step = Step.CART
    item: str = "tea"

    def is_complete(self) -> bool:
        return self.step == Step.DONE


def said(text: str) -> StoredMessage:
    return StoredMessage("user", text)


class StoreContract:
    """`backends` are ten ways to one and the same store, as ten processes have them."""

    @pytest.fixture
    def backend(self, backends: list[MemoryStore[Any]]) -> MemoryStore[Any]:
        return backends[0]

    @pytest.fixture
    def manager(self, backend: MemoryStore[Any]) -> MemoryManager:
        return MemoryManager(StateStore(backend), ConversationStore(backend))

    async def test_a_value_is_got_as_it_was_set(self, backend: MemoryStore[Any]) -> None:
        values: list[Any] = [{"a": [1, 2.5, True, None, "ü"]}, [], {}, "", 0, False, 2**70]
        for value in values:
            await backend.set("k", value)

            assert await backend.get("k") == value
            assert await backend.exists("k")

    async def test_something_missing_is_none_and_does_not_exist(self, backend: MemoryStore[Any]) -> None:
        assert await backend.get("k") is None
        assert not await backend.exists("k")

    async def test_setting_replaces(self, backends: list[MemoryStore[Any]]) -> None:
        await backends[0].set("k", 1)
        await backends[1].set("k", 2)

        assert await backends[2].get("k") == 2

    async def test_what_was_deleted_is_missing_until_it_is_set_again(self, backend: MemoryStore[Any]) -> None:
        await backend.set("k", 1)
        await backend.set("other", 1)
        await backend.delete("k")
        assert (await backend.get("k"), await backend.exists("k")) == (None, False)
        assert await backend.get("other") == 1

        await backend.delete("k")
        await backend.set("k", 2)
        assert await backend.get("k") == 2

    async def test_deleting_what_was_never_there_is_nothing(self, backend: MemoryStore[Any]) -> None:
        await backend.delete("k")

        assert not await backend.exists("k")

    async def test_any_text_is_a_key_and_no_two_are_one(self, backend: MemoryStore[Any]) -> None:
        for number, key in enumerate(KEYS):
            await backend.set(key, number)

        assert [await backend.get(key) for key in KEYS] == list(range(len(KEYS)))
        await backend.delete("a.b")
        assert [key for key in KEYS if not await backend.exists(key)] == ["a.b"]

    async def test_all_values_are_listed_whatever_their_keys_and_what_was_deleted_is_not(
        self, backends: list[MemoryStore[Any]]
    ) -> None:
        assert [value async for value in backends[0].values()] == []
        for number, key in enumerate(KEYS):
            await backends[0].set(key, number)
        await backends[0].set("plain", "changed")
        await backends[0].delete("a.b")

        kept = [number for number, key in enumerate(KEYS) if key not in ("plain", "a.b")]
        assert sorted([value async for value in backends[1].values()], key=str) == sorted([*kept, "changed"], key=str)

    async def test_a_listed_value_shares_nothing_with_what_is_stored(self, backend: MemoryStore[Any]) -> None:
        await backend.set("k", {"items": ["tea"]})
        async for value in backend.values():
            value["items"].append("never bought")

        assert await backend.get("k") == {"items": ["tea"]}

    async def test_what_is_stored_shares_nothing_with_what_was_set_or_got(self, backend: MemoryStore[Any]) -> None:
        value = {"items": ["tea"]}
        await backend.set("k", value)
        value["items"].append("never bought")
        got: Any = await backend.get("k")
        got["items"].append("never bought")

        assert await backend.get("k") == {"items": ["tea"]}

    async def test_a_value_that_cannot_be_kept_is_refused_and_the_last_one_stays(
        self, backend: MemoryStore[Any]
    ) -> None:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        await backend.set("k", 1)
        for value in (deep, (each for each in "ab")):
            with pytest.raises(InvalidInput):
                await backend.set("k", value)

        assert await backend.get("k") == 1

    async def test_a_change_is_made_of_the_value_or_of_none(self, backend: MemoryStore[Any]) -> None:
        seen: list[Any] = []

        def change(value: Any) -> Any:
            seen.append(value)
            return {"count": len(seen)}

        await backend.modify("k", change)
        await backend.modify("k", change)

        assert seen == [None, {"count": 1}]
        assert await backend.get("k") == {"count": 2}

    async def test_a_change_that_raises_changes_nothing(self, backend: MemoryStore[Any]) -> None:
        await backend.set("k", [1])

        def change(value: Any) -> Any:
            value.append(2)
            raise LookupError("no")

        with pytest.raises(LookupError):
            await backend.modify("k", change)
        assert await backend.get("k") == [1]

    async def test_no_change_is_lost_when_many_are_made_at_once(self, backends: list[MemoryStore[Any]]) -> None:
        await asyncio.gather(
            *(backend.modify("k", lambda value: (value or 0) + 1) for backend in backends for _ in range(5))
        )

        assert await backends[0].get("k") == 5 * len(backends)

    async def test_a_state_is_loaded_as_it_was_saved(self, backends: list[MemoryStore[Any]]) -> None:
        await StateStore(backends[0]).save_state("c-1", "shop", {"step": "cart", "items": ["tea"], "note": None})

        loaded = await StateStore(backends[1]).load_state("c-1", "shop")
        assert loaded == {"step": "cart", "items": ["tea"], "note": None}

    async def test_a_state_that_was_not_saved_is_none(self, backend: MemoryStore[Any]) -> None:
        assert await StateStore(backend).load_state("c-1", "shop") is None

    async def test_an_empty_state_was_saved(self, backend: MemoryStore[Any]) -> None:
        await StateStore(backend).save_state("c-1", "shop", {})

        assert await StateStore(backend).load_state("c-1", "shop") == {}

    async def test_states_are_apart_by_conversation_and_by_agent(self, backend: MemoryStore[Any]) -> None:
        states = StateStore(backend)
        pairs = [("a", "b/c"), ("a/b", "c"), ("a", "b"), ("b", "a"), ("a%2Fb", "c"), ("a:b", "c"), ("a", "b:c")]
        pairs += [("a", "\ud800"), ("\ud800", "a"), ("a", "%ED%A0%80"), ("a", "世界 \0*>")]
        for number, (conversation, agent) in enumerate(pairs):
            await states.save_state(conversation, agent, {"number": number})
        assert [await states.load_state(*pair) for pair in pairs] == [{"number": n} for n in range(len(pairs))]

        await states.delete_state("a", "b")
        assert await states.load_state("a", "b") is None
        assert await states.load_state("b", "a") == {"number": 3}

    async def test_a_store_over_a_backend_has_the_calls_of_any_store(self, backend: MemoryStore[Any]) -> None:
        stores: list[MemoryStore[Any]] = [StateStore(backend), ConversationStore(backend)]
        for store in stores:
            await store.set("k", {"a": 1})
            assert await store.get("k") == {"a": 1}
            assert await store.exists("k")
            await store.modify("k", lambda value: {"was": value})
            assert await backend.get("k") == {"was": {"a": 1}}
            assert [value async for value in store.values()] == [{"was": {"a": 1}}]
            await store.delete("k")
            assert not await backend.exists("k")

    async def test_messages_come_oldest_first(self, backends: list[MemoryStore[Any]]) -> None:
        messages = ConversationStore(backends[0])
        await messages.add_message("c-1", said("1"))
        await messages.add_messages("c-1", [said("2"), said("3")])

        assert await ConversationStore(backends[1]).get_messages("c-1") == [said("1"), said("2"), said("3")]

    async def test_a_limit_keeps_the_newest(self, backend: MemoryStore[Any]) -> None:
        messages = ConversationStore(backend)
        await messages.add_messages("c-1", [said(str(number)) for number in range(4)])

        kept = {
            limit: [each.content for each in await messages.get_messages("c-1", limit)] for limit in (0, 1, 3, 4, 5)
        }
        assert kept == {0: [], 1: ["3"], 3: ["1", "2", "3"], 4: ["0", "1", "2", "3"], 5: ["0", "1", "2", "3"]}
        assert len(await messages.get_messages("c-1", limit=None)) == 4
        for wrong in (-1, 1.5, "3"):
            with pytest.raises(InvalidInput, match=f"{wrong!r} messages cannot be given"):
                await messages.get_messages("c-1", limit=wrong)  # type: ignore[arg-type]

    async def test_a_conversation_without_messages_has_none(self, backend: MemoryStore[Any]) -> None:
        messages = ConversationStore(backend)
        await messages.add_messages("c-1", [])

        assert await messages.get_messages("c-1") == []
        assert await messages.get_messages("c-1", limit=3) == []

    async def test_clearing_a_conversation_leaves_the_others(self, backend: MemoryStore[Any]) -> None:
        messages = ConversationStore(backend)
        await messages.add_message("c-1", said("1"))
        await messages.add_message("c-2", said("2"))
        await messages.clear_conversation("c-1")
        assert await messages.get_messages("c-1") == []
        assert await messages.get_messages("c-2") == [said("2")]

        await messages.clear_conversation("c-1")
        await messages.add_message("c-1", said("again"))
        assert await messages.get_messages("c-1") == [said("again")]

    async def test_messages_that_many_add_at_once_are_all_kept_each_ones_in_order(
        self, backends: list[MemoryStore[Any]]
    ) -> None:
        async def speak(who: int, messages: ConversationStore) -> None:
            for number in range(5):
                await messages.add_messages("c-1", [said(f"{who}-{number}"), said(f"{who}-{number}+")])

        await asyncio.gather(*(speak(who, ConversationStore(each)) for who, each in enumerate(backends)))
        kept = [str(each.content) for each in await ConversationStore(backends[0]).get_messages("c-1")]

        assert len(kept) == 100
        for who in range(len(backends)):
            mine = [text for text in kept if text.startswith(f"{who}-")]
            assert mine == [f"{who}-{number}{end}" for number in range(5) for end in ("", "+")]
        assert [first + "+" for first in kept[::2]] == kept[1::2], "what was added together is not together"

    async def test_a_manager_loads_what_it_saved(self, manager: MemoryManager) -> None:
        assert await manager.load_context("c-1", "shop") == MemoryContext()
        await manager.save_state("c-1", "shop", {"step": "cart"})
        await manager.save_messages("c-1", [said("1"), said("2")])
        await manager.save_messages("c-1", [said("3")])

        context = await manager.load_context("c-1", "shop")
        assert context == MemoryContext({"step": "cart"}, [said("1"), said("2"), said("3")])
        assert (await manager.load_context("c-1", "shop", message_limit=1)).messages == [said("3")]
        assert (await manager.load_context("c-1", "other")).state is None

    async def test_a_state_object_is_loaded_as_a_dict(self, manager: MemoryManager) -> None:
        await manager.save_state("c-1", "shop", Shopping(Step.DONE))
        assert (await manager.load_context("c-1", "shop")).state == {"step": "done", "item": "tea"}

        await manager.save_state("c-1", "shop", {"step": Step.CART, "items": ("tea",)})
        assert (await manager.load_context("c-1", "shop")).state == {"step": "cart", "items": ["tea"]}

    async def test_a_state_that_cannot_be_written_is_refused_and_the_last_one_stays(
        self, manager: MemoryManager
    ) -> None:
        await manager.save_state("c-1", "shop", {"step": "cart"})
        with pytest.raises(InvalidInput, match=r"'a\.b'"):
            await manager.save_state("c-1", "shop", {"a": {"b": object()}})
        with pytest.raises(InvalidInput, match="is no state"):
            await manager.save_state("c-1", "shop", 7)

        assert (await manager.load_context("c-1", "shop")).state == {"step": "cart"}

    async def test_messages_may_be_of_any_kind_and_their_tool_fields_come_back(self, manager: MemoryManager) -> None:
        given: list[Any] = [
            said("Ada"),
            AgentMessage("assistant", None, [CALL], metadata={"model": "m"}),
            {"role": "tool", "content": "saved", "tool_call_id": "call-1", "name": "save", "other": "left out"},
            {"role": "assistant", "content": ""},
        ]
        await manager.save_messages("c-1", given)

        context = await manager.load_context("c-1", "shop")
        assert context.get_message_dicts() == [
            {"role": "user", "content": "Ada"},
            {"role": "assistant", "tool_calls": [CALL], "metadata": {"model": "m"}},
            {"role": "tool", "content": "saved", "tool_call_id": "call-1", "name": "save"},
            {"role": "assistant", "content": ""},
        ]
        assert context.messages[1].metadata == {"model": "m"}

    async def test_what_is_no_message_is_refused_and_nothing_is_added(self, manager: MemoryManager) -> None:
        wrong: list[Any] = [
            "text",
            None,
            {"content": "no role"},
            {"role": "user", "content": "\ud800"},
            {"role": "assistant", "tool_calls": CALL},
            StoredMessage("user", "x", {"a": object()}),
        ]
        for message in wrong:
            with pytest.raises(InvalidInput):
                await manager.save_messages("c-1", [said("fine"), message])

        assert (await manager.load_context("c-1", "shop")).messages == []

    async def test_messages_that_are_no_list_are_refused(self, manager: MemoryManager) -> None:
        wrong: list[Any] = [said("alone"), AgentMessage("user"), {"role": "user"}, "text", None, 3]
        for messages in wrong:
            with pytest.raises(InvalidInput, match="messages come in a list, even one alone"):
                await manager.save_messages("c-1", messages)

        await manager.save_messages("c-1", (said(each) for each in "ab"))
        assert (await manager.load_context("c-1", "shop")).messages == [said("a"), said("b")]

    async def test_forgetting_messages_keeps_the_state_and_the_other_way_round(self, manager: MemoryManager) -> None:
        for conversation in ("c-1", "c-2"):
            await manager.save_state(conversation, "shop", {"step": "cart"})
            await manager.save_messages(conversation, [said("1")])
        await manager.clear_conversation("c-1")
        await manager.delete_state("c-2", "shop")

        assert await manager.load_context("c-1", "shop") == MemoryContext({"step": "cart"})
        assert await manager.load_context("c-2", "shop") == MemoryContext(None, [said("1")])


class TestInMemoryStore(StoreContract):
    @pytest.fixture
    def backends(self) -> list[MemoryStore[Any]]:
        return [InMemoryStore[Any]()] * 10


class TestJetStreamStore(StoreContract):
    @pytest.fixture
    async def backends(self, nats_url: str) -> AsyncIterator[list[MemoryStore[Any]]]:
        bucket = new_id("memory")
        clients = [await connect(nats_url) for _ in range(10)]
        yield [JetStreamStore(client, bucket) for client in clients]
        for client in clients:
            await client.close()

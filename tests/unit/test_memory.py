"""Memory: what stores, messages and contexts are, whatever they are kept in."""

import asyncio
import dataclasses
import inspect
import threading
from collections import OrderedDict
from typing import Any
from uuid import UUID

import pytest

from agent_runtime_framework import (
    AgentMessage,
    ConversationStore,
    FrameworkError,
    InMemoryStore,
    InvalidInput,
    JetStreamStore,
    MemoryContext,
    MemoryManager,
    MemoryStore,
    StateStore,
    StoredMessage,
    build_memory_context,
)

CALL = {"id": "call-1", "type": "function", "function": {"name": "save", "arguments": "{}"}}


class Slow(MemoryStore[Any]):
    """Is the least that an author writes, and lets others run between each two steps."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}

    async def get(self, key: str) -> Any:
        await asyncio.sleep(0)
        return self.data.get(key)

    async def set(self, key: str, value: Any) -> None:
        await asyncio.sleep(0)
        self.data[key] = value

    async def delete(self, key: str) -> None:
        await asyncio.sleep(0)
        self.data.pop(key, None)


def test_a_store_that_lacks_one_of_three_methods_cannot_be_made() -> None:
    assert MemoryStore.__abstractmethods__ == {"get", "set", "delete"}

    class Half(MemoryStore[int]):
        async def get(self, key: str) -> int | None:
            return None

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]


@pytest.mark.parametrize("kind", [InMemoryStore, StateStore, ConversationStore, JetStreamStore, MemoryManager])
def test_every_method_is_async_but_that_which_clears_a_store_in_memory(kind: type) -> None:
    plain = {
        name
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and not (inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method))
    }

    assert plain == ({"clear"} if kind is InMemoryStore else set())
    assert inspect.iscoroutinefunction(build_memory_context)


async def test_whether_a_value_exists_is_answered_by_get_unless_a_store_knows_better() -> None:
    store = Slow()
    await store.set("k", 0)

    assert await store.exists("k")
    assert not await store.exists("other")


async def test_a_change_is_made_of_the_value_that_is_there() -> None:
    store = Slow()
    await store.modify("k", lambda value: [value])
    await store.modify("k", lambda value: [value])

    assert store.data == {"k": [[None]]}


async def test_the_entries_of_a_store_in_memory_are_in_its_dict() -> None:
    store = InMemoryStore[int]()
    await store.set("k", 1)
    assert store._data == {"k": 1}

    store._data["other"] = 2
    assert await store.get("other") == 2


@pytest.mark.parametrize("value", [threading.Lock(), {"lock": threading.Lock()}, (each for each in "ab")])
async def test_a_value_that_cannot_be_copied_is_refused_and_the_last_one_stays(value: Any) -> None:
    store = InMemoryStore[Any]()
    await store.set("k", 1)
    with pytest.raises(InvalidInput, match=r"the value for key 'k', a .*, cannot be copied") as raised:
        await store.set("k", value)

    assert isinstance(raised.value.__cause__, TypeError)
    assert await store.get("k") == 1


async def test_clearing_a_store_in_memory_removes_everything_at_once() -> None:
    store = InMemoryStore[int]()
    await store.set("k", 1)
    await store.set("other", 2)

    store.clear()
    assert (await store.get("k"), await store.exists("other"), store._data) == (None, False, {})


async def test_stores_share_nothing_with_each_other() -> None:
    one, other = StateStore(), StateStore()
    await one.save_state("c-1", "shop", {"step": "cart"})

    assert await other.load_state("c-1", "shop") is None
    assert isinstance(one, MemoryStore)
    assert isinstance(ConversationStore(), MemoryStore)


async def test_a_store_keeps_everything_in_its_backend() -> None:
    backend = InMemoryStore[Any]()
    await StateStore(backend).save_state("c-1", "shop", {"step": "cart"})
    await ConversationStore(backend).add_message("c-1", StoredMessage("user", "Hello"))

    assert await StateStore(backend).load_state("c-1", "shop") == {"step": "cart"}
    assert len(await ConversationStore(backend).get_messages("c-1")) == 1
    assert len(backend._data) == 2


async def test_messages_added_at_once_are_all_kept_by_a_backend_that_knows_only_get_and_set() -> None:
    store = ConversationStore(Slow())
    await asyncio.gather(*(store.add_message("c-1", {"role": "user", "content": str(each)}) for each in range(50)))

    assert [message.content for message in await store.get_messages("c-1")] == [str(each) for each in range(50)]


async def test_adding_to_one_conversation_does_not_wait_for_another() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    class Gate(InMemoryStore[Any]):
        async def get(self, key: str) -> Any:
            if "slow" in key:
                entered.set()
                await leave.wait()
            return await super().get(key)

    store = ConversationStore(Gate())
    slow = asyncio.ensure_future(store.add_message("slow", StoredMessage("user", "a")))
    await entered.wait()
    await store.add_message("fast", StoredMessage("user", "b"))

    assert len(await store.get_messages("fast")) == 1
    leave.set()
    await slow
    assert len(await store.get_messages("slow")) == 1


def test_a_store_may_be_used_from_several_event_loops_at_once() -> None:
    met = threading.Barrier(2, timeout=10)

    class Meeting(Slow):
        async def set(self, key: str, value: Any) -> None:
            await asyncio.to_thread(met.wait)
            await super().set(key, value)

    store = ConversationStore(Meeting())

    def in_a_loop_of_its_own(text: str) -> None:
        asyncio.run(store.add_message("c-1", StoredMessage("user", text)))

    threads = [threading.Thread(target=in_a_loop_of_its_own, args=(text,), daemon=True) for text in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert not any(thread.is_alive() for thread in threads), "one loop waits for the lock of another"
    assert asyncio.run(store.get_messages("c-1"))


async def test_no_lock_is_left_when_nothing_is_added() -> None:
    store = ConversationStore()
    await asyncio.gather(*(store.add_message(f"c-{each}", StoredMessage("user", "a")) for each in range(20)))

    assert len(store._changing) == 0


def test_a_stored_message_has_its_fields_in_the_order_of_the_contract() -> None:
    message = StoredMessage("user", "Hello", {"seen": True})

    assert (message.role, message.content, message.metadata) == ("user", "Hello", {"seen": True})
    assert StoredMessage("user", None).metadata == {}
    names = [field.name for field in dataclasses.fields(StoredMessage) if not field.kw_only]
    assert names == ["role", "content", "metadata"]


def test_a_stored_message_leaves_out_a_content_of_none_and_empty_metadata() -> None:
    assert StoredMessage("assistant", None).to_dict() == {"role": "assistant"}
    assert StoredMessage("user", "").to_dict() == {"role": "user", "content": ""}
    assert StoredMessage("user", "Hello", {"seen": True}).to_dict() == {
        "role": "user",
        "content": "Hello",
        "metadata": {"seen": True},
    }


def test_a_stored_message_has_the_tool_fields_that_are_set() -> None:
    assert StoredMessage("assistant", None, tool_calls=[CALL]).to_dict() == {"role": "assistant", "tool_calls": [CALL]}
    assert StoredMessage("tool", "saved", tool_call_id="call-1", name="save").to_dict() == {
        "role": "tool",
        "content": "saved",
        "tool_call_id": "call-1",
        "name": "save",
    }


def test_a_context_is_empty_unless_told() -> None:
    context = MemoryContext()

    assert (context.state, context.messages, context.metadata) == (None, [], {})
    assert not context.has_state()
    assert context.get_message_dicts() == []


def test_a_context_has_its_fields_in_the_order_of_the_contract() -> None:
    context = MemoryContext({}, [StoredMessage("user", "Hello")], {"a": 1})

    assert context == MemoryContext(state={}, messages=[StoredMessage("user", "Hello")], metadata={"a": 1})
    assert context.has_state(), "an empty state was kept too"
    assert context.get_message_dicts() == [{"role": "user", "content": "Hello"}]


async def test_a_context_is_built_of_the_stores_that_are_given() -> None:
    states, messages = StateStore(), ConversationStore()
    await states.save_state("c-1", "shop", {"step": "cart"})
    await messages.add_messages("c-1", [StoredMessage("user", str(each)) for each in range(3)])

    assert await build_memory_context("c-1", "shop") == MemoryContext()
    assert await build_memory_context("c-1", "shop", states) == MemoryContext({"step": "cart"})
    assert await build_memory_context("c-1", "shop", conversation_store=messages, message_limit=2) == MemoryContext(
        messages=[StoredMessage("user", "1"), StoredMessage("user", "2")]
    )
    whole = await build_memory_context("c-1", "shop", states, messages)
    assert (whole.state, len(whole.messages)) == ({"step": "cart"}, 3)


async def test_a_manager_makes_stores_in_memory_where_none_are_given() -> None:
    manager = MemoryManager()
    await manager.save_state("c-1", "shop", {"step": "cart"})
    await manager.save_messages("c-1", [AgentMessage("user", "Hello")])

    assert await manager.load_context("c-1", "shop") == MemoryContext(
        {"step": "cart"}, [StoredMessage("user", "Hello")]
    )
    assert await MemoryManager().load_context("c-1", "shop") == MemoryContext()


async def test_a_manager_uses_the_stores_that_it_is_given() -> None:
    states, messages = StateStore(), ConversationStore()
    manager = MemoryManager(state_store=states, conversation_store=messages)
    assert vars(MemoryManager(states, messages)) == vars(manager)

    assert (manager.state_store, manager.conversation_store) == (states, messages)
    await manager.save_state("c-1", "shop", {"step": "cart"})
    assert await states.load_state("c-1", "shop") == {"step": "cart"}


@pytest.mark.parametrize("nothing", [None, ""])
async def test_a_conversation_without_an_id_is_refused(nothing: Any) -> None:
    manager = MemoryManager()
    for call in (
        manager.save_state(nothing, "shop", {}),
        manager.load_context(nothing, "shop"),
        manager.save_messages(nothing, [StoredMessage("user", "Hello")]),
        manager.clear_conversation(nothing),
        manager.delete_state(nothing, "shop"),
    ):
        with pytest.raises(InvalidInput, match="is no conversation id"):
            await call


@pytest.mark.parametrize("key", [None, 3, UUID(int=1), b"shop"])
async def test_a_key_of_an_agent_is_a_text(key: Any) -> None:
    for call in (
        StateStore().save_state("c-1", key, {}),
        StateStore().load_state("c-1", key),
        StateStore().delete_state("c-1", key),
        build_memory_context("c-1", key, StateStore()),
    ):
        with pytest.raises(InvalidInput, match="is no key of an agent"):
            await call


@pytest.mark.parametrize("garbage", ["text", 3, ["a"]])
async def test_a_state_that_no_store_wrote_is_said_to_be_none(garbage: Any) -> None:
    backend = InMemoryStore[Any]()
    await StateStore(backend).save_state("c-1", "shop", {})
    backend._data = dict.fromkeys(backend._data, garbage)

    with pytest.raises(FrameworkError, match="so no StateStore wrote it; delete the key"):
        await MemoryManager(StateStore(backend)).load_context("c-1", "shop")


@pytest.mark.parametrize("garbage", ["text", 3, {"a": 1}, [3], [{"role": "user"}, None]])
async def test_messages_that_no_store_wrote_are_said_to_be_none(garbage: Any) -> None:
    backend = InMemoryStore[Any]()
    await ConversationStore(backend).add_message("c-1", {"role": "user"})
    backend._data = dict.fromkeys(backend._data, garbage)

    with pytest.raises(FrameworkError, match="so no ConversationStore wrote it; delete the key"):
        await ConversationStore(backend).get_messages("c-1", 1)


async def test_a_backend_of_ones_own_may_give_any_mapping_and_any_sequence() -> None:
    backend = InMemoryStore[Any]()
    await StateStore(backend).save_state("c-1", "shop", {"step": "cart"})
    await ConversationStore(backend).add_message("c-1", StoredMessage("user", "Hello"))
    for key, value in backend._data.items():
        backend._data[key] = OrderedDict(value) if "state" in key else tuple(value)

    context = await MemoryManager(StateStore(backend), ConversationStore(backend)).load_context("c-1", "shop")
    assert type(context.state) is dict
    assert context == MemoryContext({"step": "cart"}, [StoredMessage("user", "Hello")])


async def test_a_uuid_and_its_text_name_one_conversation() -> None:
    manager = MemoryManager()
    id_ = UUID("12345678-1234-5678-1234-567812345678")
    await manager.save_state(id_, "shop", {"step": "cart"})
    await manager.save_messages(str(id_), [StoredMessage("user", "Hello")])

    assert (await manager.load_context(str(id_), "shop")).state == {"step": "cart"}
    assert len((await manager.load_context(id_, "shop")).messages) == 1

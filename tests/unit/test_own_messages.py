"""Messages that are handed out are the caller's own, whichever way they are looked at."""

import copy
import json
import operator
import pickle
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime_framework.projections.messages import Message, Messages, kept

CALL = {"id": "call_1", "type": "function", "function": {"name": "note", "arguments": "{}"}}
PLAIN: list[Message] = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "Saved."},
    {"role": "assistant", "content": "Done."},
]


def shared() -> list[Message]:
    found = [kept(message) for message in PLAIN]
    return [one for one in found if one is not None]


def spoil(value: Any) -> None:
    """Change whatever can be."""
    if isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value["spoilt"] = True
    elif isinstance(value, list | tuple | deque):
        for item in value:
            spoil(item)


def _added_in_place(given: Messages) -> list[Message]:
    other: list[Message] = []
    other += given
    return other


def _multiplied_in_place(given: Messages) -> list[Message]:
    given *= 2
    return given


def _put_into_another(given: Messages) -> list[Message]:
    other: list[Message] = [{}]
    other[1:] = given
    return other


def _matched(given: Messages) -> list[Message]:
    match given:
        case [first, *rest]:
            return [first, *rest]
        case _:
            return []


def _extended(given: Messages) -> list[Message]:
    other: list[Message] = []
    other.extend(given)
    return other


def _sorted_in_place(given: Messages) -> list[Message]:
    given.sort(key=lambda message: str(message["role"]))
    return [*given]


def _all(*given: Message) -> list[Message]:
    return [*given]


LOOKS: dict[str, Callable[[Messages], Any]] = {
    "iterated": lambda given: [*given],
    "backwards": lambda given: [*reversed(given)],
    "by place": lambda given: [given[at] for at in range(len(given))],
    "from the end": lambda given: [given[-1 - at] for at in range(len(given))],
    "in slices": lambda given: given[1:] + given[:1],
    "added": lambda given: operator.add(given, []),
    "added to": lambda given: operator.add([], given),
    "extended": _extended,
    "added in place": _added_in_place,
    "added to others": lambda given: operator.add(Messages(shared()), given),
    "multiplied": lambda given: given * 2,
    "multiplied in place": _multiplied_in_place,
    "multiplied from the left": lambda given: 2 * given,
    "copied": lambda given: given.copy(),
    "copied by its module": copy.copy,
    "copied deep": copy.deepcopy,
    "pickled": lambda given: pickle.loads(pickle.dumps(given)),
    "unpacked": lambda given: _all(*given),
    "sorted": lambda given: sorted(given, key=lambda message: str(message["role"])),
    "sorted in place": _sorted_in_place,
    "taken out": lambda given: [given.pop(0), given.pop(), *given],
    "a queue": deque,
    "a slice of another": _put_into_another,
    "matched": _matched,
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_whoever_looks_at_them_may_change_what_is_found(look: Callable[[Messages], Any]) -> None:
    messages = shared()
    found = look(Messages(messages))

    spoil(found)

    assert all(message["spoilt"] for message in found)
    assert Messages(messages) == PLAIN


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_they_look_like_a_list_of_dicts(look: Callable[[Any], Any]) -> None:
    assert look(Messages(shared())) == look(copy.deepcopy(PLAIN))


operations = st.lists(
    st.one_of(
        st.tuples(st.just("spoil"), st.integers(-6, 6)),
        st.tuples(st.just("pop"), st.integers(-6, 6)),
        st.tuples(st.just("insert"), st.integers(-6, 6)),
        st.tuples(st.just("delete"), st.integers(-6, 6)),
        st.tuples(st.just("put"), st.integers(-6, 6)),
        st.tuples(st.sampled_from(["reverse", "append", "read", "clear half"]), st.just(0)),
    ),
    max_size=8,
)


def done(messages: list[Message], what: str, at: int) -> Any:
    try:
        match what:
            case "spoil":
                spoil(messages[at])
            case "pop":
                return messages.pop(at)
            case "insert":
                messages.insert(at, {"role": "user", "content": "new"})
            case "delete":
                del messages[at]
            case "put":
                messages[at] = {"role": "user", "content": "put"}
            case "reverse":
                messages.reverse()
            case "append":
                messages.append({"role": "user", "content": "more"})
            case "read":
                return [*messages]
            case "clear half":
                del messages[len(messages) // 2 :]
            case _:
                raise AssertionError(what)
    except IndexError as error:
        return str(error)
    return None


@settings(deadline=None)
@given(operations)
def test_whatever_is_done_to_them_they_are_as_a_list_of_dicts_would_be(doings: list[tuple[str, int]]) -> None:
    messages, plain = shared(), copy.deepcopy(PLAIN)
    ours = Messages(messages)
    for what, at in doings:
        assert done(ours, what, at) == done(plain, what, at)
        assert len(ours) == len(plain)
    assert json.dumps(ours) == json.dumps(plain)
    assert ours == plain
    assert repr(ours) == repr(plain)
    assert Messages(messages) == PLAIN


def test_what_was_taken_once_is_the_same_message_again() -> None:
    messages = Messages(shared())
    last = messages[-1]
    last["content"] = "Changed."

    assert messages[-1] is last
    assert [*messages][-1] is last
    assert last in messages
    assert messages.index(last) == 3
    assert messages.count(last) == 1
    messages.remove(last)
    assert messages == PLAIN[:-1]


def test_two_lists_of_the_same_messages_are_equal() -> None:
    assert Messages(shared()) == Messages(shared())
    assert Messages(shared()) != Messages(shared()[1:])


def test_an_encoder_finds_the_same_json() -> None:
    assert msgspec.json.encode(Messages(shared())) == msgspec.json.encode(PLAIN)
    assert json.loads(json.dumps(Messages(shared()))) == PLAIN


def test_what_is_kept_refuses_to_be_changed() -> None:
    message = shared()[0]

    def set_() -> None:
        message["content"] = "other"

    def delete() -> None:
        del message["content"]

    def merge() -> None:
        nonlocal message
        message |= {"content": "other"}

    changes: list[Callable[[], object]] = [
        *(set_, delete, merge, message.clear, message.popitem),
        lambda: message.pop("content"),
        lambda: message.setdefault("name", "x"),
        lambda: message.update(content="other"),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="change a copy"):
            change()
    assert message == PLAIN[0]
    assert type(copy.deepcopy(message)) is type(message.copy()) is type(message | {}) is dict


def test_a_message_with_parts_is_not_kept() -> None:
    assert kept({"role": "user", "content": [{"type": "text", "text": "hi"}]}) is None

"""Values that a state cannot hold, or that do not fit an annotation: refused with the path to them."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
import pytest

from agent_runtime_framework.actors.journey import StateSerializer
from agent_runtime_framework.actors.journey.serializer import DEPTH_LIMIT, deserialize
from agent_runtime_framework.events import InvalidInput
from support.states import Dog, Item, Order, Step

serialize = StateSerializer.serialize


class Node:
    def to_dict(self) -> dict[str, Any]:
        return {"next": self}


class Endless:
    def to_dict(self) -> dict[str, Any]:
        return {"next": Endless()}


def cycle() -> list[Any]:
    value: list[Any] = [1]
    value.append({"back": value})
    return value


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"cart": [0, 1, {"price": object()}]}, r"^state field 'cart\[2\].price' holds an object of type object,"),
        ({"cart": {"f": len}}, r"^state field 'cart.f' holds an object of type builtin"),
        ({"kind": Step}, r"^state field 'kind' holds the class Step"),
        ({"kind": Item}, r"^state field 'kind' holds the class Item"),
        ({"n": float("nan")}, r"^state field 'n' is nan, which JSON cannot hold"),
        ({"n": [1.0, float("-inf")]}, r"^state field 'n\[1\]' is -inf"),
        ({"n": 1 << 2048}, r"^state field 'n' is a whole number of more than 2048 bits"),
        ({"text": "a\ud800"}, r"^state field 'text' is text that is not valid Unicode"),
        ({"cart": cycle()}, r"^state field 'cart\[1\].back' is a list that contains itself"),
        ({"node": Node()}, r"^state field 'node.next' is a Node that contains itself"),
        ({"node": Endless()}, r"^state field 'node(\.next)+' is nested deeper than 100 levels"),
        ({"cart": deep(DEPTH_LIMIT)}, r"^state field 'cart(\[0\])+' is nested deeper than 100 levels"),
        ({"cart": {(1, 2): 3}}, r"^state field 'cart' has a key of type tuple; keys are texts"),
        ({"cart": {1.5: 3}}, r"^state field 'cart' has a key of type float"),
        ({"cart": {True: 3}}, r"^state field 'cart' has a key of type bool"),
        ({"cart": {None: 3}}, r"^state field 'cart' has a key of type NoneType"),
        ({"cart": {frozenset({1}): 3}}, r"^state field 'cart' has a key of type frozenset"),
        ({"cart": {len: 3}}, r"^state field 'cart' has a key that JSON cannot hold: the value holds"),
        ({"cart": {"\ud800": 3}}, r"^state field 'cart' has a key that JSON cannot hold: .*not valid Unicode"),
        ({"cart": {1: "a", "1": "b"}}, r"^state field 'cart' has two keys that are both '1' in JSON"),
        ({"tags": {1, len}}, r"^state field 'tags\[\*\]' holds an object of type builtin"),
        ({"order": Order([Item("tea", {1}.pop)])}, r"^state field 'order.items\[0\].price' holds an object"),  # type: ignore[arg-type]
        ({"dog": Dog(good_boy=len)}, r"^state field 'dog.goodBoy' holds an object"),  # type: ignore[arg-type]
        (float("inf"), r"^the value is inf"),
        ((item for item in "ab"), r"^the value holds an object of type generator"),
        (msgspec.Raw(b"1"), r"^the value holds an object of type Raw"),
    ],
)  # fmt: skip
def test_a_value_without_a_json_form_is_refused_with_its_path(value: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        serialize(value)


def test_nesting_up_to_the_limit_is_taken_and_can_be_decoded() -> None:
    value = deep(DEPTH_LIMIT)
    assert msgspec.json.decode(msgspec.json.encode(serialize(value))) == value


def test_the_path_may_be_given() -> None:
    with pytest.raises(InvalidInput, match=r"^state field 'cart\[0\]' is nan"):
        serialize([float("nan")], "cart")


def test_a_refusal_inside_somebody_s_to_dict_names_where_that_object_stands() -> None:
    class Wallet:
        def to_dict(self) -> Any:
            return serialize({"money": float("nan")})

    with pytest.raises(InvalidInput, match=r"^state field 'a\[0\]' holds a Wallet: state field 'money' is nan"):
        serialize({"a": [Wallet()]})


def test_what_somebody_s_to_dict_raises_passes_through() -> None:
    class Broken:
        def to_dict(self) -> Any:
            raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        serialize([Broken()])


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (list[Item], [{"name": "tea"}, {"name": 3}], r"^state field 'cart\[1\].name' does not fit .*Expected `str`"),
        (list[Item], [{"price": "1"}], r"^state field 'cart\[0\].name' is missing, and Item has no default for it"),
        (Order, {"items": {}}, r"^state field 'cart.items' does not fit .*Expected `array`, got `object`"),
        (Item, [1], r"^state field 'cart' does not fit"),
        (dict[str, Step], {"a": "gone"}, r"^state field 'cart.a' does not fit .*'gone' is not a valid Step"),
        (datetime, "yesterday", r"^state field 'cart' does not fit .*Invalid isoformat string: 'yesterday'"),
        (dict[int, Step], {"a": "done"}, r"^state field 'cart' does not fit .*Expected `int`"),
        (tuple[int, int], [1], r"^state field 'cart' does not fit .*length 2"),
        (int, None, r"^state field 'cart' does not fit .*got `null`"),
        (Annotated[int, msgspec.Meta(gt=0)], 0, r"^state field 'cart' does not fit .*`int` >= 1"),
        (type, 1, r"^state field 'cart' does not fit"),
        (Item | Order, {"name": "tea"}, r"^state field 'cart' does not fit .*more than one"),
        (Node, {}, r"^state field 'cart' does not fit .*Expected `Node`"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named_with_its_path(annotation: Any, value: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        deserialize(annotation, value, "cart")


def test_a_long_path_is_told_by_its_two_ends() -> None:
    with pytest.raises(InvalidInput) as raised:
        serialize({"first": {"x" * 1_000_000: {"last": len}}})

    told = str(raised.value)
    assert len(told) < 1_000
    assert told.startswith("state field 'first.xxx")
    assert "xxx.last' holds an object" in told

"""Values of a state as JSON and back: one form for each, and a clear refusal for the rest."""

import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, TypedDict
from uuid import UUID

import immutables
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime_framework.actors.journey import StateSerializer
from agent_runtime_framework.actors.journey.serializer import DEPTH_LIMIT, deserialize
from agent_runtime_framework.events import InvalidInput

serialize = StateSerializer.serialize

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Step(str, Enum):  # noqa: UP042  as in the seed
    WELCOME = "welcome"
    DONE = "done"


class Level(IntEnum):
    LOW = 1


class Shape(Enum):
    SQUARE = (1, 1)
    HALF = 0.5
    NONE = "none"


class Unset(Enum):
    UNSET = None


class Point(NamedTuple):
    x: int
    y: int = 0


class Movie(TypedDict):
    name: str


@dataclass
class Item:
    name: str
    price: Decimal = Decimal(0)


@dataclass
class Order:
    items: list[Item] = field(default_factory=list)
    total: Decimal = field(default=Decimal(0), init=False)


class Money:
    """Speaks for itself, in other words than its attributes."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    def __hash__(self) -> int:
        return self.cents

    def to_dict(self) -> dict[str, Any]:
        return {"euro": self.cents / 100}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Money":
        return cls(round(data["euro"] * 100))


@dataclass
class Renamed:
    """Is a dataclass whose hand-written pair must win over its fields."""

    name: str

    def to_dict(self) -> dict[str, Any]:
        return {"n": self.name}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Renamed":
        return cls(data["n"])


class Cat(msgspec.Struct, tag=True):
    lives: int = 9


class Dog(msgspec.Struct, tag=True, rename="camel"):
    good_boy: bool = True
    owner: Renamed | None = None


class Pair(msgspec.Struct, array_like=True):
    left: int
    right: set[int]


# --- what has a JSON form


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (2**200, 2**200),
        (1.5, 1.5),
        ("Grüße 👋", "Grüße 👋"),
        (Step.WELCOME, "welcome"),
        (Level.LOW, 1),
        (Shape.SQUARE, [1, 1]),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Decimal("9.90"), "9.90"),
        (datetime(2025, 1, 2, 3, 4, 5, 6), "2025-01-02T03:04:05.000006"),  # noqa: DTZ001
        (datetime(2025, 1, 2, tzinfo=UTC), "2025-01-02T00:00:00+00:00"),
        (date(2025, 1, 2), "2025-01-02"),
        (time(3, 4), "03:04:00"),
        (timedelta(days=1, hours=2, microseconds=3), "P1DT7200.000003S"),
        (b"\xff\x00", "/wA="),
        (bytearray(b"12"), "MTI="),
        ((1, (2, Step.DONE)), [1, [2, "done"]]),
        ([{"a": (1,)}], [{"a": [1]}]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({10, 9, "x", None, Step.DONE}, ["done", "x", 10, 9, None]),
        ({1: "a", Level.LOW.name: "b"}, {"1": "a", "LOW": "b"}),
        ({Step.DONE: 1, UUID(int=1): 2, date(2025, 1, 2): 3}, {
            "done": 1, "00000000-0000-0000-0000-000000000001": 2, "2025-01-02": 3,
        }),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (MappingProxyType({"a": {1}}), {"a": [1]}),
        (immutables.Map({"a": 1}), {"a": 1}),
        (Item("tea", Decimal("1.5")), {"name": "tea", "price": "1.5"}),
        (Order([Item("tea")]), {"items": [{"name": "tea", "price": "0"}], "total": "0"}),
        (Point(1), [1, 0]),
        (Money(150), {"euro": 1.5}),
        ([Renamed("Ada")], [{"n": "Ada"}]),
        (Cat(), {"type": "Cat", "lives": 9}),
        (Dog(owner=Renamed("Ada")), {"type": "Dog", "goodBoy": True, "owner": {"n": "Ada"}}),
        (Pair(1, {3, 2}), [1, [2, 3]]),
    ],
)  # fmt: skip
def test_a_value_has_one_json_form(value: Any, form: Any) -> None:
    assert serialize(value) == form
    assert type(serialize(value)) is type(form)
    assert msgspec.json.decode(msgspec.json.encode(serialize(value))) == form


def test_a_dict_keeps_its_order() -> None:
    assert list(serialize({"b": 1, "a": 2})) == ["b", "a"]


def test_subclasses_of_plain_types_become_plain() -> None:
    class Name(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "not this"

    class Count(int):
        pass

    class Weight(float):
        pass

    forms = [serialize(value) for value in (Name("Ada"), Count(3), Weight(1.5))]
    assert [(type(form), form) for form in forms] == [(str, "Ada"), (int, 3), (float, 1.5)]


def test_what_comes_out_shares_nothing_with_what_went_in() -> None:
    value: dict[str, Any] = {"list": [1, {"inner": [2]}]}
    form = serialize(value)
    value["list"][1]["inner"].append(3)
    value["list"].append(4)
    assert form == {"list": [1, {"inner": [2]}]}


def test_a_value_that_stands_in_two_places_is_written_twice() -> None:
    shared = [1]
    assert serialize({"a": shared, "b": [shared, shared]}) == {"a": [1], "b": [[1], [1]]}


@settings(deadline=None)
@given(JSON)
def test_a_json_value_is_its_own_form(value: Any) -> None:
    assert serialize(value) == value
    assert deserialize(Any, msgspec.json.decode(msgspec.json.encode(serialize(value)))) == value


SETS = """
import msgspec
from agent_runtime_framework.actors.journey import StateSerializer
words = {"tea", "coffee", "milk", "water", "juice", "b", "a", ""}
value = {"mixed": words | {1, 2.5, None, ("x", 1)}, "nested": {frozenset(words), frozenset({"z"})}}
print(msgspec.json.encode(StateSerializer.serialize(value)).decode())
"""


def test_a_set_has_the_same_form_in_every_process() -> None:
    forms = set()
    for seed in ("0", "1", "2", "3"):
        run = subprocess.run(
            [sys.executable, "-c", SETS], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        forms.add(run.stdout)
    assert len(forms) == 1
    assert msgspec.json.decode(forms.pop())["mixed"][:3] == ["", "a", "b"]


# --- what has none


class Node:
    def to_dict(self) -> dict[str, Any]:
        return {"next": self}


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


# --- enums


def test_an_enum_is_made_from_its_value_or_its_member() -> None:
    assert StateSerializer.deserialize_enum("done", Step) is Step.DONE
    assert StateSerializer.deserialize_enum(Step.DONE, Step) is Step.DONE
    assert StateSerializer.deserialize_enum(1, Level) is Level.LOW


@pytest.mark.parametrize("member", [*Shape, *Unset])
def test_an_enum_is_made_from_the_form_of_its_value(member: Enum) -> None:
    form = msgspec.json.decode(msgspec.json.encode(serialize(member)))
    assert StateSerializer.deserialize_enum(form, type(member)) is member


def test_a_value_that_no_member_has_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="'gone' is not a valid Step"):
        StateSerializer.deserialize_enum("gone", Step)


# --- back by annotation


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Step, Step.DONE),
        (Shape, Shape.SQUARE),
        (Shape | None, None),
        (UUID, UUID(int=5)),
        (Decimal, Decimal("-0.00")),
        (Decimal, Decimal("1E+2")),
        (int, -(2**300)),
        (float, 1),
        (float | None, 1),
        (float | str, 1),
        (datetime, datetime(2025, 1, 2, 3, 4, 5, 6)),  # noqa: DTZ001
        (datetime, datetime(2025, 1, 2, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))),
        (datetime, datetime(1890, 1, 2, tzinfo=timezone(timedelta(minutes=19, seconds=32)))),
        (datetime, datetime(1, 1, 1, tzinfo=timezone(timedelta(minutes=19, seconds=32)))),
        (time, time(3, tzinfo=timezone(timedelta(minutes=19, seconds=32)))),
        (date, date(2025, 1, 2)),
        (time, time(3, 4, 5, 6)),
        (timedelta, -timedelta(microseconds=1)),
        (timedelta, timedelta.max),
        (bytes, b"\xff\x00"),
        (bytearray, bytearray(b"12")),
        (set[int], {3, 1}),
        (frozenset[str], frozenset({"a"})),
        (set[Point], {Point(1, 2)}),
        (list[Item], [Item("tea", Decimal("1.5"))]),
        (tuple[int, Step], (1, Step.DONE)),
        (tuple[Step, ...], (Step.DONE, Step.WELCOME)),
        (tuple[()], ()),
        (dict[Step, set[Level]], {Step.DONE: {Level.LOW}}),
        (dict[int, dict[UUID, date]], {1: {UUID(int=1): date(2025, 1, 2)}}),
        (Mapping[str, Decimal], {"a": Decimal("1.0")}),
        (Item | None, Item("tea")),
        (list[Item] | Item | str, [Item("tea")]),
        (list[Item] | Item | str, Item("tea")),
        (list[Item] | Item | str, "tea"),
        (int | str | None, 3),
        (Money, Money(3)),
        (dict[str, list[Money | None]], {"a": [Money(150), None]}),
        (set[Money], {Money(3), Money(2)}),
        (Renamed | int, Renamed("Ada")),
        (list[Renamed] | str, [Renamed("Ada")]),
        (Cat | Dog, Dog(good_boy=False)),
        (Dog, Dog(owner=Renamed("Ada"))),
        (Pair, Pair(1, {2})),
        (Point, Point(1, 2)),
        (Movie, Movie(name="Alien")),
        (Annotated[list[Renamed], "cast"], [Renamed("Ada")]),
        (Annotated[Decimal, msgspec.Meta(title="price")], Decimal("1.5")),
        (Annotated[Step, "step"], Step.DONE),
        (Any, [1, {"a": None}]),
        (list, [1, "a"]),
    ],
)
def test_a_value_comes_back_as_it_was(annotation: Any, value: Any) -> None:
    form = msgspec.json.decode(msgspec.json.encode(serialize(value)))
    back = deserialize(annotation, form)
    assert back == value
    assert type(back) is type(value)
    assert msgspec.json.encode(serialize(back)) == msgspec.json.encode(form)


@pytest.mark.parametrize(
    "value", [timedelta(days=3, seconds=4), Decimal("1.10"), UUID(int=7), b"\x00", time(1), {2, 1}]
)
def test_msgspec_alone_reads_the_forms_too(value: Any) -> None:
    assert msgspec.convert(serialize(value), type(value)) == value


# a datetime keeps its offset, not its zone; Python finds times around a zone's changes unequal to all others
OFFSETS = st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers()),
    (float, st.floats(allow_nan=False, allow_infinity=False) | st.integers()),
    (str, st.text()),
    (bytes, st.binary()),
    (Decimal, st.decimals(allow_nan=False)),
    (datetime, st.datetimes(timezones=st.none() | OFFSETS)),
    (date, st.dates()),
    (time, st.times()),
    (timedelta, st.timedeltas()),
    (UUID, st.uuids()),
    (Step, st.sampled_from(Step)),
    (Shape, st.sampled_from(Shape)),
]


@pytest.mark.parametrize(("annotation", "values"), SCALARS, ids=[kind.__name__ for kind, _ in SCALARS])
@settings(deadline=None)
@given(data=st.data())
def test_any_value_of_a_type_comes_back_alone_and_in_collections(
    data: st.DataObject, annotation: Any, values: st.SearchStrategy[Any]
) -> None:
    nested = dict[str, list[annotation | None]]
    value = data.draw(st.dictionaries(st.text(), st.lists(values | st.none(), max_size=3), max_size=3))
    encoded = msgspec.json.encode(serialize(value))
    back = deserialize(nested, msgspec.json.decode(encoded))
    assert back == value
    assert msgspec.json.encode(serialize(back)) == encoded
    unique = data.draw(st.frozensets(values, max_size=4))
    assert deserialize(frozenset[annotation], serialize(unique)) == unique


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


def test_a_record_ignores_unknown_keys_and_takes_defaults() -> None:
    assert deserialize(Item, {"name": "tea", "colour": "green"}) == Item("tea", Decimal(0))
    assert deserialize(Dog, {"type": "Dog", "colour": "brown"}) == Dog()


def test_a_field_that_the_constructor_does_not_take_comes_back_too() -> None:
    order = Order()
    order.total = Decimal("3.50")
    assert deserialize(Order, serialize(order)).total == Decimal("3.50")

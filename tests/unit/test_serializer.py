"""Values of a state as JSON and back: one form for each."""

import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Mapping
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
from agent_runtime_framework.actors.journey.serializer import deserialize
from support.states import Dog, Item, Order, Renamed

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


class Cat(msgspec.Struct, tag=True):
    lives: int = 9


class Pair(msgspec.Struct, array_like=True):
    left: int
    right: set[int]


# --- to JSON


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

        def encode(self, encoding: str = "", errors: str = "") -> bytes:
            raise AssertionError("nothing of a subclass is asked")

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


# --- enums


def test_an_enum_is_made_from_its_value_or_its_member() -> None:
    assert StateSerializer.deserialize_enum("done", Step) is Step.DONE
    assert StateSerializer.deserialize_enum(Step.DONE, Step) is Step.DONE
    assert StateSerializer.deserialize_enum(1, Level) is Level.LOW


@pytest.mark.parametrize("member", [*Shape, *Unset])
def test_an_enum_is_made_from_the_form_of_its_value(member: Enum) -> None:
    form = msgspec.json.decode(msgspec.json.encode(serialize(member)))
    assert StateSerializer.deserialize_enum(form, type(member)) is member


class Handler(Enum):
    PARSER = Decimal  # a member whose value has no JSON form
    NONE = None


def test_a_member_without_a_json_form_is_found_by_itself_and_hides_no_other() -> None:
    assert StateSerializer.deserialize_enum(Handler.PARSER, Handler) is Handler.PARSER
    assert StateSerializer.deserialize_enum(None, Handler) is Handler.NONE
    with pytest.raises(ValueError, match="'gone' is not a valid Handler"):
        StateSerializer.deserialize_enum("gone", Handler)


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


def test_a_record_ignores_unknown_keys_and_takes_defaults() -> None:
    assert deserialize(Item, {"name": "tea", "colour": "green"}) == Item("tea", Decimal(0))
    assert deserialize(Dog, {"type": "Dog", "colour": "brown"}) == Dog()


def test_a_field_that_the_constructor_does_not_take_comes_back_too() -> None:
    order = Order()
    order.total = Decimal("3.50")
    assert deserialize(Order, serialize(order)).total == Decimal("3.50")

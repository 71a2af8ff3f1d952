"""A journey's state: what authors declare, and how the loop reads it without trusting any object."""

from abc import ABC
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime_framework.actors.journey import (
    BaseJourneyState,
    BaseState,
    difference,
    is_complete,
    is_terminal,
    state_fields,
    state_from_dict,
    state_from_fields,
    state_to_dict,
    step_of,
)
from agent_runtime_framework.events import InvalidInput

StepT = TypeVar("StepT")
ItemT = TypeVar("ItemT")


class OnboardingStep(str, Enum):  # noqa: UP042  as in the seed
    WELCOME = "welcome"
    COLLECT_NAME = "collect_name"
    COMPLETE = "complete"


@dataclass
class OnboardingState(BaseJourneyState[OnboardingStep]):
    """Is the state of the seed, word by word."""

    step: OnboardingStep = OnboardingStep.WELCOME
    name: str = ""
    email: str = ""

    def is_complete(self) -> bool:
        return self.step == OnboardingStep.COMPLETE

    def to_dict(self) -> dict[str, Any]:
        return {
            "step": self.step.value,
            "name": self.name,
            "email": self.email,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "OnboardingState":
        return cls(
            step=OnboardingStep(data.get("step", "welcome")),
            name=data.get("name", ""),
            email=data.get("email", ""),
        )


class Step(Enum):
    SHOPPING = "shopping"
    DONE = "done"


@dataclass
class Item:
    name: str
    price: Decimal = Decimal(0)


class Derived(BaseJourneyState[Step], ABC):
    def is_complete(self) -> bool:
        return self.step is Step.DONE


@dataclass
class Shopping(Derived):
    """Has one field of each kind that a derived pair must bring through."""

    LIMIT: ClassVar[int] = 5

    step: Step = Step.SHOPPING
    cart: list[Item] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    total: Decimal = Decimal(0)
    discount: float = 0
    since: datetime | None = None
    customer: UUID | None = None
    stock: dict[str, dict[int, Item]] = field(default_factory=dict)
    notes: Any = None
    nickname: str = None  # type: ignore[assignment]  # sloppy, and common
    visits: int = field(default=0, init=False)


class Frozen(msgspec.Struct, frozen=True):
    step: Step = Step.SHOPPING
    tags: set[str] = set()
    lastSeen: datetime | None = None  # noqa: N815


class Journey(msgspec.Struct, rename="camel"):
    step: Step
    cart_items: list[Item] = []

    def is_complete(self) -> bool:
        return not self.cart_items


FULL = Shopping(
    step=Step.DONE,
    cart=[Item("tea", Decimal("1.50"))],
    tags={"new", "blue"},
    total=Decimal("1.50"),
    discount=0.5,
    since=datetime(2025, 1, 2, tzinfo=UTC),
    customer=UUID(int=5),
    stock={"shelf": {3: Item("milk")}},
    notes={"any": ["thing", None]},
    nickname="Ada",
)


# --- what an author sees


def test_the_state_of_the_seed_works_as_written() -> None:
    state = OnboardingState()
    state.step = OnboardingStep.COMPLETE
    assert state.to_dict() == {"step": "complete", "name": "", "email": ""}
    assert OnboardingState.from_dict({"name": "Ada"}) == OnboardingState(name="Ada")
    assert (state.is_complete(), state.is_terminal()) == (True, True)
    assert state_from_fields(OnboardingState, state_fields(state)) == state


def test_a_base_state_needs_both_halves_of_its_pair() -> None:
    with pytest.raises(TypeError, match="from_dict"):

        class Half(BaseState):
            def to_dict(self) -> dict[str, Any]:
                return {}

        Half()  # type: ignore[abstract]


def test_a_journey_state_must_say_when_it_is_complete() -> None:
    with pytest.raises(TypeError, match="is_complete"):

        @dataclass
        class Endless(BaseJourneyState[Step]):
            step: Step = Step.DONE

        Endless()  # type: ignore[abstract]


def test_the_step_can_be_read_and_set() -> None:
    state = Shopping()
    assert state.get_step() is Step.SHOPPING
    state.set_step(Step.DONE)
    assert (state.step, state.get_step()) == (Step.DONE, Step.DONE)


def test_a_state_may_be_terminal_before_it_is_complete() -> None:
    @dataclass
    class Cancellable(Derived):
        step: Step = Step.SHOPPING
        cancelled: bool = False

        def is_terminal(self) -> bool:
            return self.cancelled or self.is_complete()

    assert Cancellable().is_terminal() is False
    assert Cancellable(cancelled=True).is_terminal() is True
    assert Cancellable(cancelled=True).is_complete() is False


def test_a_copy_is_equal_and_shares_nothing() -> None:
    state = Shopping(cart=[Item("tea")], notes={"a": [1]})
    copy = state.copy()
    assert copy == state
    copy.cart[0].name = "milk"
    copy.notes["a"].append(2)
    assert (state.cart, state.notes) == ([Item("tea")], {"a": [1]})


def test_a_copy_shares_nothing_even_if_the_author_s_dict_holds_the_live_list() -> None:
    state = Live(items=[[1]])
    copy = state.copy()
    copy.items[0].append(2)
    assert state.items == [[1]]


# --- the derived pair


def test_a_derived_dict_is_plain_json() -> None:
    assert FULL.to_dict() == {
        "step": "done",
        "cart": [{"name": "tea", "price": "1.50"}],
        "tags": ["blue", "new"],
        "total": "1.50",
        "discount": 0.5,
        "since": "2025-01-02T00:00:00+00:00",
        "customer": "00000000-0000-0000-0000-000000000005",
        "stock": {"shelf": {"3": {"name": "milk", "price": "0"}}},
        "notes": {"any": ["thing", None]},
        "nickname": "Ada",
        "visits": 0,
    }


@pytest.mark.parametrize("state", [FULL, Shopping()], ids=["full", "defaults"])
def test_a_derived_pair_brings_every_field_through(state: Shopping) -> None:
    assert Shopping.from_dict(state.to_dict()) == state
    assert state_from_fields(Shopping, state_fields(state)) == state


def test_a_derived_pair_brings_through_what_the_constructor_does_not_take() -> None:
    state = Shopping()
    state.visits = 3
    assert Shopping.from_dict(state.to_dict()).visits == 3


def test_a_derived_from_dict_ignores_unknown_keys_and_takes_defaults() -> None:
    assert Shopping.from_dict({"step": "done", "colour": "red"}) == Shopping(step=Step.DONE)


def test_a_derived_from_dict_names_a_field_that_is_missing_and_has_no_default() -> None:
    @dataclass
    class Strict(Derived):
        step: Step
        name: str

    with pytest.raises(InvalidInput, match=r"^state field 'name' is missing, and Strict has no default"):
        Strict.from_dict({"step": "done"})


def test_defaults_are_never_shared_between_states() -> None:
    class Label:
        def __init__(self, text: str) -> None:
            self.text = text

        def to_dict(self) -> dict[str, str]:
            return {"text": self.text}

        @classmethod
        def from_dict(cls, data: dict[str, str]) -> "Label":
            return cls(data["text"])

    @dataclass
    class Labelled(Derived):
        step: Step = Step.SHOPPING
        label: Label = Label("none")  # noqa: RUF009  hashable, so dataclasses allow it

    first, second = Labelled.from_dict({}), Labelled.from_dict({})
    first.label.text = "changed"
    assert second.label.text == Labelled().label.text == "none"


def test_a_hand_written_to_dict_wins_where_from_dict_is_derived() -> None:
    @dataclass
    class Written(Derived):
        step: Step = Step.SHOPPING
        names: set[str] = field(default_factory=set)
        scratch: int = 0

        def to_dict(self) -> dict[str, Any]:
            return {"step": self.step, "names": self.names}

    state = Written(Step.DONE, {"b", "a"}, scratch=3)
    assert state_fields(state) == {"step": b'"done"', "names": b'["a","b"]'}
    assert state_from_fields(Written, state_fields(state)) == Written(Step.DONE, {"b", "a"}, scratch=0)


def test_a_hand_written_from_dict_wins_where_to_dict_is_derived() -> None:
    @dataclass
    class Read(Derived):
        step: Step = Step.SHOPPING
        total: Decimal = Decimal(0)

        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> "Read":
            return cls(Step(data["step"]), Decimal(data["total"]) + 1)

    state = Read(total=Decimal("1.5"))
    assert state.to_dict() == {"step": "shopping", "total": "1.5"}
    assert state_from_fields(Read, state_fields(state)).total == Decimal("2.5")


def test_a_nested_object_s_own_pair_wins_over_its_fields() -> None:
    @dataclass
    class Renamed(OnboardingState):
        def to_dict(self) -> dict[str, Any]:
            return {"s": self.step.value, "n": self.name}

        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> "Renamed":
            return cls(OnboardingStep(data["s"]), data["n"])

    @dataclass
    class Outer(Derived):
        step: Step = Step.SHOPPING
        inner: Renamed = field(default_factory=Renamed)
        others: list[OnboardingState] = field(default_factory=list)

    state = Outer(inner=Renamed(name="Ada"), others=[OnboardingState(name="Bob")])
    assert state.to_dict()["inner"] == {"s": "welcome", "n": "Ada"}
    assert state_from_fields(Outer, state_fields(state)) == state


def test_a_nested_derived_state_is_named_with_its_whole_path() -> None:
    @dataclass
    class Outer(Derived):
        step: Step = Step.SHOPPING
        shops: list[Shopping] = field(default_factory=list)

    with pytest.raises(InvalidInput, match=r"^state field 'shops\[0\].cart\[0\].price' is nan"):
        state_fields(Outer(shops=[Shopping(cart=[Item("tea", float("nan"))])]))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"^state field 'shops\[0\].cart\[0\].price' does not fit"):
        Outer.from_dict({"shops": [{"cart": [{"name": "tea", "price": "cheap"}]}]})
    with pytest.raises(InvalidInput, match=r"^state field 'shops\[0\]' is a str; a Shopping is read from a dict"):
        Outer.from_dict({"shops": ["none"]})


def test_a_derived_state_that_contains_itself_is_refused() -> None:
    @dataclass
    class Loop(Derived):
        step: Step = Step.SHOPPING
        next: Any = None

    state = Loop()
    state.next = [state]
    with pytest.raises(InvalidInput, match=r"^state field 'next\[0\]' is a Loop that contains itself"):
        state_fields(state)


def test_steps_may_be_numbers_and_plain_texts() -> None:
    class Level(IntEnum):
        FIRST = 1
        LAST = 2

    @dataclass
    class Levels(BaseJourneyState[Level]):
        step: Level = Level.FIRST

        def is_complete(self) -> bool:
            return self.step == Level.LAST

    @dataclass
    class Texts(BaseJourneyState[str]):
        step: str = "first"

        def is_complete(self) -> bool:
            return self.step == "last"

    assert Levels.from_dict({"step": 2}).is_complete()
    assert (step_of(Levels()), step_of(Texts())) == ("1", "first")
    assert state_from_fields(Levels, state_fields(Levels(Level.LAST))).step is Level.LAST


@dataclass
class Pile(BaseJourneyState[StepT], Generic[StepT, ItemT]):
    step: StepT
    items: list[ItemT] = field(default_factory=list)

    def is_complete(self) -> bool:
        return False


@dataclass
class Piles(Pile[StepT, list[ItemT]]):
    spare: ItemT | None = None


class TeaPiles(Piles[Step, Item]):
    pass


def test_type_variables_of_generic_states_are_filled_in() -> None:
    state = TeaPiles(Step.DONE, [[Item("tea")]], Item("milk"))
    assert state_from_fields(TeaPiles, state_fields(state)) == state


def test_a_plain_class_with_annotations_has_a_derived_pair_too() -> None:
    class Plain(Derived):
        step = Step.SHOPPING
        cart: list[Item] = []  # noqa: RUF012  shared by all, as authors write it

        def __init__(self) -> None:
            self.cart = []

        @cached_property
        def size(self) -> int:
            return len(self.cart)

    class Shared(Plain):
        labels: list[str] = []  # noqa: RUF012

    state = Shared()
    state.cart.append(Item("tea"))
    assert state.size == 1
    assert state.to_dict() == {"step": "shopping", "cart": [{"name": "tea", "price": "0"}], "labels": []}
    back = state_from_fields(Shared, state_fields(state))
    assert (back.step, back.cart) == (Step.SHOPPING, [Item("tea")])
    Shared.from_dict({}).labels.append("changed")
    assert Shared.labels == []


def test_a_plain_class_with_an_attribute_that_would_be_lost_is_refused() -> None:
    class Plain(Derived):
        step = Step.SHOPPING

        def __init__(self, name: str = "") -> None:
            self.name = name

    with pytest.raises(InvalidInput, match=r"^state field 'name' is not annotated in Plain"):
        Plain().to_dict()


def test_annotations_that_cannot_be_read_are_a_clear_error() -> None:
    @dataclass
    class Lost(Derived):
        step: Step = Step.SHOPPING
        item: "NotDefinedHere" = None  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(InvalidInput, match=r"annotations of Lost cannot be read .*NotDefinedHere.*top of its module"):
        Lost.from_dict({})

    class LostStruct(msgspec.Struct):
        item: "NotDefinedHere"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(InvalidInput, match=r"annotations of LostStruct cannot be read .*NotDefinedHere"):
        state_from_dict(LostStruct, {})


def test_frozen_and_slotted_dataclasses_are_states() -> None:
    @dataclass(frozen=True, slots=True)
    class Still(Derived):
        step: Step = Step.SHOPPING
        tags: frozenset[str] = frozenset()

    state = Still(Step.DONE, frozenset({"a"}))
    assert state_from_fields(Still, state_fields(state)) == state


# --- a Struct is a state on its own


def test_a_struct_is_a_state_on_its_own() -> None:
    state = Frozen(Step.DONE, {"b", "a"})
    assert state_to_dict(state) == {"step": "done", "tags": ["a", "b"], "lastSeen": None}
    assert state_from_fields(Frozen, state_fields(state)) == state
    assert (step_of(state), is_complete(state), is_terminal(state)) == ("done", False, False)


def test_a_struct_s_renamed_fields_and_verdict_are_respected() -> None:
    state = Journey(Step.SHOPPING, [Item("tea", Decimal("1.0"))])
    assert state_fields(state) == {"step": b'"shopping"', "cartItems": b'[{"name":"tea","price":"1.0"}]'}
    assert state_from_fields(Journey, state_fields(state)) == state
    assert (is_complete(state), is_terminal(state)) == (False, False)
    assert (is_complete(Journey(Step.DONE)), is_terminal(Journey(Step.DONE))) == (True, True)


def test_a_struct_s_unknown_keys_are_ignored_and_its_defaults_are_fresh() -> None:
    first = state_from_dict(Journey, {"step": "done", "colour": 1})
    first.cart_items.append(Item("tea"))
    assert state_from_dict(Journey, {"step": "done"}).cart_items == []
    with pytest.raises(InvalidInput, match=r"^state field 'step' is missing, and Journey has no default"):
        state_from_dict(Journey, {})


# --- how the loop reads any state


def test_fields_are_the_json_of_each_top_level_field() -> None:
    fields = state_fields(Shopping(cart=[Item("tea")], total=Decimal("9.90")))
    assert fields["step"] == b'"shopping"'
    assert fields["cart"] == b'[{"name":"tea","price":"0"}]'
    assert fields["total"] == b'"9.90"'
    assert fields["since"] == b"null"


def test_reading_a_state_alone_changes_nothing() -> None:
    for state in (FULL, Shopping(), OnboardingState(), Frozen(), Live(items=[[1]])):
        fields = state_fields(state)
        assert difference(fields, state_fields(state_from_fields(type(state), fields))) == ({}, ())


def test_each_reading_is_a_new_object_that_shares_nothing() -> None:
    fields = state_fields(FULL)
    first, second = state_from_fields(Shopping, fields), state_from_fields(Shopping, fields)
    first.cart[0].name = "changed"
    first.tags.add("changed")
    first.stock["shelf"][3].name = "changed"
    first.notes["any"].append("changed")
    assert second == FULL


class Live(BaseState):
    """Gives its live list in `to_dict`, as careless authors do."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def to_dict(self) -> dict[str, Any]:
        return {"items": self.items}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Live":
        return cls(data["items"])


def test_a_to_dict_that_gives_the_live_list_cannot_hide_a_change() -> None:
    state = Live([1])
    as_dict, before = state.to_dict(), state_fields(state)
    state.items.append({"a": 2})
    assert as_dict == state.to_dict()
    assert difference(before, state_fields(state)) == ({"items": b'[1,{"a":2}]'}, ())


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (lambda state: state.cart.append(Item("milk")), "cart"),
        (lambda state: setattr(state.cart[0], "price", Decimal("2.00")), "cart"),
        (lambda state: state.stock["shelf"].pop(3), "stock"),
        (lambda state: setattr(state.stock["shelf"][3], "name", "oats"), "stock"),
        (lambda state: state.notes["any"].reverse(), "notes"),
        (lambda state: state.tags.discard("new"), "tags"),
        (lambda state: setattr(state, "total", Decimal("1.500")), "total"),
        (lambda state: setattr(state, "since", None), "since"),
        (lambda state: setattr(state, "visits", 1), "visits"),
        (lambda state: state.set_step(Step.SHOPPING), "step"),
    ],
)
def test_a_change_deep_inside_shows_in_its_field_alone(change: Any, changed: str) -> None:
    state = state_from_fields(Shopping, state_fields(FULL))
    before = state_fields(state)
    change(state)
    found, unset = difference(before, state_fields(state))
    assert (list(found), unset) == ([changed], ())


def test_a_set_filled_in_another_order_is_no_change() -> None:
    forward, backward = Shopping(), Shopping()
    for number in range(50):
        forward.tags.add(str(number))
        backward.tags.add(str(49 - number))
    assert list(forward.tags) != list(backward.tags)
    assert difference(state_fields(forward), state_fields(backward)) == ({}, ())


def test_a_key_that_is_gone_from_a_hand_written_dict_is_unset() -> None:
    class Loose(Live):
        def to_dict(self) -> dict[str, Any]:
            return {f"item{index}": item for index, item in enumerate(self.items)}

        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> "Loose":
            return cls(list(data.values()))

    assert difference(state_fields(Loose([1, 2])), state_fields(Loose([1]))) == ({}, ("item1",))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (Shopping(notes=[object()]), r"^state field 'notes\[0\]' holds an object of type object"),
        (Shopping(discount=float("nan")), "^state field 'discount' is nan"),
        (Live(items=[{"a": {1, len}}]), r"^state field 'items\[0\].a\[\*\]' holds an object of type builtin"),
        (Live(items={(1, 2): 3}), "^state field 'items' has a key of type tuple"),  # type: ignore[arg-type]
        (Frozen(tags=[3]), r"^state field 'tags\[0\]' does not fit its annotation: Expected `str`, got `int`"),  # type: ignore[arg-type]
        (Shopping(cart="tea"), "^state field 'cart' does not fit its annotation: Expected `array`"),  # type: ignore[arg-type]
        (Shopping(customer="me"), "^state field 'customer' does not fit its annotation: Invalid UUID"),  # type: ignore[arg-type]
        (Shopping(step="gone"), "^state field 'step' does not fit its annotation: 'gone' is not a valid Step"),  # type: ignore[arg-type]
    ],
)
def test_a_state_that_could_not_be_stored_and_read_again_is_refused_by_field(state: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        state_fields(state)


def test_what_the_author_s_pair_raises_is_the_cause_of_a_refusal() -> None:
    class NoDict(Live):
        def to_dict(self) -> dict[str, Any]:
            raise KeyError("gone")

    class NoReading(Live):
        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> "NoReading":
            raise ZeroDivisionError("half")

    with pytest.raises(InvalidInput, match="a NoDict cannot be stored: KeyError: 'gone'") as raised:
        state_fields(NoDict([]))
    assert isinstance(raised.value.__cause__, KeyError)
    with pytest.raises(InvalidInput, match="a NoReading cannot be stored: ZeroDivisionError: half"):
        state_fields(NoReading([]))


def test_a_to_dict_that_gives_no_dict_is_refused() -> None:
    class Listed(Live):
        def to_dict(self) -> Any:
            return self.items

    with pytest.raises(InvalidInput, match="to_dict of Listed returned a list, not a dict"):
        state_fields(Listed([1]))


@pytest.mark.parametrize("value", [None, 3, "text", {"step": "done"}, object()])
def test_what_is_no_state_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="is no state: give its class to_dict and from_dict"):
        state_to_dict(value)
    with pytest.raises(InvalidInput, match="is no state class"):
        state_from_dict(type(value), {})


def test_an_array_like_struct_is_no_state() -> None:
    class Listed(msgspec.Struct, array_like=True):
        step: str = ""

    with pytest.raises(InvalidInput, match="a Listed is array_like"):
        state_fields(Listed())


def test_a_field_that_is_not_json_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"^state field 'name' is not JSON"):
        state_from_fields(OnboardingState, {"step": b'"welcome"', "name": b"Ada"})


def test_a_plain_dataclass_with_or_without_a_step_is_a_state() -> None:
    @dataclass
    class Bare:
        count: int = 0

    assert state_from_fields(Bare, state_fields(Bare(3))) == Bare(3)
    assert (step_of(Bare()), is_complete(Bare()), is_terminal(Bare())) == ("", False, False)


def test_the_step_is_text_whatever_it_is_made_of() -> None:
    @dataclass
    class Any_:  # noqa: N801
        step: Any

    steps: list[Any] = [Step.DONE, "done", OnboardingStep.WELCOME, None, 3]
    assert [step_of(Any_(step)) for step in steps] == ["done", "done", "welcome", "", "3"]


def test_the_step_is_what_get_step_says() -> None:
    @dataclass
    class Composed(BaseJourneyState[Step]):
        done: bool = False

        def get_step(self) -> Step:
            return Step.DONE if self.done else Step.SHOPPING

        def is_complete(self) -> bool:
            return self.done

    assert (step_of(Composed()), step_of(Composed(done=True))) == ("shopping", "done")


@settings(deadline=None)
@given(
    cart=st.lists(st.builds(Item, st.text(), st.decimals(allow_nan=False))),
    tags=st.sets(st.text()),
    discount=st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    customer=st.uuids() | st.none(),
    stock=st.dictionaries(
        st.text(), st.dictionaries(st.integers(), st.builds(Item, st.text()), max_size=2), max_size=2
    ),
)
def test_any_state_comes_back_equal_and_to_the_same_bytes(**values: Any) -> None:
    state = Shopping(**values)
    fields = state_fields(state)
    back = state_from_fields(Shopping, fields)
    assert back == state
    assert state_fields(back) == fields
